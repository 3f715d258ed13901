import { once } from 'node:events';
import { connect } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type FaultProxy,
  type FaultProxyOptions,
  interceptCaPem,
  labCaPem,
  startFaultProxy,
  startTargetSite,
  type TargetSite,
} from '../../src/lab/index.js';
import { connectThrough, exchange } from './raw-client.js';

let site: TargetSite;
let proxy: FaultProxy;

beforeAll(async () => {
  site = await startTargetSite();
});
afterAll(() => site.close());
afterEach(async () => {
  await proxy.close();
  expect(proxy.stats.openSockets).toBe(0);
});

async function start(options: FaultProxyOptions): Promise<void> {
  proxy = await startFaultProxy({ kind: 'https', address: '127.0.0.11', ...options });
}

/** A TLS client of the proxy: its socket, and how the handshake went. */
async function shake(options: ConnectionOptions = {}): Promise<{ socket: TLSSocket; error: string | null }> {
  const socket = tlsConnect({ host: proxy.address, port: proxy.port, ca: labCaPem, ...options });
  const error = await new Promise<string | null>((resolve) => {
    socket.once('secureConnect', () => resolve(null));
    socket.on('error', (reason: NodeJS.ErrnoException) => resolve(reason.code ?? reason.message));
    socket.once('close', () => resolve('closed'));
  });
  return { socket, error };
}

describe('an https proxy', () => {
  it('is trusted on its own address', async () => {
    await start({});
    const { socket, error } = await shake();
    expect([error, socket.authorized]).toEqual([null, true]);
  });

  it.each([
    ['cert-expired', 'CERT_HAS_EXPIRED'],
    ['cert-self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['cert-wrong-name', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['tls-1.0', 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'],
  ] as const)('%s: refused for that one reason, ten times, and no socket is left', async (fault, code) => {
    await start({ fault });
    for (let i = 0; i < 10; i += 1) expect((await shake()).error).toBe(code);
    expect(proxy.stats).toMatchObject({ connections: 10, requests: 0 });
    await proxy.behave({ fault: 'none' });
    expect((await shake()).error).toBe(null);
  });

  it.each(['cert-expired', 'cert-self-signed', 'cert-wrong-name'] as const)(
    '%s: serves a client that looks away',
    async (fault) => {
      await start({ fault });
      const { socket } = await shake({ rejectUnauthorized: false });
      socket.write(`CONNECT ${new URL(site.httpUrl).host} HTTP/1.1\r\n\r\n`);
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
      expect(proxy.requests.map(({ fault: met }) => met)).toEqual(['none']);
    },
  );

  it('tls-1.0: serves a client as old as itself', async () => {
    await start({ fault: 'tls-1.0' });
    const { socket, error } = await shake({ minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' });
    expect([error, socket.getProtocol()]).toEqual([null, 'TLSv1']);
  });

  it('tls-alert: breaks the handshake', async () => {
    await start({ fault: 'tls-alert' });
    expect((await shake()).error).toMatch(/ALERT_HANDSHAKE_FAILURE$/);
    expect((await exchange({ host: proxy.address, port: proxy.port }, 'x')).received.length).toBe(7);
  });

  it.each([
    [{ kind: 'reset', at: 'accept' }, 'ECONNRESET'],
    [{ kind: 'close', at: 'accept' }, 'ECONNRESET'],
  ] as const)('%o: before the handshake', async (fault, code) => {
    await start({ fault });
    expect((await shake()).error).toBe(code);
    expect(proxy.stats.bytesDown).toBe(0);
  });

  it('hang at accept: never answers the handshake', async () => {
    await start({ fault: { kind: 'hang', at: 'accept' } });
    const socket = connect({ host: proxy.address, port: proxy.port });
    socket.end('\x16\x03\x01');
    await new Promise((resolve) => socket.resume().once('close', resolve));
    expect(socket.bytesRead).toBe(0);
  });

  it('draws for each connection', async () => {
    await start({ fault: { kind: 'cert-expired', probability: 0.5 } });
    const seen: (string | null)[] = [];
    for (let i = 0; i < 20; i += 1) seen.push((await shake()).error);
    expect(new Set(seen)).toEqual(new Set([null, 'CERT_HAS_EXPIRED']));
  });

  it.each(['http', 'socks5'] as const)('has faults that %s cannot have', async (kind) => {
    await start({});
    await expect(startFaultProxy({ kind, fault: 'cert-expired' })).rejects.toMatchObject({
      code: 'PW_LAB_UNAVAILABLE',
      message: expect.stringContaining('"cert-expired"'),
    });
  });

  // Node 20 loses the handle of a socket that is reset while TLS is sending its FIN: close() then never resolved.
  it.each(['end', 'destroy', 'half a request'])(
    'closes at any moment after a client has left (%s)',
    async (how) => {
      for (let turns = 0; turns < 12; turns += 1) {
        await start({});
        const { socket } = await shake();
        if (how === 'destroy') socket.destroy();
        else socket.end(how === 'end' ? '' : 'GET / HTTP/1.1\r\n\r\n');
        for (let i = 0; i < turns; i += 1) await new Promise(setImmediate);
        await proxy.close();
        expect(proxy.stats.openSockets).toBe(0);
      }
    },
  );
});

describe('a site', () => {
  it.each([
    ['lab', null],
    ['expired', 'CERT_HAS_EXPIRED'],
    ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['wrong-name', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['intercept', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ] as const)('can present the certificate %s', async (certificate, code) => {
    await start({ kind: 'http' });
    await using bad = await startTargetSite({ certificate });
    const { hostname: host, port } = new URL(bad.httpsUrl);
    expect((await shake({ host, port: Number(port) })).error).toBe(code);
  });
});

describe('intercept', () => {
  /** TLS to the target through the proxy: what the certificate check says, and what is read if it is ignored. */
  async function through(name: string, options: ConnectionOptions): Promise<string> {
    const authority = `${name}:${new URL(site.httpsUrl).port}`;
    const tunnel =
      proxy.kind === 'https'
        ? await connectOverTls(authority)
        : (await connectThrough(proxy.url, authority)).socket;
    const socket = tlsConnect({ socket: tunnel, servername: name, ...options });
    const answer = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.once('close', () => resolve(text));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    });
    socket.write(`GET /ip HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
    return answer;
  }

  async function connectOverTls(authority: string): Promise<TLSSocket> {
    const { socket } = await shake();
    socket.write(`CONNECT ${authority} HTTP/1.1\r\n\r\n`);
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
    return socket;
  }

  it.each(['http', 'https'] as const)(
    'is refused by who trusts only the lab, and read by who trusts it: %s',
    async (kind) => {
      await start({ kind, fault: 'intercept' });
      for (const name of ['localhost', 'a.lab.test', 'b.lab.test']) {
        expect(await through(name, { ca: labCaPem })).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
        site.forget();
        expect(await through(name, { ca: interceptCaPem })).toContain('{"address":"127.0.0.11"}');
        expect(site.requests.map(({ host, secure }) => ({ host, secure }))).toEqual([
          { host: name, secure: true },
        ]);
      }
    },
  );

  it('leaves plain http alone, and ends when the target is not there', async () => {
    await start({ kind: 'http', fault: 'intercept' });
    const { port } = new URL(site.httpUrl);
    const { received } = await exchange(
      { host: proxy.address, port: proxy.port },
      `GET http://127.0.0.1:${port}/ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(String(received)).toContain('127.0.0.11');
    expect((await connectThrough(proxy.url, '127.0.0.1:1')).status).toBe(502);
  });

  it('breaks a tunnel in which nobody speaks TLS', async () => {
    site.forget();
    await start({ kind: 'http', fault: 'intercept' });
    const { socket } = await connectThrough(proxy.url, new URL(site.httpUrl).host);
    const closed = once(socket.resume(), 'close');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await closed;
    expect(site.counts.requests).toBe(0);
  });
});
