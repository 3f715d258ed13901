import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import { openProxyConnection, openTunnel } from '../../src/transport/tunnel.js';
import { type Wire, WireMeter } from '../../src/transport/wire-meter.js';

const proxy = parseProxy('http://127.0.0.1:9');
type Told = [up: number, down: number, sessionId: string | undefined];

/** A meter, and what it has told. */
function meterOf(): { meter: WireMeter; told: Told[] } {
  const told: Told[] = [];
  const meter = new WireMeter({
    carried: (_proxy, up, down, sessionId) => told.push([up, down, sessionId]),
  });
  return { meter, told };
}

/** A peer that says back what it hears. */
async function startEcho(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  return socket;
}

async function exchange(socket: Socket, text: string): Promise<void> {
  socket.write(text);
  await once(socket, 'data');
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('WireMeter', () => {
  it('A-06 tells each byte once: when asked, once a second, and at the end', async () => {
    await using echo = await startEcho();
    const { meter, told } = meterOf();
    const socket = await connected(echo.port);
    const wire = meter.follow(proxy, socket, 's');
    await exchange(socket, 'four');
    wire.count();
    wire.count();
    expect(told).toEqual([[4, 4, 's']]);
    await exchange(socket, 'seven77');
    vi.advanceTimersByTime(1_000);
    vi.advanceTimersByTime(5_000);
    expect(told.splice(0)).toEqual([
      [4, 4, 's'],
      [7, 7, 's'],
    ]);
    await exchange(socket, 'a');
    socket.end();
    await once(socket, 'close');
    expect(told).toEqual([[1, 1, 's']]);
    wire.count();
    expect(told).toHaveLength(1);
  });

  it('A-06 tells of a reset, and keeps no timer for connections that are gone', async () => {
    await using echo = await startEcho();
    const { meter, told } = meterOf();
    const sockets = [await connected(echo.port), await connected(echo.port)];
    for (const socket of sockets) meter.follow(proxy, socket, undefined);
    expect(vi.getTimerCount()).toBe(1);
    for (const [i, socket] of sockets.entries()) {
      await exchange(socket, 'x'.repeat(i + 1));
      socket.resetAndDestroy();
      await once(socket, 'close');
      expect(vi.getTimerCount()).toBe(1 - i);
    }
    expect(told).toEqual([
      [1, 1, undefined],
      [2, 2, undefined],
    ]);
    const again = await connected(echo.port);
    meter.follow(proxy, again, undefined);
    expect(vi.getTimerCount()).toBe(1);
    again.destroy();
    await once(again, 'close');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('A-06 counts for whom the connection was opened, then for whom it is used', async () => {
    await using echo = await startEcho();
    const { meter, told } = meterOf();
    const socket = await connected(echo.port);
    const wire: Wire = meter.follow(proxy, socket, 'opener');
    await exchange(socket, '1');
    wire.use('opener');
    await exchange(socket, '22');
    wire.use(undefined);
    await exchange(socket, '4444');
    wire.use('next');
    await exchange(socket, '88888888');
    socket.destroy();
    await once(socket, 'close');
    expect(told).toEqual([
      [3, 3, 'opener'],
      [4, 4, undefined],
      [8, 8, 'next'],
    ]);
  });

  it('A-06 counts a tunnel that never stood, and nothing where nobody listens', async () => {
    await using echo = await startEcho();
    const { meter, told } = meterOf();
    const reached = parseProxy(`http://127.0.0.1:${echo.port}`);
    const target = { host: 'a.test', port: 443 };
    // What the echo says is no answer to CONNECT.
    const refused = openTunnel({ proxy: reached, ...target, meter, sessionId: 's' });
    await expect(refused).rejects.toMatchObject({ code: 'PW_PROXY_BAD_RESPONSE' });
    await expect.poll(() => told.length).toBe(1);
    const [[up, down, sessionId]] = told as [Told];
    expect([up, sessionId]).toEqual([`CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n`.length, 's']);
    expect(down).toBe(up);
    const unmetered = await openProxyConnection({ proxy: reached });
    expect(unmetered.wire).toBeNull();
    unmetered.socket.destroy();
    await expect(openTunnel({ proxy, ...target, meter })).rejects.toMatchObject({ phase: 'connect' });
    expect([told.length, vi.getTimerCount()]).toEqual([1, 0]);
  });
});
