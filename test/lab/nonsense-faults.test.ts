import { connect } from 'node:net';
import { SocksClient } from 'socks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy, startTargetSite, type TargetSite } from '../../src/lab/index.js';
import { connectThrough, exchange, getInside, getThrough } from './raw-client.js';

let site: TargetSite;
let proxy: FaultProxy;
let authority: string;

beforeAll(async () => {
  site = await startTargetSite({ pageBytes: 100 });
  authority = new URL(site.httpsUrl).host;
});
afterAll(() => site.close());
beforeEach(async () => {
  site.forget();
  proxy = await startFaultProxy({ address: '127.0.0.10' });
});
afterEach(async () => {
  await proxy.close();
  expect(proxy.stats.openSockets).toBe(0);
});

const page = (): string => `${site.httpUrl}/page/1`;
const rawGet = (): string => `GET ${page()} HTTP/1.1\r\nHost: x\r\n\r\n`;
const rawConnect = (): string => `CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`;
const here = (): { host: string; port: number } => ({ host: proxy.address, port: proxy.port });
const both = [
  ['GET', rawGet],
  ['CONNECT', rawConnect],
] as const;

describe.each(both)('instead of an answer to %s', (_name, bytes) => {
  it('tls-alert: one fatal alert record', async () => {
    await proxy.behave({ fault: 'tls-alert' });
    const { received, ended } = await exchange(here(), bytes());
    expect([received.toString('hex'), ended]).toEqual(['15030300020228', 'FIN']);
  });

  it('http-0.9: HTML without a head', async () => {
    await proxy.behave({ fault: 'http-0.9' });
    const { received, ended } = await exchange(here(), bytes());
    expect(received.toString()).toMatch(/^<html>.*<\/html>\n$/);
    expect(ended).toBe('FIN');
    await expect(getThrough(proxy.url, page())).rejects.toMatchObject({ code: 'HPE_INVALID_CONSTANT' });
  });

  it('header-flood: one header that is too big', async () => {
    await proxy.behave({ fault: 'header-flood' });
    const { received, ended } = await exchange(here(), bytes());
    const [status, header, ...rest] = received.toString().split('\r\n');
    expect(status).toBe('HTTP/1.1 200 OK');
    expect(header?.length).toBeGreaterThan(32_000);
    expect([rest, ended]).toEqual([['', ''], 'FIN']);
    await expect(getThrough(proxy.url, page())).rejects.toMatchObject({ code: 'HPE_HEADER_OVERFLOW' });
    await expect(connectThrough(proxy.url, authority)).rejects.toMatchObject({ code: 'HPE_HEADER_OVERFLOW' });
  });

  it('header-flood: too many headers, of the size that was asked for', async () => {
    await proxy.behave({ fault: { kind: 'header-flood', headers: 10_000, bytes: 250_000 } });
    const { received } = await exchange(here(), bytes());
    expect(received.toString().match(/^X-Flood-\d+: a/gm)).toHaveLength(10_000);
    expect(Math.abs(received.length - 250_000)).toBeLessThan(5000);
  });

  it('interim: 100 and 103 come first, then it serves', async () => {
    await proxy.behave({ fault: 'interim' });
    const socket = connect(here());
    socket.on('error', () => {}).write(bytes());
    const heard = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (/ 200 /.test(text)) resolve(text);
      });
    });
    expect(heard).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 103 Early Hints\r\n\r\nHTTP\/1.1 200 /);
    socket.destroy();
    await proxy.behave({ fault: { kind: 'interim', statuses: [102] } });
    expect((await getThrough(proxy.url, page())).status).toBe(200);
  });

  it.each([
    [{ kind: 'reset', at: 'accept' }, 'ECONNRESET'],
    [{ kind: 'close', at: 'accept' }, 'FIN'],
  ] as const)('%o: before a byte is read', async (fault, how) => {
    await proxy.behave({ fault });
    const { received, ended } = await exchange(here(), bytes());
    expect([received.length, ended]).toEqual([0, how]);
    expect(proxy.stats).toMatchObject({ connections: 1, requests: 0 });
    await proxy.behave({ fault: { ...fault, probability: 0 } });
    expect((await getThrough(proxy.url, page())).status).toBe(200);
  });

  it('hang at accept: takes the connection, and no request is ever seen', async () => {
    await proxy.behave({ fault: { kind: 'hang', at: 'accept' } });
    const socket = connect(here());
    socket.end(bytes());
    await new Promise((resolve) => socket.resume().once('close', resolve));
    expect([socket.bytesRead, proxy.stats.requests]).toEqual([0, 0]);
  });
});

describe('portal', () => {
  it('sends plain http to its login page, by default', async () => {
    await proxy.behave({ fault: 'portal' });
    const answer = await getThrough(proxy.url, page());
    expect(answer.status).toBe(302);
    const login = await getThrough(proxy.url, answer.headers.location ?? '');
    expect(login.headers['content-type']).toBe('text/html');
    expect([login.status, login.body]).toEqual([200, expect.stringContaining('Please log in')]);
    expect(site.counts.requests).toBe(0);
  });

  it('shows that page at once without redirect', async () => {
    await proxy.behave({ fault: { kind: 'portal', redirect: false } });
    expect(await getThrough(proxy.url, page())).toMatchObject({
      status: 200,
      body: expect.stringContaining('Please log in'),
    });
  });

  it('answers CONNECT with 302, whatever the credentials', async () => {
    await proxy.close();
    const credentials = { username: 'u', password: 'p' };
    proxy = await startFaultProxy({ address: '127.0.0.10', fault: 'portal', credentials });
    const bare = `http://${proxy.address}:${proxy.port}`;
    const { status, headers } = await connectThrough(bare, authority);
    expect([status, headers.location]).toEqual([302, 'http://portal.test/login']);
    expect(proxy.stats.unauthorized).toBe(0);
  });
});

describe('reset inside the tunnel', () => {
  it('comes after the 200', async () => {
    await proxy.behave({ fault: { kind: 'reset', at: 'tunnel' } });
    const { received, ended } = await exchange(here(), rawConnect());
    expect([received.toString(), ended]).toEqual([
      'HTTP/1.1 200 Connection established\r\n\r\n',
      'ECONNRESET',
    ]);
  });

  it('is a reset at once on a plain http target', async () => {
    await proxy.behave({ fault: { kind: 'reset', at: 'tunnel' } });
    expect(await exchange(here(), rawGet())).toMatchObject({ ended: 'ECONNRESET' });
    expect(site.counts.requests).toBe(0);
  });
});

describe('drip of the body', () => {
  const drip = { kind: 'drip', part: 'body', everyMs: 1 } as const;

  it('on plain http: the head in one piece, the body byte by byte and whole', async () => {
    await proxy.behave({ fault: drip });
    const socket = connect(here());
    const chunks: string[] = [];
    socket.on('data', (chunk) => chunks.push(String(chunk)));
    socket.write(`GET ${site.httpUrl}/ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(chunks[0]).toMatch(/^HTTP\/1.1 200 .*\r\n\r\n/s);
    expect(chunks.length).toBeGreaterThan(15);
    expect(chunks.join('')).toMatch(/\{"address":"127\.0\.0\.10"\}\n$/);
  });

  it.each(['http', 'socks5'] as const)('inside a tunnel: all that the target says, %s', async (kind) => {
    await proxy.close();
    proxy = await startFaultProxy({ address: '127.0.0.10', kind, fault: drip });
    const { host, port } = new URL(site.httpUrl);
    const { socket } =
      kind === 'http'
        ? await connectThrough(proxy.url, host)
        : await SocksClient.createConnection({
            command: 'connect',
            proxy: { ...here(), type: 5 },
            destination: { host: '127.0.0.1', port: Number(port) },
          });
    const chunks: string[] = [];
    socket.on('data', (chunk) => chunks.push(String(chunk)));
    socket.write('GET /ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(chunks.length).toBeGreaterThan(100);
    expect(chunks.join('')).toMatch(/\{"address":"127\.0\.0\.10"\}\n$/);
  });

  it('stops when the client leaves', async () => {
    await proxy.behave({ fault: { ...drip, everyMs: 60_000 } });
    const socket = connect(here());
    socket.write(rawGet());
    await new Promise((resolve) => socket.once('data', resolve));
    const left = new Promise((resolve) => socket.once('close', resolve));
    socket.destroy();
    await left;
    await proxy.close();
    expect(proxy.stats.openSockets).toBe(0);
  });
});

describe('connect-status', () => {
  it.each(
    [100, 201, 204, 301, 403, 502, 511].flatMap((s) => [[s, undefined] as const, [s, 'body'] as const]),
  )('%i with body %s', async (status, body) => {
    await proxy.behave({
      fault: { kind: 'connect-status', status, ...(body === undefined ? {} : { body }) },
    });
    const opens = status >= 200 && status < 300 && body === undefined;
    if (opens) {
      const tunnel = await connectThrough(proxy.url, authority);
      expect(tunnel.status).toBe(status);
      expect((await getInside(tunnel.socket, `${site.httpsUrl}/ip`)).status).toBe(200);
    } else {
      const { received, ended } = await exchange(here(), rawConnect());
      expect(received.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\r\n\r\n${body ?? ''}$`, 's'));
      expect(ended).toBe('FIN');
    }
  });
});
