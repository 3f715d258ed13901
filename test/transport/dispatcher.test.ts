import { inspect } from 'node:util';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import {
  type FaultProxy,
  type FaultProxyOptions,
  labCaPem,
  startFaultProxy,
  startTargetSite,
  type TargetSite,
} from '../../src/lab/index.js';
import { ProxyDispatchers, type ProxyDispatchersOptions } from '../../src/transport/dispatcher.js';
import { loopTime } from '../support/loop-time.js';
import { onRequest, startScriptedProxy } from './scripted-proxy.js';

let site: TargetSite;
let proxy: FaultProxy;
let dispatchers: ProxyDispatchers;

beforeEach(async () => {
  site = await startTargetSite();
});
afterEach(async () => {
  await dispatchers.destroy();
  await vi.waitFor(() => expect(proxy?.stats.openSockets ?? 0).toBe(0));
  await Promise.all([proxy?.close(), site.close()]);
});

const credentials = { username: 'lab user', password: 'c4n4ry:p@ss' };
const kinds = ['http', 'https', 'socks5'] as const;

async function start(options: FaultProxyOptions, more: ProxyDispatchersOptions = {}): Promise<void> {
  proxy = await startFaultProxy({ address: '127.0.0.9', ...options });
  dispatchers = new ProxyDispatchers({
    tls: { ca: labCaPem },
    proxyTls: { ca: labCaPem, servername: 'localhost' },
    ...more,
  });
}

type Init = Parameters<typeof request>[1];

/** One request, read to its end. */
async function send(
  url: string,
  init: Init = {},
  through = proxy.url,
): Promise<{ status: number; body: string }> {
  const dispatcher = dispatchers.dispatcherFor(parseProxy(through));
  const { statusCode, body } = await request(url, { ...init, dispatcher });
  return { status: statusCode, body: await body.text() };
}

/** How it failed. */
async function failure(
  url: string,
  init: Init = {},
  through?: string,
): Promise<{ name: string; code: unknown }> {
  const error = await send(url, init, through).then(
    () => new Error('It did not fail'),
    (reason: Error & { code?: unknown }) => reason,
  );
  return { name: error.name, code: 'code' in error ? error.code : error.message };
}

describe.each(kinds)('through a proxy of kind %s', (kind) => {
  it('keeps one connection for 50 https requests', async () => {
    await start({ kind, credentials });
    for (let i = 0; i < 50; i++) expect((await send(`${site.httpsUrl}/ip`)).body).toContain('127.0.0.9');
    expect(proxy.stats.connections).toBeLessThanOrEqual(2);
    expect(dispatchers.stats()).toMatchObject({ dispatchers: 1, requests: 50 });
  });

  it('keeps one connection for 50 http requests, and tells the target nothing of the credentials', async () => {
    await start({ kind, credentials });
    for (let i = 0; i < 50; i++)
      await send(`${site.httpUrl}/page/${1 + (i % 3)}?a=b`, { headers: { 'x-i': `${i}` } });
    expect(proxy.stats.connections).toBeLessThanOrEqual(2);
    expect(proxy.stats.unauthorized).toBe(0);
    expect(proxy.requests[0]?.method).toBe(kind === 'socks5' ? 'CONNECT' : 'GET');
    const { host } = new URL(site.httpUrl);
    expect(site.requests).toHaveLength(50);
    for (const { headers, path } of site.requests) {
      expect(headers).toMatchObject({ host, 'x-i': expect.any(String) });
      expect(headers).not.toHaveProperty('proxy-authorization');
      expect(path).toMatch(/^\/page\/\d\?a=b$/);
    }
  });

  it('bounds its connections', async () => {
    await start({ kind }, { connections: 3 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(`${site.httpsUrl}/ip`)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(proxy.stats.connections).toBeLessThanOrEqual(3);
  });

  it('fails with the error of the tunnel, by one connection', async () => {
    await start({ kind, fault: 'auth' });
    expect(await failure(`${site.httpsUrl}/ip`)).toEqual({ name: 'TunnelError', code: 'PW_PROXY_AUTH' });
    expect(proxy.stats.connections).toBe(1);
  });

  it('connects once to a proxy that closes after CONNECT', async () => {
    await start({ kind, fault: 'close-after-connect' });
    expect(await failure(`${site.httpsUrl}/ip`)).toMatchObject({ name: 'TunnelError' });
    expect(proxy.stats.connections).toBe(1);
    expect((await failure(`${site.httpUrl}/ip`)).code).toMatch(/UND_ERR_SOCKET|ECONNRESET|EPIPE/);
    expect(proxy.stats.connections).toBe(2);
  });

  it.each(['https', 'http'] as const)(
    'an abort ends a request to a silent proxy at once, %s',
    async (scheme) => {
      await start({ kind, fault: 'hang' });
      const controller = new AbortController();
      const asked = proxy.nextRequest();
      const pending = failure(`${site[`${scheme}Url`]}/ip`, { signal: controller.signal });
      await asked;
      const passed = loopTime();
      controller.abort();
      expect(await pending).toMatchObject({ name: 'AbortError' });
      expect(passed()).toBeLessThan(20);
      await vi.waitFor(() => expect(proxy.stats.openSockets).toBe(0));
      expect(proxy.stats.connections).toBe(1);
    },
  );
});

describe('requests in absolute form', () => {
  it('carry the whole URL, repeated headers, and the credentials, in every form of headers', async () => {
    const heads: string[] = [];
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, (head) => {
        heads.push(head);
        socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
      }),
    );
    await start({});
    const through = `http://us:p%40ss@127.0.0.1:${server.port}`;
    const forms: NonNullable<Init>['headers'][] = [
      { 'X-A': ['1', '2'] },
      ['X-A', '1', 'X-A', '2'],
      new Map([['X-A', ['1', '2']]]),
    ];
    for (const headers of forms) await send('http://shop.test:81/a?b=c', headers ? { headers } : {}, through);
    expect(heads).toHaveLength(3);
    for (const head of heads) {
      expect(head.split('\r\n')[0]).toBe('GET http://shop.test:81/a?b=c HTTP/1.1');
      expect(head).toMatch(/^host: shop\.test:81\r$/im);
      expect(head).toContain(`proxy-authorization: Basic ${Buffer.from('us:p@ss').toString('base64')}`);
      expect(head.match(/^x-a: /gim)).toHaveLength(2);
    }
    expect(
      await failure('http://shop.test/', { headers: { 'Proxy-Authorization': 'x' } }, through),
    ).toMatchObject({
      name: 'TypeError',
    });
  });

  it('hand the 407 of the proxy out as the answer that it is', async () => {
    await start({ fault: 'auth' });
    expect((await send(`${site.httpUrl}/ip`)).status).toBe(407);
  });
});

describe('a kept connection that dies between two requests', () => {
  /** Serves one request per connection, and resets when the second comes. */
  async function resetting(
    method: 'GET' | 'POST',
  ): Promise<{ result: string; connections: number; seen: number }> {
    let seen = 0;
    await using server = await startScriptedProxy((socket) => {
      onRequest(socket, () => {
        seen += 1;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        onRequest(socket, () => {
          seen += 1;
          socket.resetAndDestroy();
        });
      });
    });
    await start({}, { connections: 1 });
    const through = `http://127.0.0.1:${server.port}`;
    expect((await send('http://shop.test/', {}, through)).body).toBe('ok');
    const result = await send('http://shop.test/', { method }, through).then(
      ({ body }) => body,
      (error: Error & { code?: string }) => error.code ?? error.message,
    );
    await dispatchers.destroy();
    return { result, connections: server.connections, seen };
  }

  it('is replaced once for an idempotent request', async () => {
    expect(await resetting('GET')).toEqual({ result: 'ok', connections: 2, seen: 3 });
  });

  it('is not for a POST that was written', async () => {
    const { result, connections, seen } = await resetting('POST');
    expect(result).toMatch(/ECONNRESET|UND_ERR_SOCKET/);
    expect({ connections, seen }).toEqual({ connections: 1, seen: 2 });
  });

  it('is not replaced when it is fresh: one connection to a proxy that resets', async () => {
    await start({ fault: 'reset' });
    expect((await failure(`${site.httpUrl}/ip`)).code).toMatch(/ECONNRESET|UND_ERR_SOCKET/);
    expect(proxy.stats.connections).toBe(1);
  });

  it('goes unnoticed when it had closed in time, even for a POST', async () => {
    await start({});
    await send(`${site.httpUrl}/ip`);
    await proxy.behave({ fault: 'dead' });
    await vi.waitFor(() => expect(dispatchers.stats().open).toBe(0));
    await proxy.behave({ fault: 'none' });
    expect((await send(`${site.httpUrl}/ip`, { method: 'POST', body: 'x' })).status).toBe(200);
  });

  it('at a proxy that closes at accept costs one connection', async () => {
    await using server = await startScriptedProxy((socket) => socket.end());
    await start({});
    expect((await failure('http://shop.test/', {}, `http://127.0.0.1:${server.port}`)).code).toBe(
      'UND_ERR_SOCKET',
    );
    await server.drained();
    expect(server.connections).toBe(1);
  });
});

describe('a pool of dispatchers', () => {
  it('closes idle connections', async () => {
    await start({}, { idleMs: 50 });
    await send(`${site.httpsUrl}/ip`);
    await vi.waitFor(() => expect(proxy.stats.openSockets).toBe(0), 5000);
    expect(dispatchers.stats()).toMatchObject({ dispatchers: 1, open: 0, opened: 1 });
  });

  it('gives one dispatcher per proxy, and lets the least used go with its connections', async () => {
    await start({}, { maxDispatchers: 1 });
    const first = parseProxy(proxy.url);
    await send(`${site.httpsUrl}/ip`);
    expect(dispatchers.dispatcherFor(first)).toBe(dispatchers.dispatcherFor(first));
    dispatchers.dispatcherFor(parseProxy('http://127.0.0.1:9'));
    await vi.waitFor(() => expect(proxy.stats.openSockets).toBe(0));
    expect(dispatchers.stats().dispatchers).toBe(1);
  });

  it('lets what is in flight end when a proxy is dropped', async () => {
    await start({ latencyMs: 30 });
    const asked = proxy.nextRequest();
    const pending = send(`${site.httpUrl}/ip`);
    await asked;
    dispatchers.drop(parseProxy(proxy.url).id);
    expect((await pending).status).toBe(200);
    await vi.waitFor(() => expect(proxy.stats.openSockets).toBe(0));
    expect(dispatchers.stats().dispatchers).toBe(0);
  });

  it('closes: what is in flight ends, nothing new begins', async () => {
    await start({ latencyMs: 30 });
    const asked = proxy.nextRequest();
    const pending = send(`${site.httpUrl}/ip`);
    await asked;
    const closed = dispatchers.close();
    expect(() => dispatchers.dispatcherFor(parseProxy(proxy.url))).toThrow(
      expect.objectContaining({ code: 'PW_CLOSED' }),
    );
    expect((await pending).status).toBe(200);
    await closed;
    await vi.waitFor(() => expect(proxy.stats.openSockets).toBe(0));
  });

  it('destroys: what is in flight fails, also while a connection is made', async () => {
    for (const fault of ['hang', 'none'] as const) {
      await start({ fault, latencyMs: 60_000 });
      const asked = proxy.nextRequest();
      const pending = failure(`${site.httpsUrl}/ip`);
      await asked;
      await dispatchers.destroy();
      expect((await pending).code).toMatch(/UND_ERR_DESTROYED|PW_TUNNEL_ABORTED/);
      await vi.waitFor(() => expect(proxy.stats.openSockets).toBe(0));
      await proxy.close();
    }
  });

  it('shows no password', async () => {
    await start({ credentials, latencyMs: 30 });
    const asked = proxy.nextRequest();
    const pending = send(`${site.httpUrl}/ip`);
    await asked;
    const dispatcher = dispatchers.dispatcherFor(parseProxy(proxy.url));
    const shown = [dispatchers, dispatcher]
      .map((value) => inspect(value, { depth: 20, showHidden: true }))
      .join();
    expect(shown).not.toContain(credentials.password);
    expect(shown).not.toContain(
      Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64'),
    );
    await pending;
  });
});
