import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { FetchError, PoolEmptyError, proxywhirl } from '../src/index.js';
import { startLab } from '../src/lab/index.js';

it('whirl.fetch answers with a Response that names its proxy, and teaches the engine', async () => {
  await using lab = await startLab({ proxies: [{ fault: 'dead' }, { latencyMs: 10 }] });
  await using whirl = proxywhirl({ proxies: lab.urls });
  const [dead, good] = whirl.rotator.pool.list();
  const response = await whirl.fetch(`${lab.site.httpUrl}/ip`);
  expect(response).toBeInstanceOf(Response);
  expect(await response.json()).toMatchObject({ address: good?.proxy.host });
  expect(response.proxy.id).toBe(good?.id);
  expect(response.attempts.map(({ proxyId }) => proxyId)).toEqual([dead?.id, good?.id]);
  expect(whirl.rotator.stats()).toMatchObject({ succeeded: 1, failed: 1, active: 0 });
  expect(good?.stats.emaLatencyMs).toBeGreaterThanOrEqual(10);
});

it('C-05 whirl.fetch never goes direct, not even with onEmpty: direct', async () => {
  await using lab = await startLab({ proxies: [{ fault: 'dead' }] });
  await using whirl = proxywhirl({ proxies: lab.urls, onEmpty: 'direct' });
  await expect(whirl.fetch(`${lab.site.httpUrl}/ip`)).rejects.toBeInstanceOf(FetchError);
  for (const { id } of whirl.rotator.pool.list()) whirl.rotator.pool.remove(id);
  await expect(whirl.fetch(`${lab.site.httpUrl}/ip`)).rejects.toBeInstanceOf(PoolEmptyError);
  expect(lab.site.counts.requests).toBe(0);
});

it('whirl.fetch keeps a session on one address', async () => {
  await using lab = await startLab({ proxies: 4 });
  await using whirl = proxywhirl({ proxies: lab.urls });
  for (let i = 0; i < 8; i++) await (await whirl.fetch(`${lab.site.httpUrl}/ip`, { sessionId: 's1' })).text();
  expect(lab.site.byAddress.size).toBe(1);
});

it.each([
  [{}, false],
  [{ hedge: false }, false],
  [{ hedge: true }, true],
])(
  'R-30 hedge: a second proxy answers for one that became slow; off by default: %o',
  async (options, hedges) => {
    await using lab = await startLab({ proxies: 2 });
    await using whirl = proxywhirl({ proxies: lab.urls, ...options });
    const url = `${lab.site.httpUrl}/ip`;
    for (let i = 0; i < 40; i++) await (await whirl.fetch(url)).text();
    await lab.proxies[0]?.behave({ latencyMs: 900 });
    // In turn: one of two begins at the slow one.
    const responses = [await whirl.fetch(url), await whirl.fetch(url)];
    expect(responses.some(({ attempts }) => attempts.some(({ hedge }) => hedge === true))).toBe(hedges);
    await expect(whirl.fetch(url, { hedge: 'yes' as never })).rejects.toMatchObject({
      code: 'PW_FETCH_INVALID',
    });
    expect(() => proxywhirl({ proxies: lab.urls, hedge: 1 as never })).toThrow(/hedge/);
  },
);

it('whirl.rotator knows whether it is in panic', async () => {
  await using whirl = proxywhirl({ proxies: ['192.0.2.1:80', '192.0.2.2:80'] });
  expect(whirl.rotator.inPanic).toBe(false);
  for (let i = 0; i < 12 && !whirl.rotator.inPanic; i++) whirl.rotator.acquire().fail({ verdict: 'proxy' });
  expect(whirl.rotator.inPanic).toBe(true);
});

it('whirl.fetch ends with the engine: nothing is sent after close(), and nothing stays open', async () => {
  await using lab = await startLab({ proxies: 1 });
  const whirl = proxywhirl({ proxies: lab.urls });
  await (await whirl.fetch(`${lab.site.httpUrl}/ip`)).text();
  await whirl.close();
  await expect(whirl.fetch(`${lab.site.httpUrl}/ip`)).rejects.toMatchObject({ code: 'PW_CLOSED' });
});

it('undici is not loaded until whirl.fetch is called', async () => {
  const script = `
    import { Module } from 'node:module';
    import { proxywhirl } from './src/index.ts';
    const loaded = () => Object.keys(Module._cache).some((file) => file.includes('/undici/'));
    const whirl = proxywhirl({ proxies: ['127.0.0.2:1'] });
    await whirl.newUrl();
    const before = loaded();
    await whirl.fetch('http://127.0.0.1:1/').catch(() => {});
    console.log(before, loaded());
  `;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    '--input-type=module',
    '--eval',
    script,
  ]);
  expect(stdout.trim()).toBe('false true');
});
