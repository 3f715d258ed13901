import { once } from 'node:events';
import type { Socket } from 'node:net';
import { inspect } from 'node:util';
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
import { openTunnel, type Tunnel, type TunnelOptions } from '../../src/transport/tunnel.js';
import {
  onRequest,
  onSocks4,
  type Socks4Request,
  socks4Reply,
  startScriptedProxy,
} from './scripted-proxy.js';
import { failureOf } from './tunnel-outcome.js';

let site: TargetSite;
let proxy: FaultProxy | undefined;

beforeEach(async () => {
  site = await startTargetSite();
});
afterEach(async () => {
  await vi.waitFor(() => expect(proxy?.stats.openSockets ?? 0).toBe(0));
  await Promise.all([proxy?.close(), site.close()]);
  proxy = undefined;
});

/** The certificate of the lab is for 127.0.0.1 and localhost, its proxies listen next door. */
const proxyTls = { ca: labCaPem, servername: 'localhost' };
const credentials = { username: 'lab user', password: 'p:@ss wörd' };

async function start(options: FaultProxyOptions): Promise<FaultProxy> {
  proxy = await startFaultProxy({ address: '127.0.0.9', ...options });
  return proxy;
}

function target(base = site.httpsUrl): { host: string; port: number } {
  const { hostname, port } = new URL(base);
  return { host: hostname, port: Number(port) };
}

function open(url: string, options: Partial<TunnelOptions> = {}): Promise<Tunnel> {
  return openTunnel({
    proxy: parseProxy(url),
    ...target(),
    tls: { ca: labCaPem },
    proxyTls,
    ...options,
  });
}

/** One request by hand; ends the tunnel. */
async function get(socket: Socket, path = '/ip'): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk as string;
  return text;
}

describe.each(['http', 'https', 'socks5'] as const)('through a proxy of kind %s', (kind) => {
  it('carries TLS to the target, by one connection', async () => {
    const { url, stats } = await start({ kind });
    expect(stats.connections).toBe(0);
    const { socket, timings, localAddress } = await open(url);
    expect(await get(socket)).toContain('{"address":"127.0.0.9"}');
    expect(proxy?.stats).toMatchObject({ connections: 1, requests: 1 });
    expect(localAddress).toBe('127.0.0.1');
    const phases = ['connectMs', 'handshakeMs', 'tlsMs', ...(kind === 'https' ? ['proxyTlsMs'] : [])];
    // SOCKS5 wants an address, and the name is looked up here.
    if (kind === 'socks5') phases.push('dnsMs');
    expect(Object.keys(timings).sort()).toEqual(phases.sort());
    expect(Object.values(timings).every((ms) => ms >= 0 && ms < 10_000)).toBe(true);
  });

  it('carries a plain connection, and leaves it neither flowing nor paused', async () => {
    const { url } = await start({ kind });
    const { socket } = await open(url, { ...target(site.httpUrl), tls: undefined });
    expect(await get(socket)).toContain('{"address":"127.0.0.9"}');
  });

  it('sends its credentials, and reports when they are wrong or missing', async () => {
    const { url } = await start({ kind, credentials });
    expect(await get((await open(url)).socket)).toContain('{"address":"127.0.0.9"}');
    const bare = new URL(url);
    bare.username = '';
    bare.password = '';
    const wrong = new URL(url);
    wrong.password = 'wrong';
    for (const refused of [bare.href, wrong.href]) {
      const failure = await failureOf(refused, { ...target(), proxyTls });
      expect(failure).toMatchObject({ code: 'PW_PROXY_AUTH', phase: 'handshake', verdict: 'auth' });
      if (kind !== 'socks5') expect(failure.error.proxyStatus).toBe(407);
    }
    expect(proxy?.stats).toMatchObject({ connections: 3, unauthorized: kind === 'socks5' ? 1 : 2 });
    await vi.waitFor(() => expect(proxy?.stats.openSockets).toBe(0));
  });

  it('opens 100 tunnels at once, each by one connection', async () => {
    const { url } = await start({ kind });
    const answers = await Promise.all(Array.from({ length: 100 }, async () => get((await open(url)).socket)));
    expect(answers.filter((text) => text.includes('{"address":"127.0.0.9"}'))).toHaveLength(100);
    expect(proxy?.stats.connections).toBe(100);
    await vi.waitFor(() => expect(proxy?.stats.openSockets).toBe(0));
  });
});

describe('what a CONNECT looks like', () => {
  async function headFor(options: Partial<TunnelOptions>, userinfo = ''): Promise<string> {
    let seen = '';
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, (head) => {
        seen = head;
        socket.end('HTTP/1.1 200 OK\r\n\r\n');
      }),
    );
    const { socket } = await open(`http://${userinfo}127.0.0.1:${server.port}`, {
      tls: undefined,
      ...options,
    });
    socket.destroy();
    return seen;
  }

  it('names the target, in brackets when it is an IPv6 address', async () => {
    expect(await headFor({ host: 'Example.COM', port: 443 })).toBe(
      'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n',
    );
    for (const host of ['2001:db8::1', '[2001:DB8:0::1]'])
      expect(await headFor({ host, port: 8443 })).toContain('CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n');
  });

  it('has the credentials in UTF-8, a missing password as an empty one', async () => {
    const sent = async (userinfo: string): Promise<string> => {
      const token = /Proxy-Authorization: Basic (\S+)/.exec(await headFor({}, userinfo))?.[1] ?? '';
      return Buffer.from(token, 'base64').toString('utf8');
    };
    expect(await sent('us%20er:p%3A%40ss%20w%C3%B6rd@')).toBe('us er:p:@ss wörd');
    expect(await sent('user@')).toBe('user:');
  });
});

describe('the answer to a CONNECT', () => {
  /** Opens a tunnel through a proxy that answers with these bytes; what the tunnel brings first. */
  async function firstBytes(...answer: string[]): Promise<string> {
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, () => {
        socket.setNoDelay(true);
        const next = (): void => {
          const part = answer.shift();
          if (part === undefined) socket.end();
          else socket.write(part, 'latin1', () => setImmediate(next));
        };
        next();
      }),
    );
    const { socket } = await open(`http://127.0.0.1:${server.port}`, { tls: undefined });
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) text += chunk as string;
    socket.destroy();
    expect(server.connections).toBe(1);
    return text;
  }

  it.each([
    ['200', 'HTTP/1.1 200 Connection established\r\n\r\n'],
    ['201', 'HTTP/1.1 201 Created\r\n\r\n'],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['299 without a reason, HTTP/1.0', 'HTTP/1.0 299\r\n\r\n'],
    [
      'headers that mean nothing here',
      'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['lines that end with LF', 'HTTP/1.1 200 OK\nA: b\n\n'],
    [
      '100 and 103 before it',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
    ],
  ])('opens with %s, and what follows belongs to the tunnel', async (_name, head) => {
    expect(await firstBytes(`${head}early \x00\xff data`)).toBe('early \x00\xff data');
    expect(await firstBytes(...head, 'later')).toBe('later');
  });

  it('may bring more in one piece than a head may be long', async () => {
    const early = 'x'.repeat(40_000);
    expect(await firstBytes(`HTTP/1.1 200 OK\r\n\r\n${early}`)).toBe(early);
  });
});

describe('SOCKS and names', () => {
  const answers = (address: string, family: number): TunnelOptions['lookup'] =>
    vi.fn((_host, _options, done) => done(null, [{ address, family }]));

  it('socks5h leaves the name to the proxy, socks5 resolves it here', async () => {
    const { address, port } = await start({ kind: 'socks5' });
    const lookup = answers('127.0.0.1', 4);
    await get((await open(`socks5h://${address}:${port}`, { host: 'lab.test', lookup })).socket);
    expect(lookup).not.toHaveBeenCalled();
    const { timings, socket } = await open(`socks5://${address}:${port}`, { host: 'lab.test', lookup });
    await get(socket);
    expect(lookup).toHaveBeenCalledOnce();
    expect(timings.dnsMs).toBeGreaterThanOrEqual(0);
    const to = target().port;
    expect([...(proxy?.stats.requestsByHost.keys() ?? [])]).toEqual([`lab.test:${to}`, `127.0.0.1:${to}`]);
  });

  it('passes IPv6 addresses as such', async () => {
    const { url } = await start({ kind: 'socks5' });
    const failure = await failureOf(url, { host: '2001:db8::1', port: 443 });
    expect(proxy?.requests[0]?.host?.replace(/:0+(?=[^:])/g, ':')).toMatch(/^\[2001:0?db8:.*:1\]:443$/);
    expect(failure).toMatchObject({ code: 'PW_PROXY_CONNECT_STATUS', verdict: 'proxy' });
    expect(failure.error.data).toMatchObject({ socksReply: 2 });
  });

  it('speaks SOCKS4 with an address and SOCKS4a with a name, and keeps early bytes', async () => {
    const seen: Socks4Request[] = [];
    await using server = await startScriptedProxy((socket) =>
      onSocks4(socket, (request) => {
        seen.push(request);
        socket.end(Buffer.concat([socks4Reply(90), Buffer.from('early')]));
      }),
    );
    const lookup = answers('127.0.0.1', 4);
    for (const protocol of ['socks4', 'socks4a']) {
      const { socket } = await open(`${protocol}://us%20er@127.0.0.1:${server.port}`, {
        host: 'shop.test',
        port: 80,
        tls: undefined,
        lookup,
      });
      const [bytes] = await once(socket, 'data');
      expect(String(bytes)).toBe('early');
      socket.destroy();
    }
    expect(seen).toEqual([
      { host: '127.0.0.1', port: 80, user: 'us er' },
      { host: 'shop.test', port: 80, user: 'us er' },
    ]);
    expect(lookup).toHaveBeenCalledOnce();
    expect(lookup).toHaveBeenCalledWith('shop.test', { all: true, family: 4 }, expect.any(Function));
  });

  it('says when the target does not exist, and blames no proxy', async () => {
    const lookup: TunnelOptions['lookup'] = (_host, _options, done) =>
      done(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);
    for (const protocol of ['socks4', 'socks5'])
      expect(await failureOf(`${protocol}://127.0.0.1:9`, { host: 'no.test', lookup })).toMatchObject({
        code: 'PW_TARGET_NOT_FOUND',
        phase: 'dns',
        verdict: 'target',
      });
  });
});

describe('the target is checked before anything is written', () => {
  it.each([
    ['a line break', 'example.com\r\nX-Evil: 1', 443],
    ['a blank', 'example.com evil', 443],
    ['NUL', 'example.com\0', 443],
    ['a path', 'example.com/', 443],
    ['user info', 'user@example.com', 443],
    ['nothing', '', 443],
    ['a zone', 'fe80::1%eth0', 443],
    ['port 0', 'example.com', 0],
    ['port 65536', 'example.com', 65_536],
    ['half a port', 'example.com', 80.5],
    ['no port', 'example.com', Number.NaN],
  ])('refuses %s', async (_name, host, port) => {
    const { url } = await start({});
    expect(await failureOf(url, { host, port })).toMatchObject({
      code: 'PW_TARGET_INVALID',
      verdict: 'neutral',
    });
    expect(proxy?.stats.connections).toBe(0);
  });

  it('refuses an IPv6 address for SOCKS4, which has none', async () => {
    expect(await failureOf('socks4://127.0.0.1:9', { host: '::1' })).toMatchObject({
      code: 'PW_TARGET_INVALID',
      verdict: 'neutral',
    });
  });
});

describe('secrets', () => {
  const canary = 'c4n4ry-p4ss';
  const forms = [canary, Buffer.from(`user:${canary}`).toString('base64'), encodeURIComponent(canary)];
  const texts = (value: unknown): string[] => [
    inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
    String(value),
    value instanceof Error ? `${value.stack} ${value.message} ${inspect(value.cause)}` : '',
    value instanceof Error ? JSON.stringify(value) : '',
  ];
  const leaks = (value: unknown): string[] =>
    texts(value).filter((text) => forms.some((form) => text.includes(form)));

  it('are in no error, however it is printed', async () => {
    for (const kind of ['http', 'socks5'] as const) {
      for (const fault of ['auth', 'reset', 'close', 'garbage', 'connect-status', 'hang'] as const) {
        await using faulty = await startFaultProxy({ kind, fault });
        const url = `${kind}://user:${canary}@${faulty.address}:${faulty.port}`;
        const { error } = await failureOf(url, { deadlineMs: fault === 'hang' ? 50 : 5000 });
        expect(leaks(error), `${kind} ${fault}`).toEqual([]);
      }
    }
  });

  it('are not echoed from a hostile answer', async () => {
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, (head) => socket.end(`HTTP/1.1 403 ${head.replaceAll('\r\n', ' ')}\r\n\r\n${head}`)),
    );
    const { error } = await failureOf(`http://user:${canary}@127.0.0.1:${server.port}`);
    expect(error.proxyStatus).toBe(403);
    expect(leaks(error)).toEqual([]);
  });

  it('are not left on the tunnel', async () => {
    for (const kind of ['http', 'socks5'] as const) {
      await using good = await startFaultProxy({
        kind,
        credentials: { username: 'user', password: canary },
      });
      const tunnel = await open(good.url);
      expect(leaks(tunnel)).toEqual([]);
      tunnel.socket.destroy();
    }
  });
});
