import { getEventListeners } from 'node:events';
import { Socket } from 'node:net';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { createRotator } from '../../src/create-rotator.js';
import { startLab } from '../../src/lab/index.js';
import { createFetch } from '../../src/transport/fetch.js';
import type { FetchError } from '../../src/transport/fetch-error.js';
import { loopTime } from '../support/loop-time.js';
import { type FetchWorld, overLab, startWorld } from './fetch-world.js';
import { onRequest, type ScriptedProxy, startScriptedProxy } from './scripted-proxy.js';

async function failure(coming: Promise<unknown>): Promise<FetchError> {
  return coming.then(
    () => {
      throw new Error('It did not fail');
    },
    (error: FetchError) => error,
  );
}

/** A world whose only proxy answers every request in absolute form with these bytes. */
async function answering(
  answer: (head: string) => string | Buffer,
): Promise<{ world: FetchWorld; server: ScriptedProxy } & AsyncDisposable> {
  const server = await startScriptedProxy((socket) => onRequest(socket, (head) => socket.end(answer(head))));
  const world = await startWorld({ proxies: 0, urls: [`http://127.0.0.1:${server.port}`] });
  return {
    world,
    server,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe.each(['http', 'https'] as const)('an answer over %s', (scheme) => {
  it('is a Response, with the proxy, the attempts and the timings', async () => {
    await using world = await startWorld();
    const url = `${world.lab.site[`${scheme}Url`]}/ip`;
    const response = await world.fetch(url);
    expect(response).toBeInstanceOf(Response);
    expect(response).toMatchObject({ status: 200, ok: true, url, redirected: false });
    expect(response.headers.get('content-type')).toContain('application/json');
    const { address } = (await response.clone().json()) as { address: string };
    expect(address).toBe(new URL(response.proxy.url).hostname);
    expect(await response.text()).toContain(address);
    expect(response.attempts).toEqual([
      { proxyId: response.proxy.id, verdict: 'success', elapsedMs: expect.any(Number), code: null },
    ]);
    expect(response.timings.totalMs).toBeGreaterThanOrEqual(response.timings.firstByteMs);
    await vi.waitFor(() =>
      expect(world.settled).toEqual([{ proxyId: response.proxy.id, verdict: 'success' }]),
    );
  });

  it('frees its proxy though nobody reads it, when it is small', async () => {
    await using world = await startWorld({ proxies: 1 });
    for (let i = 0; i < 20; i++) await world.fetch(`${world.lab.site[`${scheme}Url`]}/page/1`);
    await vi.waitFor(() => expect(world.settled).toHaveLength(20));
    expect(world.lab.proxies[0]?.stats.connections).toBeLessThanOrEqual(2);
  });

  it('comes to each of many calls under one signal, of which Node does not warn', async () => {
    await using world = await startWorld();
    const { signal } = new AbortController();
    const warned: string[] = [];
    const listen = ({ name }: Error): void => void warned.push(name);
    process.on('warning', listen);
    const url = `${world.lab.site[`${scheme}Url`]}/ip`;
    await Promise.all(Array.from({ length: 20 }, async () => (await world.fetch(url, { signal })).text()));
    await vi.waitFor(() => expect(getEventListeners(signal, 'abort')).toEqual([]));
    process.off('warning', listen);
    expect(warned).toEqual([]);
  });

  it('comes though one of five proxies is dead, each time', async () => {
    await using world = await startWorld({ proxies: [{ fault: 'dead' }, {}, {}, {}, {}] });
    const url = `${world.lab.site[`${scheme}Url`]}/ip`;
    const dead = world.rotator.pool.list()[0]?.id;
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await world.fetch(url);
        await response.text();
        return response;
      }),
    );
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(answers.some(({ attempts }) => attempts[0]?.code === 'PW_PROXY_REFUSED')).toBe(true);
    for (const { attempts } of answers) {
      expect(new Set(attempts.map(({ proxyId }) => proxyId)).size).toBe(attempts.length);
      if (attempts.length > 1) expect(attempts[0]).toMatchObject({ proxyId: dead, verdict: 'proxy' });
    }
    await vi.waitFor(() => expect(world.settled).toHaveLength(world.leases()));
  });

  it('of a status that the target chose is handed out, and settles with its verdict', async () => {
    await using lab = await startLab({ proxies: 5 });
    for (const [status, verdict] of [
      [404, 'success'],
      [403, 'banned'],
      [500, scheme === 'https' ? 'target' : 'ambiguous'],
    ] as const) {
      // Each in an engine of its own, that has learned nothing of the site.
      const world = overLab(lab, {});
      const response = await world.fetch(`${lab.site[`${scheme}Url`]}/status/${status}`);
      expect(response).toMatchObject({ status, verdict });
      await response.text();
      await vi.waitFor(() => expect(world.settled.at(-1)?.verdict).toBe(verdict));
      await world.dispatchers.destroy();
    }
  });

  it('to a POST: the body arrives whole, whatever it is', async () => {
    await using world = await startWorld();
    const bodies = [
      'text',
      new TextEncoder().encode('bytes'),
      new URLSearchParams({ a: 'b' }),
      new Blob(['blob'], { type: 'text/css' }),
      new Blob(['stream']).stream(),
      (async function* () {
        yield Buffer.from('generator');
      })(),
    ];
    for (const body of bodies) {
      const response = await world.fetch(`${world.lab.site[`${scheme}Url`]}/ip`, { method: 'post', body });
      expect(response.status).toBe(200);
    }
    const types = world.lab.site.requests.map(({ method, headers }) => [method, headers['content-type']]);
    expect(types).toEqual([
      ['POST', 'text/plain;charset=UTF-8'],
      ['POST', undefined],
      ['POST', 'application/x-www-form-urlencoded;charset=UTF-8'],
      ['POST', 'text/css'],
      ['POST', undefined],
      ['POST', undefined],
    ]);
  });
});

describe('a session', () => {
  it('stays with its proxy, and moves when that fails', async () => {
    await using world = await startWorld();
    const url = `${world.lab.site.httpsUrl}/ip`;
    const ids = new Set<string>();
    for (let i = 0; i < 10; i++) ids.add((await world.fetch(url, { sessionId: 'cart' })).proxy.id);
    expect(ids.size).toBe(1);
    const at = world.rotator.pool.list().findIndex(({ id }) => ids.has(id));
    await world.lab.proxies[at]?.behave({ fault: 'dead' });
    const moved = await world.fetch(url, { sessionId: 'cart' });
    expect(ids.has(moved.proxy.id)).toBe(false);
    expect((await world.fetch(url, { sessionId: 'cart' })).proxy.id).toBe(moved.proxy.id);
  });
});

describe('redirects', () => {
  const redirecting = (location: (head: string) => string | null, status = 302) =>
    answering((head) => {
      const to = location(head);
      return to === null
        ? `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${head}`
        : `HTTP/1.1 ${status} Found\r\nConnection: close\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`;
    });
  const path = (head: string): string => new URL(head.split(' ')[1] ?? '').pathname;

  it('keep credentials on the same origin, and drop them on another', async () => {
    await using set = await redirecting((head) => {
      if (path(head) === '/a') return '/b';
      return path(head) === '/b' ? 'http://other.test/c' : null;
    });
    const headers = { authorization: 'Bearer s3cret', cookie: 'sid=s3cret', 'x-mine': 'yes' };
    const response = await set.world.fetch('http://shop.test/a', { headers });
    expect(response).toMatchObject({ status: 200, url: 'http://other.test/c', redirected: true });
    const last = await response.text();
    expect(last).toContain('x-mine: yes');
    expect(last).not.toContain('s3cret');
    await using same = await redirecting((head) => (path(head) === '/a' ? '/b' : null));
    expect(await (await same.world.fetch('http://shop.test/a', { headers })).text()).toContain('s3cret');
  });

  it.each([
    [301, 'POST', 'GET', false],
    [303, 'PUT', 'GET', false],
    [307, 'POST', 'POST', true],
    [308, 'PUT', 'PUT', true],
  ])('by %s turn %s into %s', async (status, method, expected, typed) => {
    await using set = await redirecting((head) => (path(head) === '/a' ? '/b' : null), status);
    const text = await (await set.world.fetch('http://shop.test/a', { method, body: 'x' })).text();
    expect(text.startsWith(`${expected} `)).toBe(true);
    expect(text.includes('content-type')).toBe(typed);
  });

  it('stay with the proxy that led to them', async () => {
    await using first = await redirecting((head) => (path(head) === '/a' ? '/b' : null));
    await using second = await redirecting((head) => (path(head) === '/a' ? '/b' : null));
    await using world = await startWorld({
      proxies: 0,
      urls: [first, second].map(({ server }) => `http://127.0.0.1:${server.port}`),
    });
    for (let i = 0; i < 6; i++) {
      const { attempts } = await world.fetch('http://shop.test/a');
      expect(attempts[0]?.proxyId).toBe(attempts[1]?.proxyId);
    }
  });

  it('end: after five, at other schemes, and where the caller wants none', async () => {
    await using loop = await redirecting(() => '/a');
    expect((await failure(loop.world.fetch('http://shop.test/a'))).code).toBe('PW_FETCH_REDIRECT');
    expect(loop.server.connections).toBe(6);
    await using file = await redirecting(() => 'file:///etc/passwd');
    expect((await failure(file.world.fetch('http://shop.test/a'))).code).toBe('PW_FETCH_REDIRECT');
    await using stream = await redirecting((head) => (path(head) === '/a' ? '/b' : null), 307);
    const body = new Blob(['x']).stream();
    expect((await failure(stream.world.fetch('http://shop.test/a', { method: 'POST', body }))).code).toBe(
      'PW_FETCH_REDIRECT',
    );
    expect((await failure(file.world.fetch('http://shop.test/a', { redirect: 'error' }))).code).toBe(
      'PW_FETCH_REDIRECT',
    );
    expect((await file.world.fetch('http://shop.test/a', { redirect: 'manual' })).status).toBe(302);
    for (const { world } of [loop, file, stream])
      await vi.waitFor(() => expect(world.settled).toHaveLength(world.leases()));
  });
});

describe('a body', () => {
  const head = 'HTTP/1.1 200 OK\r\nConnection: close\r\n';

  it('over the limit is refused, by its length or when it gets there', async () => {
    await using announced = await answering(() => `${head}Content-Length: 2000\r\n\r\n${'x'.repeat(2000)}`);
    expect((await failure(announced.world.fetch('http://shop.test/', { maxBytes: 1999 }))).code).toBe(
      'PW_FETCH_BODY_LIMIT',
    );
    expect((await (await announced.world.fetch('http://shop.test/', { maxBytes: 2000 })).text()).length).toBe(
      2000,
    );
    const zipped = gzipSync(Buffer.alloc(1_000_000));
    await using bomb = await answering(() =>
      Buffer.concat([Buffer.from(`${head}Content-Encoding: gzip\r\n\r\n`), zipped]),
    );
    const response = await bomb.world.fetch('http://shop.test/', { maxBytes: 10_000 });
    expect((await failure(response.text())).code).toBe('PW_FETCH_BODY_LIMIT');
    await vi.waitFor(() => expect(bomb.world.settled).toMatchObject([{ verdict: 'success' }]));
  });

  it('is decoded, and fails when its encoding is cut', async () => {
    const zipped = gzipSync('hello');
    let bytes = zipped;
    await using set = await answering(() =>
      Buffer.concat([Buffer.from(`${head}Content-Encoding: gzip\r\n\r\n`), bytes]),
    );
    expect(await (await set.world.fetch('http://shop.test/')).text()).toBe('hello');
    bytes = zipped.subarray(0, -4);
    const response = await set.world.fetch('http://shop.test/');
    expect((await failure(response.text())).code).toBe('PW_FETCH_BODY_BROKEN');
  });

  it('that nobody wants any more costs the proxy nothing', async () => {
    await using set = await answering(() => `${head}Content-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`);
    const response = await set.world.fetch('http://shop.test/');
    await response.body?.cancel();
    expect(set.world.settled).toMatchObject([{ verdict: 'success' }]);
  });

  it('is none for HEAD, 204 and 304', async () => {
    await using world = await startWorld();
    expect(await (await world.fetch(`${world.lab.site.httpUrl}/ip`, { method: 'HEAD' })).text()).toBe('');
    const response = await world.fetch(`${world.lab.site.httpUrl}/status/204`);
    expect(response).toMatchObject({ status: 204, body: null });
    await vi.waitFor(() => expect(world.settled).toHaveLength(2));
  });
});

describe('nothing goes direct', () => {
  it('with an empty pool, or a pool that is dead: an error, and no connection to the site', async () => {
    const connects = vi.spyOn(Socket.prototype, 'connect');
    await using world = await startWorld({ proxies: 2 });
    const clock = { now: () => performance.now() };
    const { dispatchers } = world;
    const empty = createRotator({ proxies: [] });
    const fetch = createFetch({ rotator: empty, dispatchers, clock, random: Math.random });
    const url = `${world.lab.site.httpUrl}/ip`;
    connects.mockClear();
    const passed = loopTime();
    expect(await failure(fetch(url))).toMatchObject({ code: 'PW_POOL_EMPTY' });
    expect(passed()).toBeLessThan(50);
    expect(connects).not.toHaveBeenCalled();
    for (const proxy of world.lab.proxies) await proxy.behave({ fault: 'dead' });
    expect(await failure(world.fetch(url))).toMatchObject({ code: 'PW_FETCH_EXHAUSTED' });
    const ports = connects.mock.calls.map(([options]) => JSON.stringify(options));
    expect(ports.some((text) => text.includes(`"port":${new URL(url).port}`))).toBe(false);
    expect(world.lab.site.requests).toEqual([]);
  });
});

describe('an error', () => {
  it('shows no credential, even of a proxy that echoes it', async () => {
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, (head) => socket.end(`${head}\r\nHTTP/9 c4n4ry`)),
    );
    await using world = await startWorld({ proxies: 0, urls: [`http://us:c4n4ry@127.0.0.1:${server.port}`] });
    const encoded = Buffer.from('us:c4n4ry').toString('base64');
    for (const url of ['http://shop.test/', 'https://shop.test/', 'http://shop.test/?key=k3y']) {
      const error = await failure(world.fetch(url, { headers: { authorization: 'k3y' } }));
      expect(error).toMatchObject({ code: 'PW_FETCH_EXHAUSTED', attempts: [{ code: expect.any(String) }] });
      const shown = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error);
      for (const secret of ['c4n4ry', encoded, 'k3y']) expect(shown).not.toContain(secret);
    }
  });

  it.each([
    ['ftp://shop.test/', {}],
    ['http://us:s3cret@shop.test/', {}],
    ['/relative', {}],
    ['http://shop.test/', { method: 'CONNECT' }],
    ['http://shop.test/', { method: 'GE T' }],
    ['http://shop.test/', { body: 'x' }],
    ['http://shop.test/', { headers: { 'x-bad': 's3cret\n' + 'x: y' } }],
    ['http://shop.test/', { headers: { 'Proxy-Authorization': 's3cret' } }],
    ['http://shop.test/', { headers: { 'Content-Length': '1' } }],
    ['http://shop.test/', { attempts: 0 }],
    ['http://shop.test/', { deadlineMs: Number.NaN }],
    ['http://shop.test/', { method: 'POST', body: 7 as never }],
  ])('for what cannot be sent: %s %o', async (url, init) => {
    await using world = await startWorld({ proxies: 1 });
    const error = await failure(world.fetch(url, init));
    expect(error).toMatchObject({ code: 'PW_FETCH_INVALID', status: 400 });
    expect(inspect(error, { depth: 20 })).not.toContain('s3cret');
    expect(world.leases()).toBe(0);
  });

  it('of the stream that is sent blames no proxy', async () => {
    await using world = await startWorld();
    const body = (async function* () {
      yield Buffer.from('x');
      throw new Error('The disk is gone');
    })();
    const error = await failure(world.fetch(`${world.lab.site.httpUrl}/ip`, { method: 'POST', body }));
    expect(error).toMatchObject({ code: 'PW_FETCH_INVALID', cause: { message: 'The disk is gone' } });
    expect(world.settled).toMatchObject([{ verdict: 'neutral' }]);
  });
});
