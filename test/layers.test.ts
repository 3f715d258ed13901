import { describe, expect, it } from 'vitest';
import { findCycles, findViolations } from './support/layers.js';
import { readSources } from './support/source-imports.js';

const sources = readSources('src');

describe('layers of src/', () => {
  it('reads all of the sources', () => {
    expect([...sources.keys()]).toContain('errors.ts');
  });

  it('keeps to the import table', () => {
    expect(findViolations(sources)).toEqual([]);
  });

  it('has no import cycle', () => {
    expect(findCycles(sources)).toEqual([]);
  });
});

describe('the import table has teeth', () => {
  const report = (file: string, text: string) => findViolations(new Map([[file, text]]));

  it.each([
    ['core/pool.ts', `import { readFileSync } from 'node:fs';`],
    ['core/pool.ts', `import { random } from '../strategies/random.js';`],
    ['core/pool.ts', `import type { Random } from '../strategies/random.js';`],
    ['core/pool.ts', `import { Strategy } from '../strategies/strategy.js';`],
    ['core/pool.ts', `export { x } from '../lab/world.js';`],
    ['core/pool.ts', `import { z } from 'zod';`],
    ['core/pool.ts', `const fs = await import('node:fs');`],
    ['core/pool.ts', `type Fs = typeof import('node:fs');`],
    ['core/pool.ts', `const now = Date.now();`],
    ['core/pool.ts', `const now = new Date();`],
    ['core/pool.ts', `const now = performance.now();`],
    ['core/pool.ts', `const clock = { now: Date.now };`],
    ['core/pool.ts', `const dice = Math.random();`],
    ['core/pool.ts', `setTimeout(() => {}, 1);`],
    ['core/pool.ts', `globalThis.setInterval(() => {}, 1);`],
    ['core/utils.ts', ''],
    ['core/pool-helper.ts', ''],
    ['strategies/types.ts', ''],
    ['strategies/random.ts', `import { Pool } from '../core/pool.js';`],
    ['strategies/random.ts', `const dice = Math.random();`],
    ['options.ts', `import { proxywhirl } from './proxywhirl.js';`],
    ['lab/world.ts', `import { Pool } from '../core/pool.js';`],
    ['lab/world.ts', `import { chromium } from 'playwright';`],
    ['integrations/crawlee.ts', `import { ProxyConfiguration } from '@crawlee/core';`],
    ['integrations/crawlee.ts', `import { createRotator } from '../create-rotator.js';`],
    ['create-rotator.ts', `import { parseProxyList } from './sources/index.js';`],
    ['proxywhirl.ts', `import { createLab } from './lab/index.js';`],
    ['index.ts', `export const answer = 42;`],
    ['index.ts', `export * from './proxywhirl.js';`],
    ['nowhere/thing.ts', ''],
  ])('reports %s: %s', (file, text) => {
    expect(report(file, text)).toHaveLength(1);
  });

  it.each([
    ['core/pool.ts', `import type { Strategy } from '../strategies/strategy.js';`],
    ['core/pool.ts', `import { Health } from './health.js'; import { LRUCache } from 'lru-cache';`],
    [
      'core/pool.ts',
      `const at = new Date(clock.now()); clock.setTimeout(); const o = { process: 1, fetch() {} };`,
    ],
    ['strategies/random.ts', `import type { Proxy } from '../core/proxy.js';`],
    [
      'sources/list.ts',
      `import { parse } from 'csv-parse/sync'; import { readFile } from 'node:fs/promises';`,
    ],
    ['integrations/crawlee.ts', `import type { ProxyConfiguration } from '@crawlee/core';`],
    ['index.ts', `export { proxywhirl } from './proxywhirl.js';`],
  ])('accepts %s: %s', (file, text) => {
    expect(report(file, text)).toEqual([]);
  });

  it('finds a cycle of type imports, and only that', () => {
    const loop = new Map([
      ['core/a.ts', `import type { B } from './b.js';`],
      ['core/b.ts', `import type { C } from './c.js';`],
      ['core/c.ts', `export type { A } from './a.js';`],
      ['core/d.ts', `import { a } from './a.js';`],
    ]);
    expect(findCycles(loop)).toEqual([['core/a.ts', 'core/b.ts', 'core/c.ts']]);
  });
});
