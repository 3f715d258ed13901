import { connect } from 'node:net';
import { gotScraping } from 'got-scraping';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type FaultProxy,
  labCaPem,
  startFaultProxy,
  startTargetSite,
  type TargetSite,
} from '../../src/lab/index.js';
import { connectThrough, exchange, getInside, getThrough } from './raw-client.js';

let site: TargetSite;
let proxy: FaultProxy;
let authority: string;

beforeAll(async () => {
  site = await startTargetSite({ pageBytes: 20_000 });
  authority = new URL(site.httpsUrl).host;
});
afterAll(() => site.close());
beforeEach(async () => {
  site.forget();
  proxy = await startFaultProxy({ address: '127.0.0.8' });
});
afterEach(async () => {
  await proxy.close();
  expect(proxy.stats.openSockets).toBe(0);
});

const page = (): string => `${site.httpUrl}/page/1`;
const rawGet = (): string => `GET ${page()} HTTP/1.1\r\nHost: x\r\n\r\n`;
const rawConnect = (): string => `CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`;
const here = (): { host: string; port: number } => ({ host: proxy.address, port: proxy.port });

describe('dead', () => {
  it('refuses connections, breaks open ones, and comes back on the same port', async () => {
    const { port, url } = proxy;
    const { socket } = await connectThrough(url, authority);
    const broken = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
    await proxy.behave({ fault: 'dead' });
    expect((await broken).code).toBe('ECONNRESET');
    expect((await exchange(here(), rawGet())).ended).toBe('ECONNREFUSED');
    await proxy.behave({ fault: 'none' });
    expect(proxy.port).toBe(port);
    expect((await getThrough(url, page())).status).toBe(200);
  });

  it('knows its port when it starts dead', async () => {
    await using dead = await startFaultProxy({ address: '127.0.0.8', fault: 'dead' });
    expect(dead.port).toBeGreaterThan(0);
    expect((await exchange({ host: dead.address, port: dead.port }, 'x')).ended).toBe('ECONNREFUSED');
    await dead.behave({ fault: 'none' });
    expect((await getThrough(dead.url, page())).status).toBe(200);
  });

  it('keeps its port: nobody who asks for a free one is given it', async () => {
    const { port } = proxy;
    await proxy.behave({ fault: 'dead' });
    const others = await Promise.all(
      Array.from({ length: 50 }, () => startFaultProxy({ address: proxy.address })),
    );
    expect(others.map((other) => other.port)).not.toContain(port);
    await proxy.behave({ fault: 'none' });
    expect((await getThrough(proxy.url, page())).status).toBe(200);
    await Promise.all(others.map((other) => other.close()));
  });

  it('dies and revives in the order it was told', async () => {
    await Promise.all([
      proxy.behave({ fault: 'dead' }),
      proxy.behave({ fault: 'none' }),
      proxy.behave({ fault: 'dead' }),
      proxy.behave({ fault: 'none' }),
    ]);
    expect((await getThrough(proxy.url, page())).status).toBe(200);
  });
});

describe.each([
  ['http', rawGet],
  ['CONNECT', rawConnect],
])('over %s', (_name, bytes) => {
  it('hang: takes the request and says nothing', async () => {
    await proxy.behave({ fault: 'hang' });
    const next = proxy.nextRequest();
    const socket = connect(here());
    let heard = 0;
    socket.on('data', (chunk) => {
      heard += chunk.length;
    });
    socket.write(bytes());
    expect((await next).fault).toBe('hang');
    const gone = new Promise((resolve) => socket.once('close', resolve));
    socket.end();
    await gone;
    expect(heard).toBe(0);
  });

  it('reset: RST and no byte', async () => {
    await proxy.behave({ fault: 'reset' });
    const { received, ended } = await exchange(here(), bytes());
    expect([received.length, ended]).toEqual([0, 'ECONNRESET']);
    expect(site.counts.requests).toBe(0);
  });

  it('close: FIN and no byte', async () => {
    await proxy.behave({ fault: 'close' });
    const { received, ended } = await exchange(here(), bytes());
    expect([received.length, ended]).toEqual([0, 'FIN']);
  });

  it('garbage: bytes that are no HTTP', async () => {
    await proxy.behave({ fault: { kind: 'garbage', bytes: 100 } });
    const { received, ended } = await exchange(here(), bytes());
    expect([received.length, ended]).toEqual([100, 'FIN']);
    expect(received[0]).toBeGreaterThanOrEqual(0x80);
    await expect(getThrough(proxy.url, page())).rejects.toMatchObject({ code: 'HPE_INVALID_CONSTANT' });
  });

  it('auth: 407', async () => {
    await proxy.behave({ fault: 'auth' });
    const socket = connect(here()).end(bytes());
    const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(first.toString()).toContain('407 Proxy Authentication Required');
    socket.destroy();
  });

  it.each([502, 403, 511, 302, 100])('connect-status %i: that status with its body', async (status) => {
    await proxy.behave({
      fault: { kind: 'connect-status', status, body: 'sorry', headers: { 'X-Squid-Error': 'ERR_LAB 0' } },
    });
    const { received, ended } = await exchange(here(), bytes());
    expect(received.toString()).toMatch(
      new RegExp(`^HTTP/1.1 ${status} .*X-Squid-Error: ERR_LAB 0.*sorry$`, 's'),
    );
    expect(ended).toBe('FIN');
  });

  it('drip: the head comes byte by byte, and is right', async () => {
    await proxy.behave({ fault: { kind: 'drip', everyMs: 1 } });
    const socket = connect(here());
    const chunks: Buffer[] = [];
    socket.on('error', () => {}).write(bytes());
    const head = await new Promise<string>((resolve) =>
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        const text = Buffer.concat(chunks).toString('latin1');
        if (text.includes('\r\n\r\n')) resolve(text);
      }),
    );
    expect(head).toMatch(/^HTTP\/1.1 200 /);
    expect(chunks.length).toBeGreaterThan(10);
    socket.destroy();
  });
});

describe('inside a tunnel', () => {
  it('close-after-connect: 200, then the end', async () => {
    await proxy.behave({ fault: 'close-after-connect' });
    const { received, ended } = await exchange(here(), rawConnect());
    expect(received.toString()).toBe('HTTP/1.1 200 Connection established\r\n\r\n');
    expect(ended).toBe('FIN');
    await expect(getThrough(proxy.url, page())).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('connect-status 201 without a body opens the tunnel', async () => {
    await proxy.behave({ fault: { kind: 'connect-status', status: 201 } });
    const { status, socket } = await connectThrough(proxy.url, authority);
    expect(status).toBe(201);
    expect((await getInside(socket, `${site.httpsUrl}/ip`)).status).toBe(200);
  });

  it('reset at the response: the target was reached, the client gets RST', async () => {
    await proxy.behave({ fault: { kind: 'reset', at: 'response' } });
    const { status, socket } = await connectThrough(proxy.url, authority);
    expect(status).toBe(200);
    await expect(getInside(socket, `${site.httpsUrl}/ip`)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it.each([false, true])('truncate (reset: %s): exactly so many bytes', async (reset) => {
    await proxy.behave({ fault: { kind: 'truncate', afterBytes: 700, reset } });
    const opening = `CONNECT ${new URL(site.httpUrl).host} HTTP/1.1\r\n\r\n`;
    const { received, ended } = await exchange(here(), `${opening}GET /page/1 HTTP/1.1\r\nHost: x\r\n\r\n`);
    const inside = received.length - 'HTTP/1.1 200 Connection established\r\n\r\n'.length;
    expect([inside, ended]).toEqual([700, reset ? 'ECONNRESET' : 'FIN']);
  });
});

describe('on a plain http target', () => {
  it('reset at the response: the target counted the request', async () => {
    await proxy.behave({ fault: { kind: 'reset', at: 'response' } });
    await expect(getThrough(proxy.url, page(), { method: 'POST', body: 'once' })).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    expect(site.counts.requests).toBe(1);
  });

  it('truncate: half of the body under the full Content-Length', async () => {
    await proxy.behave({ fault: 'truncate' });
    const { received } = await exchange(here(), rawGet());
    const [head = '', body = ''] = received.toString('latin1').split('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    expect(body.length).toBe(Math.floor(length / 2));
    await expect(getThrough(proxy.url, page())).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('drip: the body still arrives whole', async () => {
    await proxy.behave({ fault: { kind: 'drip', everyMs: 1 } });
    expect((await getThrough(proxy.url, page())).body).toContain('</html>');
  });

  it('does the same to got-scraping', async () => {
    const codes: unknown[] = [];
    for (const fault of ['dead', 'reset', 'close', 'garbage', 'close-after-connect'] as const) {
      await proxy.behave({ fault });
      const error: unknown = await gotScraping({
        url: `${site.httpsUrl}/ip`,
        proxyUrl: proxy.url,
        https: { certificateAuthority: labCaPem },
        retry: { limit: 0 },
        http2: false,
      }).catch((reason: unknown) => reason);
      codes.push((error as NodeJS.ErrnoException).code);
    }
    expect(codes).toEqual(['ECONNREFUSED', 'ECONNRESET', 'ECONNRESET', 'HPE_INVALID_CONSTANT', 'ECONNRESET']);
  });
});

describe('chance', () => {
  const fates = async (seed: number): Promise<string[]> => {
    const { seededRandom } = await import('../../src/lab/index.js');
    await using flaky = await startFaultProxy({
      random: seededRandom(seed),
      fault: [
        { kind: 'close', probability: 0.3 },
        { kind: 'connect-status', status: 503, probability: 0.5 },
      ],
    });
    const seen: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      seen.push(
        await getThrough(flaky.url, page()).then(
          (a) => String(a.status),
          () => 'closed',
        ),
      );
    }
    return seen;
  };

  it('gives the same fates for the same seed, and other ones for another', async () => {
    const first = await fates(7);
    expect(new Set(first)).toEqual(new Set(['200', '503', 'closed']));
    expect(await fates(7)).toEqual(first);
    expect(await fates(8)).not.toEqual(first);
  });

  it('keeps what a change leaves out, and refuses what a kind cannot do', async () => {
    await proxy.behave({ fault: 'reset' });
    await proxy.behave({ latencyMs: 1 });
    expect((await exchange(here(), rawGet())).ended).toBe('ECONNRESET');
    await expect(startFaultProxy({ kind: 'socks5', fault: 'drip' })).rejects.toMatchObject({
      code: 'PW_LAB_UNAVAILABLE',
    });
  });
});
