import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PackedPackage, readManifest } from '../support/packed-package.js';

interface Exports {
  readonly values: string[];
  readonly types: string[];
}

/** The public face, kept by hand: a name that comes or goes is a decision, and a line of the changelog. */
const publicExports = JSON.parse(await readFile('fixtures/public-exports.json', 'utf8')) as Record<
  string,
  Exports
>;
const manifest = await readManifest();
const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json');
const specifier = (subpath: string): string => `proxywhirl${subpath.slice(1)}`;

let pack: PackedPackage;
beforeAll(async () => {
  pack = await PackedPackage.create();
});
afterAll(async () => {
  await pack?.[Symbol.asyncDispose]();
});

describe('the tarball', () => {
  it('holds compiled code with its types, the manifest and the texts, and nothing else', () => {
    const rest = pack.files.filter((file) => !/^dist\/.+(?<!\.test|\.test-d)(\.js|\.d\.ts)$/.test(file));
    const reference = ['LICENSE', 'NOTICE', 'swagger-ui.css'].map((name) => `dist/server/reference/${name}`);
    expect(rest.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', ...reference, 'package.json']);
    expect(pack.files.filter((file) => /\.map$|(?:^|[/.])(?:tests?|fixtures?)[/.]/.test(file))).toEqual([]);
  });

  it('has types for every file of code', () => {
    // Files of the reference page are for browsers.
    const code = pack.files.filter((file) => file.endsWith('.js') && !file.includes('/reference/'));
    expect(code.filter((file) => !pack.files.includes(file.replace(/\.js$/, '.d.ts')))).toEqual([]);
  });

  it('holds every file that the exports map names', () => {
    for (const target of Object.values(manifest.exports)) {
      for (const file of typeof target === 'string' ? [target] : Object.values(target)) {
        expect(existsSync(join(pack.installed, file)), file).toBe(true);
      }
    }
  });

  it('satisfies publint', async () => {
    const tarball = await readFile(pack.tarball);
    const buffer = new Uint8Array(tarball).buffer;
    const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('satisfies attw, for consumers that are ES modules', async () => {
    const cli = resolve('node_modules/@arethetypeswrong/cli/dist/index.js');
    await promisify(execFile)(process.execPath, [cli, pack.tarball, '--profile', 'esm-only']);
  });
});

describe('the installed package, with its own dependencies only', () => {
  it('has the subpaths of the hand-kept list', () => {
    expect(subpaths).toEqual(Object.keys(publicExports));
  });

  it.each(subpaths)('exports from %s what the hand-kept list says', async (subpath) => {
    const names = await pack.run<string[]>(
      `console.log(JSON.stringify(Object.keys(await import('${specifier(subpath)}')).sort()))`,
    );
    expect(names).toEqual(publicExports[subpath]?.values);
  });

  it.each(subpaths)('loads from CommonJS: %s', async (subpath) => {
    const names = await pack.run<string[]>(
      `console.log(JSON.stringify(Object.keys(require('${specifier(subpath)}')).sort()))`,
      'commonjs',
    );
    expect(names.filter((name) => name !== '__esModule')).toEqual(publicExports[subpath]?.values);
  });

  it('lets tools read its manifest', async () => {
    const version = await pack.run<string>(
      `console.log(JSON.stringify((await import('proxywhirl/package.json', { with: { type: 'json' } })).default.version))`,
    );
    expect(version).toBe(manifest.version);
  });

  it('hides what the exports map does not name', async () => {
    await expect(pack.run(`await import('proxywhirl/dist/errors.js')`)).rejects.toThrow(
      'ERR_PACKAGE_PATH_NOT_EXPORTED',
    );
  });

  it('leaves Crawlee its HTTP client where it cannot find Crawlee', async () => {
    const keys = await pack.run<string[]>(
      `const { proxywhirl } = await import('proxywhirl');
      const options = proxywhirl({ proxies: ['192.0.2.1:8000'] }).wire({});
      console.log(JSON.stringify(Object.keys(options)))`,
    );
    expect(keys).toContain('proxyConfiguration');
    expect(keys).not.toContain('httpClient');
  });

  it('A-06 serves the reference page of the API from its own files', async () => {
    const sizes = await pack.run<Record<string, number>>(
      `const { proxywhirl } = await import('proxywhirl');
      const { createApp } = await import('proxywhirl/server');
      const app = createApp({ whirl: proxywhirl({ proxies: ['192.0.2.1:8000'] }) });
      const sizes = {};
      for (const path of ['/docs', '/docs/page.js', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js']) {
        const answer = await app(new Request('http://localhost' + path));
        sizes[path] = answer.status === 200 ? (await answer.text()).length : 0;
      }
      console.log(JSON.stringify(sizes));
      process.exit(0);`,
    );
    expect(Object.values(sizes).map((size) => size > 100)).toEqual([true, true, true, true]);
    expect(sizes['/docs/swagger-ui-bundle.js']).toBeGreaterThan(1_000_000);
  });

  it('loads no optional package before it is used', async () => {
    const peers = Object.keys(manifest.peerDependencies ?? {});
    await Promise.all(peers.map((name) => pack.addDecoy(name)));
    try {
      for (const name of peers)
        await expect(pack.run(`await import('${name}')`)).rejects.toThrow('was loaded');
      const imports = subpaths.map((subpath) => `await import('${specifier(subpath)}');`).join('\n');
      expect(await pack.run<string>(`${imports}\nconsole.log('"fine"')`)).toBe('fine');
    } finally {
      await Promise.all(peers.map((name) => pack.removeDecoy(name)));
    }
  });
});

describe('the types of the installed package', () => {
  it('export the names of the hand-kept list', () => {
    const { program, entries } = compile(subpaths);
    const checker = program.getTypeChecker();
    for (const [subpath, file] of entries) {
      const symbol = checker.getSymbolAtLocation(program.getSourceFile(file) as ts.SourceFile);
      const names = symbol ? checker.getExportsOfModule(symbol).map((item) => item.name) : [];
      const values = publicExports[subpath]?.values ?? [];
      expect(names.filter((name) => !values.includes(name)).sort(), subpath).toEqual(
        publicExports[subpath]?.types,
      );
    }
  });

  it('need no Crawlee and no Node types outside the root, the lab and the clients', () => {
    const clients = ['./got-scraping', './undici', './playwright'];
    const independent = subpaths.filter(
      (subpath) => !['.', './lab', './sources', ...clients].includes(subpath),
    );
    const { program } = compile(independent, {
      types: [],
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    });
    const problems = ts.getPreEmitDiagnostics(program);
    expect(problems.map((problem) => ts.flattenDiagnosticMessageText(problem.messageText, '\n'))).toEqual([]);
  });
});

/** A program over the installed declarations, as a consumer with the strictest settings compiles them. */
function compile(names: readonly string[], options: ts.CompilerOptions = {}) {
  const entries = names.map((subpath) => {
    const target = manifest.exports[subpath];
    if (typeof target !== 'object') throw new Error(`${subpath} has no types`);
    return [subpath, join(pack.installed, target.types)] as const;
  });
  const program = ts.createProgram(
    entries.map(([, file]) => file),
    {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
      ...options,
    },
  );
  return { program, entries };
}
