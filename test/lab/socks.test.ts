import { connect } from 'node:net';
import { anonymizeProxy, closeAnonymizedProxy } from 'proxy-chain';
import { SocksClient } from 'socks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy, startTargetSite, type TargetSite } from '../../src/lab/index.js';
import { connectThrough, exchange, getInside, getThrough } from './raw-client.js';

let site: TargetSite;
let proxy: FaultProxy;

beforeEach(async () => {
  site = await startTargetSite();
  proxy = await startFaultProxy({ kind: 'socks5', address: '127.0.0.7' });
});
afterEach(async () => {
  await Promise.all([proxy.close(), site.close()]);
  expect(proxy.stats.openSockets).toBe(0);
});

const greeting = Uint8Array.of(5, 1, 0);
const here = (): { host: string; port: number } => ({ host: proxy.address, port: proxy.port });

/** What the client library says: the site's answer, or its error message. */
async function outcome(
  host = 'localhost',
  pair: { userId?: string; password?: string } = {},
): Promise<string> {
  try {
    const port = Number(new URL(site.httpsUrl).port);
    const { socket } = await SocksClient.createConnection({
      command: 'connect',
      proxy: { ...here(), type: 5, ...pair },
      destination: { host, port },
    });
    socket.on('error', () => {});
    return (await getInside(socket, `${site.httpsUrl}/ip`)).body.trim();
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a SOCKS5 proxy', () => {
  it('carries from its own address, and resolves names itself', async () => {
    expect(await outcome()).toBe('{"address":"127.0.0.7"}');
    expect(await outcome('127.0.0.1')).toBe('{"address":"127.0.0.7"}');
    expect(await outcome('shop.test')).toBe('{"address":"127.0.0.7"}');
    const { port } = new URL(site.httpsUrl);
    expect([...proxy.stats.requestsByHost.keys()]).toEqual([
      `localhost:${port}`,
      `127.0.0.1:${port}`,
      `shop.test:${port}`,
    ]);
  });

  it('asks for credentials', async () => {
    await proxy.close();
    const credentials = { username: 'lab', password: 'p:@ wörd' };
    proxy = await startFaultProxy({ kind: 'socks5', address: '127.0.0.7', credentials });
    expect(new URL(proxy.url).protocol).toBe('socks5:');
    expect(await outcome('localhost', { userId: 'lab', password: credentials.password })).toContain(
      '127.0.0.7',
    );
    expect(await outcome('localhost', { userId: 'lab', password: 'wrong' })).toContain(
      'Authentication failed',
    );
    expect(await outcome()).toContain('no accepted authentication');
    expect(proxy.stats.unauthorized).toBe(1);
  });

  it('cannot ask for an empty password', async () => {
    const credentials = { username: 'lab', password: '' };
    await expect(startFaultProxy({ kind: 'socks5', credentials })).rejects.toMatchObject({
      code: 'PW_LAB_UNAVAILABLE',
    });
  });

  it('serves proxy-chain as its upstream, which reports a dead one as 59x', async () => {
    await proxy.close();
    // Without credentials it would hand the URL back and relay nothing.
    const credentials = { username: 'lab', password: 'p:@ss' };
    proxy = await startFaultProxy({ kind: 'socks5', address: '127.0.0.7', credentials });
    const relay = await anonymizeProxy(proxy.url);
    try {
      expect((await getThrough(relay, `${site.httpUrl}/ip`)).body).toContain('127.0.0.7');
      const { socket } = await connectThrough(relay, new URL(site.httpsUrl).host);
      expect((await getInside(socket, `${site.httpsUrl}/ip`)).body).toContain('127.0.0.7');
      await proxy.behave({ fault: 'dead' });
      expect((await connectThrough(relay, new URL(site.httpsUrl).host)).status).toBeGreaterThanOrEqual(590);
    } finally {
      await closeAnonymizedProxy(relay, true);
    }
  });

  it('never connects to anything but loopback', async () => {
    expect(await outcome('example.com')).toContain('NotAllowed');
    expect(await outcome('192.0.2.1')).toContain('NotAllowed');
    expect(await outcome('2001:db8::1')).toContain('NotAllowed');
    expect(proxy.stats.forbidden).toBe(3);
  });

  it('says so when the target refuses', async () => {
    const { port } = new URL(site.httpsUrl);
    await site.close();
    const attempt = SocksClient.createConnection({
      command: 'connect',
      proxy: { ...here(), type: 5 },
      destination: { host: 'localhost', port: Number(port) },
    });
    await expect(attempt).rejects.toThrow('ConnectionRefused');
  });
});

describe('its faults', () => {
  it.each([
    ['reset', 0, 'ECONNRESET'],
    ['close', 0, 'FIN'],
    ['garbage', 512, 'FIN'],
  ] as const)('%s', async (fault, length, how) => {
    await proxy.behave({ fault });
    const { received, ended } = await exchange(here(), greeting);
    expect([received.length, ended]).toEqual([length, how]);
    expect(proxy.requests).toEqual([expect.objectContaining({ host: null, fault })]);
  });

  it('hang: takes the greeting and says nothing', async () => {
    await proxy.behave({ fault: 'hang' });
    const next = proxy.nextRequest();
    const socket = connect(here());
    socket.write(greeting);
    await next;
    const gone = new Promise((resolve) => socket.once('close', resolve));
    socket.end();
    await gone;
    expect(socket.bytesRead).toBe(0);
  });

  it('dead, auth, connect-status, close-after-connect, truncate, and well again', async () => {
    await proxy.behave({ fault: 'dead' });
    expect(await outcome()).toContain('ECONNREFUSED');
    await proxy.behave({ fault: 'auth' });
    expect(await outcome('localhost', { userId: 'lab', password: 'x' })).toContain('Authentication failed');
    await proxy.behave({ fault: 'connect-status' });
    expect(await outcome()).toContain('Failure');
    await proxy.behave({ fault: 'close-after-connect' });
    expect(await outcome()).toContain('disconnected before secure TLS connection');
    await proxy.behave({ fault: { kind: 'truncate', afterBytes: 100 } });
    expect(await outcome()).toContain('disconnected before secure TLS connection');
    await proxy.behave({ fault: 'none', latencyMs: 5 });
    expect(await outcome()).toContain('127.0.0.7');
  });

  it('survives clients that break off at any moment', async () => {
    const openings = [[5], [5, 1, 0], [5, 1, 0, 5, 1, 0, 3, 9], [4, 1], [22, 3, 1]].map((b) =>
      Uint8Array.from(b),
    );
    await Promise.all(
      openings.map(async (bytes, i) => {
        const socket = connect(here());
        socket.on('error', () => {});
        await new Promise((resolve) => socket.write(bytes, resolve));
        if (i % 2 === 0) socket.destroy();
        else socket.resetAndDestroy();
      }),
    );
    expect(await outcome()).toContain('127.0.0.7');
  });
});
