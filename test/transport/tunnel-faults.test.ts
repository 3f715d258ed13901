import type { LookupFunction, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import {
  type FaultProxy,
  type FaultProxyOptions,
  labCaPem,
  labCertificatePem,
  labKeyPem,
  seededRandom,
  startFaultProxy,
  startTargetSite,
  type TargetSite,
} from '../../src/lab/index.js';
import { openTunnel, type TunnelOptions } from '../../src/transport/tunnel.js';
import { loopTime } from '../support/loop-time.js';
import { badKeyPem, expiredPem, selfSignedPem } from './bad-certificates.js';
import {
  onRequest,
  onSocks4,
  type ScriptedProxy,
  socks4Reply,
  startScriptedProxy,
} from './scripted-proxy.js';
import { type Failure, failureOf } from './tunnel-outcome.js';

let site: TargetSite;

beforeEach(async () => {
  site = await startTargetSite();
});
afterEach(async () => {
  await site.close();
  // Both sides live in this process: neither may have lost a socket.
  await vi.waitFor(() =>
    expect(process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket'))).toEqual([]),
  );
});

type Options = Partial<Omit<TunnelOptions, 'proxy'>>;
const proxyTls = { ca: labCaPem, servername: 'localhost' };
/** The promise is "settled by the deadline + 100 ms"; these are the deadline and the bar. */
const deadlineMs = 300;
const barMs = deadlineMs + 100;

function inside(): Options {
  const { hostname, port } = new URL(site.httpsUrl);
  return { host: hostname, port: Number(port), tls: { ca: labCaPem }, proxyTls };
}

/** One attempt through a proxy of the lab, which must be the only connection and leave nothing behind. */
async function withLab(options: FaultProxyOptions, attempt: Options = {}, connections = 1): Promise<Failure> {
  await using proxy: FaultProxy = await startFaultProxy({ address: '127.0.0.9', ...options });
  const failure = await failureOf(proxy.url, { ...inside(), ...attempt });
  await vi.waitFor(() => expect(proxy.stats.openSockets).toBe(0));
  expect(proxy.stats.connections).toBe(connections);
  expect(failure.error.data).toMatchObject({ written: false, proxyId: parseProxy(proxy.url).id });
  return failure;
}

/** The same through a script. */
async function withScript(
  script: (socket: Socket) => void,
  attempt: Options = {},
  { protocol = 'http', tls }: { protocol?: string; tls?: TlsOptions } = {},
): Promise<Failure> {
  await using proxy: ScriptedProxy = await startScriptedProxy(script, tls);
  const failure = await failureOf(`${protocol}://127.0.0.1:${proxy.port}`, { ...inside(), ...attempt });
  await proxy.drained();
  expect(proxy.connections).toBe(1);
  return failure;
}

const kinds = ['http', 'https', 'socks5'] as const;

describe('row 1: refused', () => {
  it.each(kinds)('at once, %s', async (kind) => {
    const failure = await withLab({ kind, fault: 'dead' }, {}, 0);
    expect(failure).toMatchObject({ code: 'PW_PROXY_REFUSED', phase: 'connect', verdict: 'proxy' });
  });
});

describe('row 2 and 3: silence', () => {
  it.each([
    ['http', 'handshake', 'ambiguous'],
    ['https', 'handshake', 'ambiguous'],
    // SOCKS greets before it hears of a target: whoever is silent then is so by itself.
    ['socks5', 'handshake', 'proxy'],
  ] as const)('ends with the limit of the phase, %s', async (kind, phase, verdict) => {
    const failure = await withLab({ kind, fault: 'hang' }, { limits: { handshakeMs: deadlineMs } });
    expect(failure).toMatchObject({ code: 'PW_PROXY_CONNECT_TIMEOUT', phase, verdict });
    expect(failure.tookMs).toBeLessThan(barMs);
  });

  it.each(kinds)('ends with the deadline, %s', async (kind) => {
    const failure = await withLab({ kind, fault: 'hang' }, { deadlineMs });
    expect(failure).toMatchObject({ code: 'PW_TUNNEL_DEADLINE', phase: 'handshake', verdict: 'ambiguous' });
    expect(failure.tookMs).toBeLessThan(barMs);
  });

  it('of a proxy that was asked for a target is nobody’s for certain', async () => {
    const failure = await withLab(
      { kind: 'socks5', latencyMs: 60_000 },
      { limits: { handshakeMs: deadlineMs } },
    );
    expect(failure).toMatchObject({ code: 'PW_PROXY_CONNECT_TIMEOUT', verdict: 'ambiguous' });
  });

  it('of an https proxy that never speaks TLS is the proxy’s', async () => {
    const failure = await withScript(() => {}, { limits: { tlsMs: deadlineMs } }, { protocol: 'https' });
    expect(failure).toMatchObject({
      code: 'PW_PROXY_CONNECT_TIMEOUT',
      phase: 'proxy-tls',
      verdict: 'proxy',
    });
    expect(failure.tookMs).toBeLessThan(barMs);
  });

  it('after a 200 may be the target’s as well', async () => {
    const answer = (socket: Socket): void => onRequest(socket, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    expect(await withScript(answer, { limits: { tlsMs: deadlineMs } })).toMatchObject({
      code: 'PW_PROXY_CONNECT_TIMEOUT',
      phase: 'tls',
      verdict: 'ambiguous',
    });
  });

  it('is bounded by one deadline over all phases, not by the sum of their limits', async () => {
    const limits = { connectMs: 250, handshakeMs: 250, tlsMs: 250 };
    const answer = (socket: Socket): void =>
      onRequest(socket, () => setTimeout(() => socket.write('HTTP/1.1 200 OK\r\n\r\n'), 200));
    const failure = await withScript(answer, { deadlineMs, limits });
    expect(failure).toMatchObject({ code: 'PW_TUNNEL_DEADLINE', phase: 'tls' });
    expect(failure.tookMs).toBeLessThan(barMs);
  });

  it('does not begin when no time is left', async () => {
    const failure = await withLab({}, { deadlineMs: 0 }, 0);
    expect(failure).toMatchObject({ code: 'PW_TUNNEL_DEADLINE' });
  });
});

describe('rows 4 and 5: closed or reset', () => {
  it.each([
    // It may have found the target dead: proxies exist that hang up then. A greeting needs no target.
    ['http', 'close', 'PW_PROXY_CLOSED', 'ambiguous'],
    ['https', 'close', 'PW_PROXY_CLOSED', 'ambiguous'],
    ['socks5', 'close', 'PW_PROXY_CLOSED', 'proxy'],
    ['http', 'reset', 'PW_PROXY_RESET', 'proxy'],
    ['https', 'reset', 'PW_PROXY_RESET', 'proxy'],
    ['socks5', 'reset', 'PW_PROXY_RESET', 'proxy'],
  ] as const)('before the tunnel stands: %s, %s', async (kind, fault, code, verdict) => {
    expect(await withLab({ kind, fault })).toMatchObject({ code, phase: 'handshake', verdict });
  });

  it.each(kinds)('closed after CONNECT: one connection, and nobody’s for certain (%s)', async (kind) => {
    const failure = await withLab({ kind, fault: 'close-after-connect' });
    expect(failure).toMatchObject({ code: 'PW_PROXY_CLOSED', phase: 'tls', verdict: 'ambiguous' });
  });

  it('closed at accept', async () => {
    // By the time that it is noticed, CONNECT is on its way.
    expect(await withScript((socket) => socket.end())).toMatchObject({
      code: 'PW_PROXY_CLOSED',
      verdict: 'ambiguous',
    });
  });

  it('closed in the middle of a TLS handshake with the proxy', async () => {
    const script = (socket: Socket): unknown => socket.once('data', () => socket.end());
    expect(await withScript(script, {}, { protocol: 'https' })).toMatchObject({
      code: 'PW_PROXY_CLOSED',
      phase: 'proxy-tls',
      verdict: 'proxy',
    });
  });

  it('reset inside the tunnel', async () => {
    const script = (socket: Socket): void =>
      onRequest(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.once('data', () => socket.resetAndDestroy());
      });
    expect(await withScript(script)).toMatchObject({
      code: 'PW_PROXY_RESET',
      phase: 'tls',
      verdict: 'ambiguous',
    });
  });
});

describe('row 7: drip', () => {
  it('of a head ends with the deadline, a byte every 20 ms or not', async () => {
    const failure = await withLab({ fault: { kind: 'drip', everyMs: 20 } }, { deadlineMs });
    expect(failure).toMatchObject({ code: 'PW_TUNNEL_DEADLINE', phase: 'handshake' });
    expect(failure.tookMs).toBeLessThan(barMs);
  });

  it('is the proxy’s own, unlike silence', async () => {
    const failure = await withLab(
      { fault: { kind: 'drip', everyMs: 20 } },
      { limits: { handshakeMs: deadlineMs } },
    );
    expect(failure).toMatchObject({ code: 'PW_PROXY_CONNECT_TIMEOUT', verdict: 'proxy' });
    expect(failure.tookMs).toBeLessThan(barMs);
  });

  it('that is in time is no fault', async () => {
    await using proxy = await startFaultProxy({ fault: { kind: 'drip', everyMs: 1 } });
    const { host = '', port = 0, tls } = inside();
    const { socket } = await openTunnel({ proxy: parseProxy(proxy.url), host, port, tls });
    socket.destroy();
  });
});

describe('row 8: statuses that open nothing', () => {
  it.each([
    [101, 'proxy'],
    [301, 'proxy'],
    [302, 'proxy'],
    [403, 'proxy'],
    [404, 'proxy'],
    [429, 'proxy'],
    [500, 'proxy'],
    [502, 'ambiguous'],
    [503, 'ambiguous'],
    [504, 'ambiguous'],
    [511, 'proxy'],
    [999, 'proxy'],
  ])('%i', async (status, verdict) => {
    for (const body of [undefined, '<h1>Please log in</h1>']) {
      const failure = await withLab({
        fault: { kind: 'connect-status', status, ...(body === undefined ? {} : { body }) },
      });
      expect(failure).toMatchObject({ code: 'PW_PROXY_CONNECT_STATUS', phase: 'handshake', verdict });
      expect(failure.error.data.status).toBe(status);
      expect(failure.error.message).not.toContain('log in');
    }
  });

  it.each([
    ['7', 7000],
    ['Fri, 20 Nov 2026 10:00:30 GMT', 30_000],
    ['Fri, 20 Nov 2026 09:00:00 GMT', undefined],
    ['-5', undefined],
    ['soon', undefined],
  ])('with Retry-After: %s', async (wish, ms) => {
    const headers = { 'Retry-After': wish, Date: 'Fri, 20 Nov 2026 10:00:00 GMT' };
    const failure = await withLab({ fault: { kind: 'connect-status', status: 503, headers } });
    expect(failure.error.retryAfterMs).toBe(ms);
  });

  it.each([
    [1, 'PW_PROXY_CONNECT_STATUS', 'ambiguous'],
    [2, 'PW_PROXY_CONNECT_STATUS', 'proxy'],
    [4, 'PW_PROXY_CONNECT_STATUS', 'ambiguous'],
    [5, 'PW_PROXY_CONNECT_STATUS', 'ambiguous'],
    [7, 'PW_PROXY_CONNECT_STATUS', 'proxy'],
    [77, 'PW_PROXY_BAD_RESPONSE', 'proxy'],
  ])('SOCKS5 reply %i', async (reply, code, verdict) => {
    const script = (socket: Socket): void => {
      socket.once('data', () => {
        socket.write(Uint8Array.of(5, 0));
        socket.once('data', () => socket.end(Uint8Array.of(5, reply, 0, 1, 0, 0, 0, 0, 0, 0)));
      });
    };
    expect(await withScript(script, {}, { protocol: 'socks5h' })).toMatchObject({ code, verdict });
  });

  it.each([
    [91, 'PW_PROXY_CONNECT_STATUS', 'ambiguous'],
    [93, 'PW_PROXY_AUTH', 'auth'],
  ])('SOCKS4 reply %i', async (reply, code, verdict) => {
    const script = (socket: Socket): void => onSocks4(socket, () => socket.end(socks4Reply(reply)));
    const failure = await withScript(script, {}, { protocol: 'socks4a' });
    expect(failure).toMatchObject({ code, verdict });
    expect(failure.error.data.socksReply).toBe(reply);
  });
});

describe('row 9: credentials refused', () => {
  it.each(kinds)('%s', async (kind) => {
    const credentials = { username: 'user', password: 'right' };
    const urlCredentials = { username: 'user', password: 'wr0ng-secret' };
    const failure = await withLab({ kind, credentials, urlCredentials });
    expect(failure).toMatchObject({ code: 'PW_PROXY_AUTH', phase: 'handshake', verdict: 'auth' });
    expect(failure.error.message).not.toMatch(/wr0ng|user/);
  });

  it('401 to a CONNECT is the proxy’s as well', async () => {
    expect(await withLab({ fault: { kind: 'connect-status', status: 401 } })).toMatchObject({
      code: 'PW_PROXY_AUTH',
      verdict: 'auth',
    });
  });
});

describe('row 10: TLS with the proxy', () => {
  const bad: [string, TlsOptions, Options['proxyTls']][] = [
    ['unknown CA', { cert: labCertificatePem, key: labKeyPem }, {}],
    ['self-signed', { cert: selfSignedPem, key: badKeyPem }, {}],
    ['expired', { cert: expiredPem, key: badKeyPem }, { ca: expiredPem }],
    [
      'wrong name',
      { cert: labCertificatePem, key: labKeyPem },
      { ca: labCaPem, servername: 'proxy.example' },
    ],
    [
      'TLS 1.1',
      {
        cert: labCertificatePem,
        key: labKeyPem,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      },
      proxyTls,
    ],
  ];
  it.each(bad)('is refused by default: %s', async (_name, tls, settings) => {
    const failure = await withScript(() => {}, { proxyTls: settings }, { protocol: 'https', tls });
    expect(failure).toMatchObject({ code: 'PW_PROXY_TLS', phase: 'proxy-tls', verdict: 'proxy' });
  });

  it('is refused although NODE_TLS_REJECT_UNAUTHORIZED says otherwise', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    expect(await withLab({ kind: 'https' }, { proxyTls: {} })).toMatchObject({ code: 'PW_PROXY_TLS' });
    expect(await withLab({}, { tls: {} })).toMatchObject({ code: 'PW_TARGET_TLS' });
  });

  it('leaves no socket after 10 failures', async () => {
    await using proxy = await startFaultProxy({ kind: 'https' });
    await Promise.all(Array.from({ length: 10 }, () => failureOf(proxy.url, { proxyTls: {} })));
    await vi.waitFor(() => expect(proxy.stats.openSockets).toBe(0));
    expect(proxy.stats.connections).toBe(10);
  });

  it('with something that is no TLS', async () => {
    const script = (socket: Socket): unknown =>
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await withScript(script, {}, { protocol: 'https' })).toMatchObject({
      code: 'PW_PROXY_TLS',
      verdict: 'proxy',
    });
  });
});

describe('row 11: TLS with the target', () => {
  it.each(kinds)('a certificate that nobody vouches for is the target’s (%s)', async (kind) => {
    expect(await withLab({ kind }, { tls: {} })).toMatchObject({
      code: 'PW_TARGET_TLS',
      phase: 'tls',
      verdict: 'target',
    });
  });

  it('a page instead of TLS may be the proxy’s', async () => {
    const { hostname, port } = new URL(site.httpUrl);
    const failure = await withLab({}, { host: hostname, port: Number(port) });
    expect(failure).toMatchObject({ code: 'PW_TARGET_TLS', verdict: 'ambiguous' });
  });
});

describe('row 12: names', () => {
  const failing = (code: string): LookupFunction =>
    vi.fn((_host, _options, done) => done(Object.assign(new Error(code), { code }), []));

  it.each([
    ['ENOTFOUND', 'PW_PROXY_NOT_FOUND', 'proxy'],
    ['ENODATA', 'PW_PROXY_NOT_FOUND', 'proxy'],
    ['EAI_AGAIN', 'PW_LOCAL_NETWORK', 'local'],
    ['ESERVFAIL', 'PW_LOCAL_NETWORK', 'local'],
    ['EMFILE', 'PW_LOCAL_NETWORK', 'local'],
  ])('%s', async (code, expected, verdict) => {
    const failure = await failureOf('http://proxy.test:8000', { lookup: failing(code) });
    expect(failure).toMatchObject({ code: expected, phase: 'dns', verdict });
  });

  it('without an address does not exist', async () => {
    const lookup: LookupFunction = (_host, _options, done) => done(null, []);
    expect(await failureOf('http://proxy.test:8000', { lookup })).toMatchObject({
      code: 'PW_PROXY_NOT_FOUND',
    });
  });

  it('that nobody answers for are our own trouble', async () => {
    const failure = await failureOf('http://proxy.test:8000', {
      lookup: () => {},
      limits: { connectMs: 50 },
    });
    expect(failure).toMatchObject({ code: 'PW_LOCAL_NETWORK', phase: 'dns', verdict: 'local' });
  });

  it('with several addresses cost one connection, to the first that has a route', async () => {
    await using proxy = await startFaultProxy({});
    const lookup: LookupFunction = (_host, _options, done) =>
      done(null, [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.2', family: 4 },
      ]);
    const { host = '', port = 0 } = inside();
    const { socket, timings } = await openTunnel({
      proxy: parseProxy(`http://proxy.test:${proxy.port}`),
      host,
      port,
      lookup,
    });
    socket.destroy();
    expect(proxy.stats.connections).toBe(1);
    expect(timings.dnsMs).toBeDefined();
  });

  it('may come from a resolver that answers with a text', async () => {
    await using proxy = await startFaultProxy({});
    const { host = '', port = 0 } = inside();
    const lookup: LookupFunction = (_host, _options, done) => done(null, '127.0.0.1', 4);
    const { socket } = await openTunnel({
      proxy: parseProxy(`http://proxy.test:${proxy.port}`),
      host,
      port,
      lookup,
    });
    socket.destroy();
  });

  it('are not looked up when they are addresses', async () => {
    const lookup = failing('ENOTFOUND');
    await withLab({ fault: 'close' }, { lookup });
    expect(lookup).not.toHaveBeenCalled();
  });
});

describe('row 13: nonsense', () => {
  const random = seededRandom(13);
  const noise = Uint8Array.from({ length: 512 }, () => Math.floor(random() * 256));
  const field = 'X-Filler: 0123456789\r\n';

  it.each<[string, string | Uint8Array]>([
    ['HTTP/0.9', '<html>hello</html>'],
    ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
    ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['noise', noise],
    ['a TLS alert', Uint8Array.of(21, 3, 1, 0, 2, 2, 40)],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status 0xx', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['a blank line first', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['noise after the status', Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n'), noise, Buffer.from('\n')])],
    ['NUL in a header', 'HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: b\r\n\r\n'],
    ['10,000 headers', `HTTP/1.1 200 OK\r\n${field.repeat(10_000)}\r\n`],
    ['a header of 17 kB', `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(17_000)}`],
    ['endless interim answers', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)],
  ])('%s is refused at once', async (_name, bytes) => {
    // It neither ends nor closes: only the bytes tell.
    const failure = await withScript((socket) => onRequest(socket, () => socket.write(bytes)));
    expect(failure).toMatchObject({ code: 'PW_PROXY_BAD_RESPONSE', phase: 'handshake', verdict: 'proxy' });
  });

  it('instead of SOCKS is refused at once', async () => {
    for (const protocol of ['socks5', 'socks4a']) {
      const script = (socket: Socket): unknown =>
        socket.once('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
      expect(await withScript(script, {}, { protocol })).toMatchObject({
        code: 'PW_PROXY_BAD_RESPONSE',
        verdict: 'proxy',
      });
    }
  });

  it.each(kinds)('of the lab: %s', async (kind) => {
    expect(await withLab({ kind, fault: 'garbage' })).toMatchObject({ code: 'PW_PROXY_BAD_RESPONSE' });
  });

  it('in flood takes no memory to speak of', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const flood = (socket: Socket): void =>
      onRequest(socket, () => {
        const pour = (): void => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on('drain', pour);
        socket.write('HTTP/1.1 200 OK\r\n');
        pour();
      });
    expect(await withScript(flood)).toMatchObject({ code: 'PW_PROXY_BAD_RESPONSE' });
  });
});

describe('abort', () => {
  const reason = new Error('enough');

  /** Aborts as soon as `until` resolves; how long the attempt took to notice. */
  async function abortedAfter(
    url: string,
    until: Promise<unknown>,
    options: Options = {},
  ): Promise<{ failure: Failure; noticedMs: number }> {
    const controller = new AbortController();
    const attempt = failureOf(url, { ...inside(), ...options, signal: controller.signal });
    await until;
    const passed = loopTime();
    controller.abort(reason);
    const failure = await attempt;
    return { failure, noticedMs: passed() };
  }

  it('before the start makes no connection', async () => {
    const failure = await withLab({}, { signal: AbortSignal.abort(reason) }, 0);
    expect(failure).toMatchObject({ code: 'PW_TUNNEL_ABORTED', verdict: 'neutral' });
    expect(failure.error.cause).toBe(reason);
  });

  it('during a look-up', async () => {
    let asked = (): void => {};
    const until = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const { failure } = await abortedAfter('http://proxy.test:1', until, { lookup: () => asked() });
    expect(failure).toMatchObject({ code: 'PW_TUNNEL_ABORTED', phase: 'dns', verdict: 'neutral' });
  });

  it('during TCP', async () => {
    await using server = await startScriptedProxy(() => {});
    // The connection begins in the first tick, and needs the event loop to end.
    const { failure } = await abortedAfter(`http://127.0.0.1:${server.port}`, Promise.resolve());
    expect(failure).toMatchObject({ code: 'PW_TUNNEL_ABORTED', phase: 'connect', verdict: 'neutral' });
    await server.drained();
  });

  it.each([
    ['http', 'handshake', (socket: Socket) => socket.once('data', () => socket.emit('heard'))],
    ['socks5h', 'handshake', (socket: Socket) => socket.once('data', () => socket.emit('heard'))],
    ['https', 'proxy-tls', (socket: Socket) => socket.once('data', () => socket.emit('heard'))],
    [
      'http',
      'tls',
      (socket: Socket) =>
        onRequest(socket, () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          socket.once('data', () => socket.emit('heard'));
        }),
    ],
  ] as const)('of %s in phase %s, within 20 ms, with nothing left open', async (protocol, phase, script) => {
    let heard = (): void => {};
    const until = new Promise<void>((resolve) => {
      heard = resolve;
    });
    await using server = await startScriptedProxy((socket) => {
      socket.once('heard', () => heard());
      script(socket);
    });
    const { failure, noticedMs } = await abortedAfter(`${protocol}://127.0.0.1:${server.port}`, until);
    expect(failure).toMatchObject({ code: 'PW_TUNNEL_ABORTED', phase, verdict: 'neutral' });
    expect(noticedMs).toBeLessThan(20);
    await server.drained();
    expect(server.connections).toBe(1);
  });

  it('after the tunnel stands is none of its business any more', async () => {
    await using proxy = await startFaultProxy({});
    const controller = new AbortController();
    const { host = '', port = 0, tls } = inside();
    const { socket } = await openTunnel({
      proxy: parseProxy(proxy.url),
      host,
      port,
      tls,
      signal: controller.signal,
    });
    controller.abort();
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });

  it('leaves no listener on a signal that many attempts share', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await withLab({ fault: 'close' }, { signal });
    expect(added.mock.calls.length).toBeGreaterThan(0);
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
  });
});
