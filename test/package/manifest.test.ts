import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readManifest } from '../support/packed-package.js';
import { packagesOf, readSources } from '../support/source-imports.js';

const manifest = await readManifest();
const imported = packagesOf(readSources('src'));
const own = Object.keys(manifest.dependencies ?? {});
const optional = [
  ...Object.keys(manifest.peerDependencies ?? {}),
  ...Object.keys(manifest.optionalDependencies ?? {}),
];

describe('package.json and the imports of src/', () => {
  it('declares every package that is imported', () => {
    expect([...imported.keys()].filter((name) => ![...own, ...optional].includes(name))).toEqual([]);
  });

  it('imports every package that it declares', () => {
    expect([...own, ...optional].filter((name) => !imported.has(name))).toEqual([]);
  });

  it('loads a dependency by a plain import, an optional one only by `import type` or `import()`', () => {
    for (const name of optional) expect([...(imported.get(name) ?? [])], name).not.toContain('value');
  });

  it('makes every peer optional', () => {
    for (const name of Object.keys(manifest.peerDependencies ?? {})) {
      expect(manifest.peerDependenciesMeta?.[name], name).toEqual({ optional: true });
    }
  });
});

describe('package.json and the lock file', () => {
  it('pins every development dependency to one version', () => {
    const loose = Object.entries(manifest.devDependencies).filter(
      ([, range]) => !/^\d+\.\d+\.\d+$/.test(range),
    );
    expect(loose).toEqual([]);
  });

  it('keeps download addresses out of the lock file', async () => {
    expect(await readFile('package-lock.json', 'utf8')).not.toMatch(/"resolved"/);
  });
});
