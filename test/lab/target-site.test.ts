import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTargetSite, type TargetSite } from '../../src/lab/index.js';

let site: TargetSite;
let nowMs: number;

beforeEach(async () => {
  nowMs = 1_000_000;
  site = await startTargetSite({ pages: 5, pageBytes: 300, now: () => nowMs });
});
afterEach(async () => {
  await site.close();
  expect(site.openSockets).toBe(0);
});

const get = (path: string, init?: RequestInit): Promise<Response> => fetch(site.httpUrl + path, init);
const status = async (path = '/'): Promise<number> => (await get(path)).status;

describe('pages', () => {
  it('link from the index to every page, and from page to page', async () => {
    const index = await (await get('/')).text();
    expect(index.match(/href="\/page\/\d+"/g)).toHaveLength(5);
    const second = await (await get('/page/2')).text();
    expect(second).toContain('<title>Page 2</title>');
    expect(second).toContain('href="/page/3"');
    expect(/<p>(.*?)<\/p>/s.exec(second)?.[1]).toHaveLength(300);
    expect(await (await get('/page/5')).text()).not.toContain('href=');
    expect(await status('/page/6')).toBe(404);
    expect(await status('/nowhere')).toBe(404);
  });

  it('echo address, headers, cookies and statuses', async () => {
    expect(await (await get('/ip')).json()).toEqual({ address: '127.0.0.1' });
    const { headers } = await (await get('/headers', { headers: { 'x-mine': '1' } })).json();
    expect(headers['x-mine']).toBe('1');
    expect(await (await get('/judge', { headers: { 'x-mine': '1' } })).json()).toMatchObject({
      address: '127.0.0.1',
      headers: { 'x-mine': '1' },
    });
    const cookie = await get('/cookie?set=s1', { headers: { cookie: 'a=b' } });
    expect(await cookie.json()).toEqual({ cookie: 'a=b' });
    expect(cookie.headers.get('set-cookie')).toContain('lab_session=s1');
    expect([await status('/status/418'), await status('/status/99'), await status('/slow?ms=5')]).toEqual([
      418, 400, 200,
    ]);
  });

  it('are recorded with address, host and session', async () => {
    const next = site.nextRequest();
    await get('/page/1?q=1', { headers: { 'x-lab-session': 'one' } });
    expect(await next).toMatchObject({
      address: '127.0.0.1',
      method: 'GET',
      path: '/page/1?q=1',
      host: '127.0.0.1',
      secure: false,
      sessionHint: 'one',
      banned: false,
      at: nowMs,
    });
    await get('/', { headers: { cookie: 'x=y; lab_session=two' } });
    expect(site.requests.at(-1)?.sessionHint).toBe('two');
    expect(site.byAddress.get('127.0.0.1')).toEqual({ requests: 2, banned: 0 });
    site.forget();
    expect([site.requests.length, site.counts.requests]).toEqual([0, 0]);
  });

  it('are remembered up to a bound', async () => {
    await using small = await startTargetSite({ keepRequests: 2 });
    for (const path of ['/1', '/2', '/3']) await (await fetch(small.httpUrl + path)).text();
    expect(small.requests.map((r) => r.path)).toEqual(['/2', '/3']);
    expect(small.counts.requests).toBe(3);
  });
});

describe('bans', () => {
  it('by address: until the rules change', async () => {
    site.ban({ addresses: ['127.0.0.1'], status: 429, retryAfterSeconds: 120 });
    const answer = await get('/');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '120']);
    nowMs += 1e9;
    expect([await status(), site.isBanned('127.0.0.1'), site.isBanned('127.0.0.2')]).toEqual([
      429,
      true,
      false,
    ]);
    expect(site.counts).toEqual({ requests: 2, banned: 2 });
    site.ban(null);
    expect(await status()).toBe(200);
  });

  it('by rate: within any minute, for as long as the rule says, and no longer for knocking', async () => {
    site.ban({ maxRequestsPerMinute: 2, forMs: 5000, status: 503 });
    expect([await status(), await status(), await status()]).toEqual([200, 200, 503]);
    nowMs += 4999;
    expect(await status()).toBe(503);
    nowMs += 1;
    expect([await status(), await status(), await status()]).toEqual([200, 200, 503]);
  });

  it('by rate: a minute later the count starts anew', async () => {
    site.ban({ maxRequestsPerMinute: 2 });
    expect([await status(), await status()]).toEqual([200, 200]);
    nowMs += 60_000;
    expect([await status(), await status(), await status()]).toEqual([200, 200, 403]);
  });

  it('with 200 and a block page', async () => {
    site.ban({ addresses: ['127.0.0.1'], status: 200 });
    const answer = await get('/page/1');
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('Access denied');
  });

  it('on one host only, and by the first rule that strikes', async () => {
    site.ban([
      { addresses: ['127.0.0.1'], hosts: ['localhost'], status: 429 },
      { addresses: ['127.0.0.1'], hosts: ['elsewhere.test'], status: 503 },
    ]);
    expect(await status()).toBe(200);
    expect((await fetch(`${site.httpUrl.replace('127.0.0.1', 'localhost')}/`)).status).toBe(429);
  });
});

describe('lifetime', () => {
  it('survives clients that break off, and bad requests', async () => {
    const { hostname, port } = new URL(site.httpUrl);
    for (const bytes of [
      'GET /slow?ms=10000 HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
      '\x16\x03',
    ]) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      await new Promise((resolve) => socket.write(bytes, resolve));
      socket.resetAndDestroy();
    }
    expect(await status()).toBe(200);
  });
});
