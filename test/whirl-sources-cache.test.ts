import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKeyFile } from '../src/cache/key-source.js';
import { type ProxyWhirl, type ProxyWhirlOptions, proxywhirl } from '../src/index.js';
import { custom, type Source, url, writeProxies } from '../src/sources/index.js';
import { type ListServer, listServer } from './sources/list-server.js';
import { blame, proxyLine, proxyLines } from './support/test-engine.js';

async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

async function runOn(dir: string, options: ProxyWhirlOptions): Promise<ProxyWhirl> {
  const whirl = proxywhirl({
    maxSessions: 100,
    ban: { maxPairs: 100 },
    ...options,
    cache: { dir: join(dir, 'cache'), keyFile: join(dir, 'key') },
  });
  onTestFinished(() => whirl.close());
  await whirl.ready();
  return whirl;
}

const hosts = (whirl: ProxyWhirl): string[] =>
  whirl.rotator.pool
    .list()
    .map(({ proxy }) => proxy.host.replace('192.0.2.', ''))
    .sort();

/** A list that a test changes, with an ETag. */
async function changingList(first: readonly string[]): Promise<ListServer & { lines: readonly string[] }> {
  const state = { lines: first };
  const server = await listServer((request, response) => {
    const etag = `"${state.lines.length}"`;
    const isKnown = request.headers['if-none-match'] === etag;
    response.writeHead(isKnown ? 304 : 200, { etag }).end(isKnown ? undefined : state.lines.join('\n'));
  });
  return Object.assign(state, server);
}

const openList = (origin: string): Source => url(origin, { allowPrivate: true, name: 'open' });

describe('K-51 runs over one cache', () => {
  it('ten runs ask a source at least 60 % less often, and each has all proxies when it is ready', async () => {
    const dir = await place();
    const { origin, requests } = await changingList(proxyLines(30));
    const other = await changingList(proxyLines(20));
    const sources = [openList(origin), url(other.origin, { allowPrivate: true, name: 'overlaps' })];
    for (let run = 0; run < 10; run++) {
      const whirl = await runOn(dir, { sources });
      expect(whirl.rotator.pool.size).toBe(30);
      await whirl.close();
    }
    expect([requests.length, other.requests.length]).toEqual([1, 1]);
    for (let run = 0; run < 10; run++) await (await runOn(await place(), { sources })).close();
    expect([requests.length, other.requests.length]).toEqual([11, 11]);
  });

  it('what was learned of a proxy, its tags and its source are there at the start of the next run', async () => {
    const dir = await place();
    const { origin, requests } = await changingList(proxyLines(3));
    const sources = [url(origin, { allowPrivate: true, name: 'open', tags: ['free'] })];
    const first = await runOn(dir, { sources });
    const lease = first.rotator.acquire();
    lease.succeed({ latencyMs: 70 });
    await first.close();
    const second = await runOn(dir, { sources });
    expect(second.rotator.pool.get(lease.proxy.id)?.stats).toMatchObject({ succeeded: 1, emaLatencyMs: 70 });
    expect(second.rotator.pool.list().map(({ proxy }) => [proxy.source, proxy.tags])).toEqual(
      Array.from({ length: 3 }, () => ['open', ['free']]),
    );
    // A refresh later says that nothing has changed, and takes nothing away.
    await second.sources.refresh('open');
    expect(requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"3"']);
    expect(second.rotator.pool.get(lease.proxy.id)?.stats.succeeded).toBe(1);
  });

  it('K-21 the time to live of a source is that of its proxies in the cache', async () => {
    const dir = await place();
    const { origin } = await changingList(proxyLines(2));
    const short = await changingList([proxyLine(7)]);
    const whirl = await runOn(dir, {
      sources: [
        url(origin, { allowPrivate: true, name: 'a', ttlSeconds: 90 }),
        url(short.origin, { allowPrivate: true, name: 'b', ttlSeconds: 0 }),
      ],
    });
    await whirl.flush();
    const ttls = new Map<string, number>();
    const { openTiers } = await import('../src/cache/open-tiers.js');
    const maxEntries = { memory: 1, file: null, sqlite: null };
    const around = { now: Date.now, ring: null, report: () => {} };
    const tiers = openTiers({ dir: join(dir, 'cache'), tiers: ['sqlite'], maxEntries }, around);
    for await (const { source, ttlSeconds } of tiers[1]?.entries() ?? [])
      ttls.set(String(source), ttlSeconds);
    for (const tier of tiers) await tier.close();
    expect(ttls).toEqual(
      new Map([
        ['a', 90],
        ['b', 3600],
      ]),
    );
  });

  it('a proxy that its list has lost between two runs goes by its time to live; the others stay', async () => {
    const dir = await place();
    const server = await changingList(proxyLines(4));
    const source = (ttlSeconds: number): Source[] => [
      url(server.origin, { allowPrivate: true, name: 'open', ttlSeconds }),
    ];
    await (await runOn(dir, { sources: source(0) })).close();
    server.lines = proxyLines(3);
    const second = await runOn(dir, { sources: source(0) });
    expect(hosts(second)).toEqual(['1', '2', '3', '4']);
    await second.sources.refresh();
    expect(hosts(second)).toEqual(['1', '2', '3']);
    await second.close();
    // It is gone from the cache as well.
    expect(hosts(await runOn(dir, { sources: source(0) }))).toEqual(['1', '2', '3']);
    server.lines = [];
    const kept = await runOn(dir, { sources: source(0) });
    await expect(kept.sources.refresh()).rejects.toMatchObject({ code: 'PW_SOURCE_INVALID' });
    expect(hosts(kept)).toEqual(['1', '2', '3']);
  });

  it('K-30 a proxy that kept failing is not kept because its list still names it', async () => {
    const dir = await place();
    const { origin } = await changingList(proxyLines(4));
    const first = await runOn(dir, { sources: [openList(origin)], panic: { share: 0 } });
    await first.flush();
    const [bad] = first.rotator.pool.list();
    blame(first.rotator, bad?.id ?? '', 3);
    await first.flush();
    await first.sources.refresh();
    await first.close();
    const second = await runOn(dir, { sources: [openList(origin)] });
    expect(second.rotator.pool.get(bad?.id ?? '')).toBeUndefined();
    expect(second.rotator.pool.size).toBe(3);
    // The next load brings it back, and so it has to give all of its list.
    await second.sources.refresh();
    expect(second.rotator.pool.size).toBe(4);
  });

  it('sources.json is for its owner only, holds no URL, and nothing is lost when it is', async () => {
    const dir = await place();
    const { origin, requests } = await changingList(proxyLines(2));
    const sources = [url(`${origin}/?key=c4n4ry`, { allowPrivate: true, name: 'open' })];
    await (await runOn(dir, { sources })).close();
    const path = join(dir, 'cache', 'sources.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const kept = await readFile(path, 'utf8');
    expect(kept).not.toMatch(/c4n4ry|127\.0\.0/);
    expect((await readdir(join(dir, 'cache'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    const future = kept.replace(/"at":\d+/, `"at":${Date.now() + 3_600_000}`);
    const broken = [
      kept.slice(0, -9),
      '[]',
      '{"v":1,"sources":{"open":{"at":1,"note":{"ageMs":1}}}}',
      future,
    ];
    for (const [index, text] of broken.entries()) {
      await writeFile(path, text);
      const whirl = await runOn(dir, { sources });
      expect(whirl.rotator.pool.size).toBe(2);
      expect(requests).toHaveLength(index + 2);
      await whirl.close();
    }
  });

  it('two programs with sources of their own keep both', async () => {
    const dir = await place();
    const lists = [await changingList(proxyLines(2)), await changingList([proxyLine(9)])];
    for (let round = 0; round < 2; round++) {
      for (const [index, { origin }] of lists.entries()) {
        const sources = [url(origin, { allowPrivate: true, name: `s${index}` })];
        await (await runOn(dir, { sources })).close();
      }
    }
    expect(lists.map(({ requests }) => requests.length)).toEqual([1, 1]);
  });
});

describe('K-40 whirl.cache.warmFromFile', () => {
  it('puts a file into the pool and the cache, from where the next run has it', async () => {
    const dir = await place();
    const path = join(dir, 'list.csv');
    await writeFile(
      path,
      `proxy,country\n${proxyLines(40)
        .map((line) => `${line},DE`)
        .join('\n')}\nbad,DE\n`,
    );
    const first = await runOn(dir, { proxies: [proxyLine(100)] });
    const progress: number[] = [];
    const onProgress = ({ stored }: { stored: number }): void => void progress.push(stored);
    const report = await first.cache?.warmFromFile(path, { onProgress, ttlSeconds: 120 });
    expect(report).toMatchObject({ stored: 40, rejectedCount: 1, rejected: [{ line: 42 }] });
    expect(progress.at(-1)).toBe(40);
    expect(first.rotator.pool.size).toBe(41);
    await first.close();
    const second = await runOn(dir, { proxies: [proxyLine(100)] });
    expect(second.rotator.pool.list(({ proxy }) => proxy.geo?.countryCode === 'DE')).toHaveLength(40);
    await expect(first.cache?.warmFromFile(path)).rejects.toMatchObject({ code: 'PW_CLOSED' });
    await expect(second.cache?.warmFromFile(path, { ttlSeconds: 5 })).rejects.toMatchObject({
      code: 'PW_CACHE_INVALID',
    });
    await expect(second.cache?.warmFromFile(join(dir, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('keeps what is known of a proxy that is there already', async () => {
    const dir = await place();
    const path = join(dir, 'list.txt');
    await writeFile(path, proxyLine(0));
    const whirl = await runOn(dir, { proxies: [proxyLine(0)] });
    const lease = whirl.rotator.acquire();
    lease.succeed({ latencyMs: 70 });
    await whirl.cache?.warmFromFile(path);
    expect(whirl.rotator.pool.get(lease.proxy.id)?.stats.succeeded).toBe(1);
    expect(whirl.rotator.pool.size).toBe(1);
  });

  it('ends with its signal, and with the engine', async () => {
    const dir = await place();
    const path = join(dir, 'list.txt');
    await writeFile(path, proxyLines(5000).join('\n'));
    const whirl = await runOn(dir, { proxies: [proxyLine(0)] });
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(whirl.cache?.warmFromFile(path, { signal })).rejects.toThrow('enough');
    const onProgress = (): void => void whirl.close();
    await expect(whirl.cache?.warmFromFile(path, { onProgress })).rejects.toMatchObject({
      code: 'PW_CLOSED',
    });
    expect(whirl.rotator.pool.size).toBeLessThan(5000);
  });
});

describe('K-64 export and import', () => {
  it.each([true, false])(
    'what is kept is written and read back, with credentials: %s',
    async (credentials) => {
      const dir = await place();
      await createKeyFile(join(dir, 'key'), randomBytes);
      const lines = ['http://user:c4n4ry@192.0.2.1:8000', proxyLine(5)];
      const first = await runOn(dir, { sources: [custom('mine', () => lines, { tags: ['x'] })] });
      await first.flush();
      const path = join(dir, 'out.jsonl');
      const { cache } = first;
      if (cache === null) throw new Error('there is a cache');
      expect(await writeProxies(path, cache.proxies(), 'jsonl', { credentials })).toBe(2);
      expect((await readFile(path, 'utf8')).includes('c4n4ry')).toBe(credentials);
      const ids = first.rotator.pool.list().map(({ id }) => id);
      const other = await place();
      await createKeyFile(join(other, 'key'), randomBytes);
      const second = await runOn(other, { proxies: [proxyLine(9)] });
      await second.cache?.warmFromFile(path);
      expect(ids.filter((id) => second.rotator.pool.get(id) !== undefined)).toHaveLength(credentials ? 2 : 1);
      expect(second.rotator.pool.list(({ proxy }) => proxy.tags.includes('x'))).toHaveLength(2);
    },
  );
});
