import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ProxyWhirl, type ProxyWhirlOptions, proxywhirl, type SourceEvents } from '../src/index.js';
import { startLab } from '../src/lab/index.js';
import { resolveOptions } from '../src/options.js';
import { custom, list, url } from '../src/sources/index.js';
import { listServer, text } from './sources/list-server.js';
import { proxyLine, proxyLines } from './support/test-engine.js';
import { thrownBy } from './support/thrown-by.js';

function whirlOf(options: ProxyWhirlOptions): ProxyWhirl {
  const whirl = proxywhirl({ maxSessions: 100, ban: { maxPairs: 100 }, ...options });
  onTestFinished(() => whirl.close());
  return whirl;
}

function record<N extends keyof SourceEvents>(whirl: ProxyWhirl, name: N): SourceEvents[N][] {
  const seen: SourceEvents[N][] = [];
  whirl.sources.on(name, (payload) => seen.push(payload));
  return seen;
}

async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

const sourcesOf = (whirl: ProxyWhirl): unknown[] =>
  whirl.rotator.pool.list().map(({ proxy }) => [proxy.url, proxy.source]);

describe('R-30 the option sources', () => {
  it('is empty by default, and then there is nothing to wait for or to load', async () => {
    expect(resolveOptions({ proxies: proxyLines(1) }).sources).toEqual([]);
    const whirl = whirlOf({ proxies: proxyLines(1) });
    await whirl.ready();
    await whirl.sources.refresh();
    expect(whirl.sources.state()).toEqual({});
  });

  it('takes the path of a file and sources beside proxies, which may be absent then', async () => {
    const path = join(await place(), 'mine.txt');
    await writeFile(path, proxyLines(2).join('\n'));
    const whirl = whirlOf({ sources: [path, list([proxyLine(2)], { name: 'own', tags: ['a'] })] });
    const loads = record(whirl, 'source');
    await whirl.ready();
    expect(sourcesOf(whirl)).toEqual(
      expect.arrayContaining([
        [proxyLine(0), 'mine.txt'],
        [proxyLine(1), 'mine.txt'],
        [proxyLine(2), 'own'],
      ]),
    );
    expect(loads.map(({ name, added }) => `${name} ${added}`).sort()).toEqual(['mine.txt 2', 'own 1']);
    expect(whirl.sources.state()).toEqual({
      'mine.txt': { ageMs: expect.any(Number), size: 2 },
      own: { ageMs: expect.any(Number), size: 1 },
    });
    expect(whirl.rotator.pool.list(({ proxy }) => proxy.tags.includes('a'))).toHaveLength(1);
  });

  it('gives two lists of one name different names, in their order', async () => {
    const [one, two] = [await place(), await place()].map((dir) => join(dir, 'list.txt'));
    await writeFile(String(one), proxyLine(0));
    await writeFile(String(two), proxyLine(1));
    const whirl = whirlOf({ sources: [String(one), String(two)] });
    await whirl.ready();
    expect(new Map(sourcesOf(whirl) as [string, string][])).toEqual(
      new Map([
        [proxyLine(0), 'list.txt'],
        [proxyLine(1), 'list.txt-2'],
      ]),
    );
    // Refused before anything is connected, since they are not public.
    const urls = ['http://127.0.0.2:9/a', new URL('http://127.0.0.2:9/b')];
    expect(Object.keys(whirlOf({ proxies: proxyLines(1), sources: urls }).sources.state())).toEqual([
      '127.0.0.2',
      '127.0.0.2-2',
    ]);
  });

  it.each([
    [{ sources: [] }, 'proxies'],
    [{}, 'proxies'],
    [{ proxies: ['# a comment'] }, 'proxies'],
    [{ sources: 'a.txt' }, 'sources'],
    [{ sources: [''] }, 'sources.0'],
    [{ sources: [{ name: 'a', load: async () => ({ changed: false }) }] }, 'sources.0'],
    [{ sources: ['a.txt', 'socks5://user:c4n4ry@192.0.2.1:80'] }, 'sources.1'],
    [{ sources: ['https://user:c4n4ry@lists.example/'] }, 'sources.0'],
    [{ sources: [list(proxyLines(1)), list(proxyLines(1))] }, 'sources'],
  ])('refuses %o, and names %s', (options, path) => {
    const error = thrownBy(() => proxywhirl(options as never)) as Error;
    expect(error).toMatchObject({ code: 'PW_OPTIONS_INVALID', data: { issues: [{ path }] } });
    expect(error.message).not.toContain('c4n4ry');
  });
});

describe('C-08 requests and the first lists', () => {
  it('the first requests wait for the first list while there is no proxy, and no longer', async () => {
    let give: (lines: string[]) => void = () => {};
    const slow = custom('slow', () => new Promise((resolve) => (give = resolve)));
    const whirl = whirlOf({ sources: [slow, list([proxyLine(0)])] });
    expect(await whirl.newUrl()).toBe(proxyLine(0));
    let isReady = false;
    const ready = whirl.ready().then(() => (isReady = true));
    expect(await whirl.newUrl()).toBe(proxyLine(0));
    expect(isReady).toBe(false);
    give([proxyLine(1)]);
    await ready;
    expect(whirl.rotator.pool.size).toBe(2);
    const besides = whirlOf({ proxies: [proxyLine(3)], sources: [slow] });
    expect(await besides.newUrl()).toBe(proxyLine(3));
  });

  it('fetch() and the checks wait for it, too', async () => {
    await using lab = await startLab({ proxies: [{}, {}] });
    const { origin } = await listServer(text(lab.urls.join('\n')));
    const whirl = whirlOf({
      sources: [url(origin, { allowPrivate: true })],
      health: { check: { url: `${lab.site.httpUrl}/ip` } },
    });
    const response = await whirl.fetch(`${lab.site.httpUrl}/ip`);
    expect(response.status).toBe(200);
    const other = whirlOf({
      sources: [url(origin, { allowPrivate: true })],
      health: { check: { url: `${lab.site.httpUrl}/ip` } },
    });
    await other.ready();
    const checked = other.rotator.stats().proxies.filter(({ succeeded }) => succeeded > 0);
    expect(checked.length).toBeGreaterThan(0);
  });

  it('a source that fails is an event; the pool is empty then, and says so', async () => {
    const { origin } = await listServer(text('', {}, 500));
    const whirl = whirlOf({ sources: [url(origin, { name: 'a', allowPrivate: true })] });
    const errors = record(whirl, 'source-error');
    await whirl.ready();
    expect(errors).toMatchObject([{ name: 'a', failures: 1, error: { code: 'PW_SOURCE_UNREADABLE' } }]);
    await expect(whirl.newUrl()).rejects.toMatchObject({ code: 'PW_POOL_EMPTY' });
    await expect(whirl.sources.refresh('a')).rejects.toMatchObject({ code: 'PW_SOURCE_UNREADABLE' });
    await expect(whirl.sources.refresh('b')).rejects.toMatchObject({ code: 'PW_OPTIONS_INVALID' });
  });

  it("onEmpty 'wait' waits for a later list", async () => {
    let lines: string[] = [];
    const whirl = whirlOf({ sources: [custom('a', () => lines)], onEmpty: 'wait' });
    await whirl.ready();
    const coming = whirl.newUrl();
    lines = [proxyLine(4)];
    await whirl.sources.refresh('a');
    expect(await coming).toBe(proxyLine(4));
  });

  it('what was learned of a proxy survives a refresh', async () => {
    let lines = proxyLines(2);
    const whirl = whirlOf({ sources: [custom('a', () => lines)] });
    await whirl.ready();
    const lease = whirl.rotator.acquire();
    lease.succeed({ latencyMs: 70 });
    lines = [proxyLine(5), lease.proxy.url];
    await whirl.sources.refresh();
    expect(whirl.rotator.pool.get(lease.proxy.id)?.stats).toMatchObject({ succeeded: 1, emaLatencyMs: 70 });
    expect(whirl.rotator.pool.size).toBe(2);
  });

  it('close() ends loads that are under way, and whoever waits for them is told', async () => {
    const whirl = whirlOf({ sources: [custom('never', () => new Promise(() => {}))] });
    const waiting = expect(whirl.newUrl()).rejects.toMatchObject({ code: 'PW_CLOSED' });
    await whirl.close();
    await waiting;
    await whirl.ready();
    await expect(whirl.sources.refresh()).rejects.toMatchObject({ code: 'PW_CLOSED' });
  });
});
