import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CacheEntry } from '../src/cache/entry.js';
import { createKeyFile, KEY_VARIABLE, loadKeyRing } from '../src/cache/key-source.js';
import { openTiers } from '../src/cache/open-tiers.js';
import { type CacheOptions, createProxy, type ProxyWhirl, proxywhirl } from '../src/index.js';
import { resolveOptions } from '../src/options.js';
import { nodeTimers } from '../src/transport/node-timers.js';
import { proxyLines } from './support/test-engine.js';
import { thrownBy } from './support/thrown-by.js';

async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return join(dir, 'cache');
}

function whirlOn(cache: boolean | CacheOptions, proxies = proxyLines(4)): ProxyWhirl {
  const whirl = proxywhirl({ proxies, cache });
  onTestFinished(() => whirl.close());
  return whirl;
}

/** What is on disk. */
async function entriesIn(dir: string, keyFile?: string): Promise<CacheEntry[]> {
  const ring = await loadKeyRing({ env: process.env, keyFile, randomBytes });
  const maxEntries = { memory: 1, file: null, sqlite: null };
  const around = { now: Date.now, ring, report: () => {} };
  const [memory, disk] = openTiers({ dir, tiers: ['sqlite'], maxEntries }, around);
  const entries: CacheEntry[] = [];
  for await (const entry of disk?.entries() ?? []) entries.push(entry);
  await disk?.close();
  await memory?.close();
  return entries;
}

const sizes = (whirl: ProxyWhirl): unknown =>
  Object.fromEntries(whirl.cache?.figures().tiers.map(({ name, size }) => [name, size]) ?? []);

describe('R-30 the option cache, each setting read', () => {
  it('cache: false, the default: there is none, and nothing is waited for or written', async () => {
    for (const whirl of [whirlOn(false), proxywhirl({ proxies: proxyLines(1) })]) {
      expect(whirl.cache).toBeNull();
      await whirl.ready();
      await whirl.flush();
    }
    expect(resolveOptions({ proxies: ['192.0.2.1:80'] }).cache).toBeUndefined();
  });

  it('cache: true is memory and SQLite with the defaults', () => {
    expect(resolveOptions({ proxies: ['192.0.2.1:80'], cache: true }).cache).toEqual({
      dir: '.cache/proxywhirl',
      tiers: ['sqlite'],
      ttlSeconds: 3600,
      sweepSeconds: 60,
      maxEntries: { memory: 1000, file: 5000, sqlite: null },
      healthThreshold: 3,
      keyFile: null,
    });
    expect(resolveOptions({ proxies: ['192.0.2.1:80'], cache: {} }).cache).toEqual(
      resolveOptions({ proxies: ['192.0.2.1:80'], cache: true }).cache,
    );
  });

  it('dir and tiers: where it is kept, and how', async () => {
    const dir = await place();
    const whirl = whirlOn({ dir });
    await whirl.flush();
    expect((await readdir(dir)).filter((name) => !name.startsWith('cache.db-'))).toEqual(['cache.db']);
    expect(sizes(whirl)).toEqual({ memory: 4, sqlite: 4 });
    const other = await place();
    const onFiles = whirlOn({ dir: other, tiers: ['file'] });
    await onFiles.flush();
    expect(await readdir(other)).toEqual(['file']);
    expect(sizes(onFiles)).toEqual({ memory: 4, file: 4 });
    const inMemory = whirlOn({ dir: join(other, 'none'), tiers: [] });
    await inMemory.flush();
    expect(sizes(inMemory)).toEqual({ memory: 4 });
    expect(await readdir(other)).toEqual(['file']);
  });

  it('ttlSeconds: how long a proxy is remembered', async () => {
    const dir = await place();
    await whirlOn({ dir, ttlSeconds: 61 }).close();
    const [entry] = await entriesIn(dir);
    expect(entry?.ttlSeconds).toBe(61);
    const byDefault = await place();
    await whirlOn({ dir: byDefault }).close();
    expect((await entriesIn(byDefault))[0]?.ttlSeconds).toBe(3600);
  });

  it('sweepSeconds: from one sweep to the next', async () => {
    const timeout = vi.spyOn(nodeTimers, 'setTimeout');
    await whirlOn({ dir: await place(), sweepSeconds: 17 }).ready();
    expect(timeout.mock.calls.map(([, ms]) => ms)).toContain(17_000);
  });

  it('K-16 maxEntries: most entries of each tier', async () => {
    const whirl = whirlOn({
      dir: await place(),
      tiers: ['file', 'sqlite'],
      maxEntries: { memory: 1, file: 2, sqlite: 3 },
    });
    await whirl.flush();
    expect(sizes(whirl)).toEqual({ memory: 1, file: 2, sqlite: 3 });
  });

  it('K-30 healthThreshold: faults in a row after which a proxy of a source leaves the cache', async () => {
    const dir = await place();
    const [bad, good] = [1, 2].map((n) => createProxy({ host: `192.0.2.${n}`, port: 80, source: 'list-a' }));
    const proxies = [bad, good] as unknown as string[];
    for (const [healthThreshold, left] of [
      [2, 1],
      [20, 2],
    ] as const) {
      const whirl = whirlOn({ dir, healthThreshold }, proxies);
      await whirl.ready();
      for (let i = 0; i < 2; i++) whirl.rotator.acquireCarrier(bad?.id ?? '')?.fail({ verdict: 'proxy' });
      await whirl.close();
      expect(await entriesIn(dir)).toHaveLength(left);
    }
  });

  it('K-04 keyFile: credentials are kept under its key, and come back with it alone', async () => {
    const dir = await place();
    const keyFile = `${dir}.key`;
    onTestFinished(() => rm(keyFile));
    await createKeyFile(keyFile, randomBytes);
    await whirlOn({ dir, keyFile }, ['192.0.2.1:80:user:canary-hunter2']).close();
    const [entry] = await entriesIn(dir, keyFile);
    expect(entry?.proxy.password?.reveal()).toBe('canary-hunter2');
    expect(await entriesIn(dir)).toEqual([]);
    vi.stubEnv(KEY_VARIABLE, 'ab'.repeat(32));
    const other = await place();
    await whirlOn({ dir: other, keyFile }, ['192.0.2.1:80:user:canary-hunter2']).close();
    expect((await entriesIn(other))[0]?.withheld).toBe(false);
    expect((await entriesIn(other, keyFile)).length).toBe(1);
  });

  it.each([
    ['yes', 'cache'],
    [null, 'cache'],
    [{ directory: 'a' }, 'cache.directory'],
    [{ dir: '' }, 'cache.dir'],
    [{ tiers: ['redis'] }, 'cache.tiers.0'],
    [{ ttlSeconds: 59 }, 'cache.ttlSeconds'],
    [{ sweepSeconds: 61 }, 'cache.sweepSeconds'],
    [{ sweepSeconds: 9 }, 'cache.sweepSeconds'],
    [{ maxEntries: { memory: null } }, 'cache.maxEntries.memory'],
    [{ maxEntries: { disk: 1 } }, 'cache.maxEntries.disk'],
    [{ healthThreshold: 0 }, 'cache.healthThreshold'],
    [{ keyFile: 5 }, 'cache.keyFile'],
  ])('refuses %o, and names %s', (cache, path) => {
    const error = thrownBy(() => proxywhirl({ proxies: proxyLines(1), cache: cache as never }));
    expect(error).toMatchObject({ code: 'PW_OPTIONS_INVALID', data: { issues: [{ path }] } });
  });
});

describe('C-08 the engine on its cache', () => {
  it('the first proxy that is asked for waits for what the last run left', async () => {
    const dir = await place();
    const first = whirlOn({ dir });
    await first.ready();
    const [bad] = first.rotator.pool.list();
    for (let i = 0; i < 5; i++) first.rotator.acquireCarrier(bad?.id ?? '')?.fail({ verdict: 'proxy' });
    await first.close();
    const second = whirlOn({ dir });
    const urls = await Promise.all([1, 2, 3, 4].map(() => second.newUrl()));
    expect(urls).not.toContain(bad?.proxy.url);
    expect(new Set(urls).size).toBe(3);
  });

  it('K-61 a directory that cannot be made stops nothing, and is told of', async () => {
    const dir = join(await place(), 'nul\0');
    const whirl = whirlOn({ dir });
    const degraded: string[] = [];
    whirl.cache?.on('degraded', ({ tier }) => degraded.push(tier));
    expect(await whirl.newUrl()).toBe(proxyLines(1)[0]);
    await whirl.flush();
    expect(new Set(degraded)).toEqual(new Set(['sqlite']));
    expect(whirl.cache?.figures().tiers).toMatchObject([
      { name: 'memory', degraded: false, size: 4 },
      { name: 'sqlite', degraded: true },
    ]);
  });

  it('K-50 K-64 metrics, clear, and an end while it loads', async () => {
    const dir = await place();
    const whirl = whirlOn({ dir });
    await whirl.flush();
    expect(whirl.cache?.metrics()).toContain('proxywhirl_cache_tier_entries{tier="sqlite"} 4');
    await whirl.cache?.clear();
    expect(sizes(whirl)).toEqual({ memory: 0, sqlite: 0 });
    await whirl.close();
    const hasty = whirlOn({ dir });
    await hasty.close();
    await expect(hasty.newUrl()).rejects.toMatchObject({ code: 'PW_CLOSED' });
  });
});
