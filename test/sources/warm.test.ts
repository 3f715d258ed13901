import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { MemoryTier } from '../../src/cache/memory-tier.js';
import { TieredCache } from '../../src/cache/tiered-cache.js';
import { warmCache } from '../../src/cache/warm.js';
import { parseProxy } from '../../src/core/parse.js';
import type { Proxy } from '../../src/core/proxy.js';
import { writeProxies } from '../../src/sources/export.js';
import { importProxies } from '../../src/sources/import.js';
import { nodeTimers } from '../../src/transport/node-timers.js';
import { FakeClock } from '../support/fake-clock.js';
import { proxyLine, proxyLines } from '../support/test-engine.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pw-warm-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const epoch = 1_700_000_000_000;

function memoryCache(maxEntries = 20_000): TieredCache {
  const cache = new TieredCache([new MemoryTier({ now: () => epoch, maxEntries })], {
    now: () => epoch,
    clock: new FakeClock(),
    timers: nodeTimers,
    isOutage: () => false,
    onEvent: () => {},
  });
  onTestFinished(() => cache.close());
  return cache;
}

const records = [0, 1, 2].map(proxyLine);
const files: Record<string, string> = {
  'list.txt': `${records.join('\n')}\nbad line\n`,
  'list.jsonl': `${records.map((url) => JSON.stringify({ url })).join('\n')}\n{"url":\n`,
  'list.csv': `proxy\n${records.join('\n')}\nbad\n`,
  'list.json': JSON.stringify([...records, { nothing: 1 }], null, 1),
  unnamed: `${records.map((url) => JSON.stringify({ url })).join('\n')}\n{"url":\n`,
};

describe('K-40 a cache warmed from a file', () => {
  it.each([
    ['list.txt', 4],
    ['list.jsonl', 4],
    ['list.csv', 5],
    ['list.json', 5],
    ['unnamed', 4],
  ])('%s: the good entries are stored, the bad one is counted and named: line %i', async (name, line) => {
    const path = join(folder, name);
    await writeFile(path, String(files[name]));
    const cache = memoryCache();
    const report = await warmCache(cache, importProxies(path));
    expect(report).toMatchObject({ stored: 3, rejectedCount: 1, rejected: [{ line }] });
    for (const url of records)
      expect(await cache.get(parseProxy(url).id)).toMatchObject({ source: 'import', ttlSeconds: 3600 });
  });

  it('ttlSeconds: holds for these entries only', async () => {
    const cache = memoryCache();
    await cache.put([parseProxy(proxyLine(7))]);
    await warmCache(cache, importProxies(records.map((one) => `${one}\n`)), {
      source: 'mine',
      ttlSeconds: 120,
    });
    expect(await cache.get(parseProxy(proxyLine(0)).id)).toMatchObject({ source: 'mine', ttlSeconds: 120 });
    expect(await cache.get(parseProxy(proxyLine(7)).id)).toMatchObject({ ttlSeconds: 3600 });
    await expect(warmCache(cache, importProxies([]), { ttlSeconds: 5 })).rejects.toMatchObject({
      code: 'PW_CACHE_INVALID',
    });
  });

  it('tells how far it is, keeps a hundred of the bad lines, and ends with the signal', async () => {
    const text = [...proxyLines(2000), ...Array(500).fill('bad')].join('\n');
    const progress: number[] = [];
    const report = await warmCache(memoryCache(), importProxies([text]), {
      onProgress: ({ stored }) => progress.push(stored),
    });
    expect(progress.length).toBeGreaterThan(2);
    expect(progress.at(-1)).toBe(2000);
    expect([report.rejectedCount, report.rejected.length]).toEqual([500, 100]);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(warmCache(memoryCache(), importProxies([text]), { signal })).rejects.toThrow('enough');
  });
});

describe('K-64 a cache exported and imported again', () => {
  const secret = parseProxy('http://user:c4n4ry@192.0.2.9:8000');

  async function* proxiesOf(cache: TieredCache): AsyncGenerator<Proxy> {
    for await (const entry of cache.entries()) yield entry.proxy;
  }

  it.each([
    [true, secret.id],
    [false, parseProxy('http://192.0.2.9:8000').id],
  ])('with credentials: %s', async (credentials, id) => {
    const cache = memoryCache();
    await cache.put([secret, parseProxy(proxyLine(0))]);
    const path = join(folder, `export-${credentials}.jsonl`);
    expect(await writeProxies(path, proxiesOf(cache), 'jsonl', { credentials })).toBe(2);
    await cache.clear();
    expect(await cache.get(secret.id)).toBeNull();
    expect((await warmCache(cache, importProxies(path))).stored).toBe(2);
    expect(await cache.get(id)).toMatchObject({ key: id });
    expect((await readFile(path, 'utf8')).includes('c4n4ry')).toBe(credentials);
  });
});

describe('K-41 a large file', () => {
  it('10,000 proxies are warm in less than 5 s and 100 MB', async () => {
    const path = join(folder, 'large.txt');
    await writeFile(path, proxyLines(10_000).join('\n'));
    const cache = memoryCache();
    const before = process.memoryUsage().heapUsed;
    const usage = process.cpuUsage();
    expect((await warmCache(cache, importProxies(path))).stored).toBe(10_000);
    // Of the processor, which is all that it waits for: other processes stretch the time of the wall.
    const { user, system } = process.cpuUsage(usage);
    expect((user + system) / 1000).toBeLessThan(5000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000);
  });
});
