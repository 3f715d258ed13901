import { connect } from 'node:net';
import { SocksClient } from 'socks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type FaultProxy,
  type FaultProxyOptions,
  startFaultProxy,
  startTargetSite,
  type TargetSite,
} from '../../src/lab/index.js';
import { exchange, getInside } from './raw-client.js';

let site: TargetSite;
let proxy: FaultProxy;
let port: number;

beforeAll(async () => {
  site = await startTargetSite();
  port = Number(new URL(site.httpsUrl).port);
});
afterAll(() => site.close());
beforeEach(() => start({ kind: 'socks4' }));
afterEach(async () => {
  await proxy.close();
  expect(proxy.stats.openSockets).toBe(0);
});

async function start(options: FaultProxyOptions): Promise<void> {
  await proxy?.close();
  proxy = await startFaultProxy({ address: '127.0.0.12', ...options });
}

const here = (): { host: string; port: number } => ({ host: proxy.address, port: proxy.port });

/** VN 4, CONNECT, port, address, user id; then a name for 4a. */
function request(address: readonly number[], user = '', name?: string): Buffer {
  const head = Buffer.from([4, 1, port >> 8, port & 255, ...address]);
  return Buffer.concat([head, Buffer.from(`${user}\0${name === undefined ? '' : `${name}\0`}`)]);
}
const loopback = (): Buffer => request([127, 0, 0, 1]);

/** What the client library says: the site's answer, or its error message. */
async function outcome(host = '127.0.0.1', userId?: string): Promise<string> {
  try {
    const { socket } = await SocksClient.createConnection({
      command: 'connect',
      proxy: { ...here(), type: 4, ...(userId === undefined ? {} : { userId }) },
      destination: { host, port },
    });
    socket.on('error', () => {});
    return (await getInside(socket, `${site.httpsUrl}/ip`)).body.trim();
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a SOCKS4 proxy', () => {
  it('carries from its own address', async () => {
    expect(proxy.url).toBe(`socks4://127.0.0.12:${proxy.port}`);
    expect(await outcome()).toBe('{"address":"127.0.0.12"}');
    expect([...proxy.stats.requestsByHost.keys()]).toEqual([`127.0.0.1:${port}`]);
  });

  it('takes names only as socks4a', async () => {
    expect(await outcome('shop.test')).toContain('Failed');
    await start({ kind: 'socks4a' });
    expect(proxy.url).toBe(`socks4a://127.0.0.12:${proxy.port}`);
    expect(await outcome('shop.test')).toBe('{"address":"127.0.0.12"}');
    expect(await outcome('127.0.0.1')).toBe('{"address":"127.0.0.12"}');
    expect(proxy.requests.map(({ host }) => host)).toEqual([`shop.test:${port}`, `127.0.0.1:${port}`]);
  });

  it('asks for its user id, and has no password', async () => {
    await start({ kind: 'socks4', credentials: { username: 'a b', password: '' } });
    expect(proxy.url).toBe(`socks4://a%20b@127.0.0.12:${proxy.port}`);
    expect(await outcome('127.0.0.1', 'a b')).toBe('{"address":"127.0.0.12"}');
    expect(await outcome('127.0.0.1', 'other')).toContain('RejectedIdent');
    expect(await outcome()).toContain('Rejected');
    expect(proxy.stats.unauthorized).toBe(2);
    await expect(
      startFaultProxy({ kind: 'socks4', credentials: { username: 'u', password: 'p' } }),
    ).rejects.toMatchObject({ code: 'PW_LAB_UNAVAILABLE' });
  });

  it('never connects to anything but loopback, and says so when the target refuses', async () => {
    await start({ kind: 'socks4a' });
    expect(await outcome('example.com')).toContain('Failed');
    expect(await outcome('192.0.2.1')).toContain('Failed');
    expect(proxy.stats.forbidden).toBe(2);
    const refused = Buffer.from([4, 1, 0, 1, 127, 0, 0, 1, 0]);
    const { received, ended } = await exchange(here(), refused);
    expect([[...received], ended]).toEqual([[0, 0x5b, 0, 0, 0, 0, 0, 0], 'FIN']);
  });

  it('takes a request in pieces, and what follows it in the same one', async () => {
    await start({ kind: 'socks4a' });
    const http = Number(new URL(site.httpUrl).port);
    const bytes = request([0, 0, 0, 9], 'me', 'shop.test');
    bytes.writeUInt16BE(http, 2);
    const socket = connect(here());
    for (const byte of bytes.subarray(0, -1)) {
      await new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve));
      await new Promise(setImmediate);
    }
    const tail = Buffer.from('\0GET /ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    socket.write(tail);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await new Promise((resolve) => socket.once('close', resolve));
    const all = Buffer.concat(chunks);
    expect([...all.subarray(0, 2)]).toEqual([0, 0x5a]);
    expect(all.toString()).toContain('{"address":"127.0.0.12"}');
  });

  it('drops what is no SOCKS4 CONNECT, and endless requests', async () => {
    for (const bytes of [[5, 1, 0], [4, 2, 0, 80], [71]])
      expect((await exchange(here(), Uint8Array.from(bytes))).received.length).toBe(0);
    const endless = request([127, 0, 0, 1], 'x'.repeat(2000)).subarray(0, -1);
    expect((await exchange(here(), endless)).received.length).toBe(0);
    expect(await outcome()).toContain('127.0.0.12');
  });
});

describe('its faults', () => {
  it.each([
    ['reset', 0, 'ECONNRESET'],
    ['close', 0, 'FIN'],
    ['garbage', 512, 'FIN'],
    ['tls-alert', 7, 'FIN'],
  ] as const)('%s', async (fault, length, how) => {
    await proxy.behave({ fault });
    const { received, ended } = await exchange(here(), loopback());
    expect([received.length, ended]).toEqual([length, how]);
    expect(proxy.requests).toEqual([expect.objectContaining({ host: null, fault })]);
  });

  it('dead, auth, connect-status, close-after-connect, reset in the tunnel, truncate, and well again', async () => {
    await proxy.behave({ fault: 'dead' });
    expect(await outcome()).toContain('ECONNREFUSED');
    await proxy.behave({ fault: 'auth' });
    expect(await outcome()).toContain('RejectedIdent');
    await proxy.behave({ fault: 'connect-status' });
    expect(await outcome()).toContain('Failed');
    for (const fault of ['close-after-connect', { kind: 'reset', at: 'tunnel' }] as const) {
      await proxy.behave({ fault });
      expect((await exchange(here(), loopback())).received[1]).toBe(0x5a);
    }
    await proxy.behave({ fault: { kind: 'truncate', afterBytes: 100 } });
    expect(await outcome()).toContain('disconnected before secure TLS connection');
    await proxy.behave({ fault: 'none', latencyMs: 5 });
    expect(await outcome()).toContain('127.0.0.12');
  });

  it('survives clients that break off at any moment', async () => {
    await Promise.all(
      Array.from({ length: loopback().length + 1 }, async (_, i) => {
        const socket = connect(here());
        socket.on('error', () => {});
        await new Promise((resolve) => socket.write(loopback().subarray(0, i), resolve));
        if (i % 2 === 0) socket.destroy();
        else socket.resetAndDestroy();
      }),
    );
    expect(await outcome()).toContain('127.0.0.12');
  });
});
