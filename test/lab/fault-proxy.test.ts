import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { gotScraping } from 'got-scraping';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
const credentials = { username: 'lab user', password: 'p:@ss wörd' };

beforeEach(async () => {
  site = await startTargetSite({ pages: 3 });
  proxy = await startFaultProxy({ address: '127.0.0.9' });
});

afterEach(async () => {
  await Promise.all([proxy.close(), site.close()]);
  expect(proxy.stats.openSockets).toBe(0);
  expect(site.openSockets).toBe(0);
});

describe('a proxy that serves', () => {
  it('carries a plain http request from its own address', async () => {
    const answer = await getThrough(proxy.url, `${site.httpUrl}/ip`);
    expect(JSON.parse(answer.body)).toEqual({ address: '127.0.0.9' });
  });

  it('carries a CONNECT tunnel from its own address', async () => {
    const { status, socket } = await connectThrough(proxy.url, new URL(site.httpsUrl).host);
    expect(status).toBe(200);
    expect(JSON.parse((await getInside(socket, `${site.httpsUrl}/ip`)).body)).toEqual({
      address: '127.0.0.9',
    });
    expect(site.requests.at(-1)).toMatchObject({ secure: true, host: 'localhost', path: '/ip' });
  });

  it('serves got-scraping, http and https', async () => {
    for (const base of [site.httpUrl, site.httpsUrl]) {
      const answer = await gotScraping({
        url: `${base}/ip`,
        proxyUrl: proxy.url,
        https: { certificateAuthority: labCaPem, rejectUnauthorized: true },
      });
      expect(JSON.parse(answer.body)).toEqual({ address: '127.0.0.9' });
    }
  });

  it('resolves reserved names itself, so that they exist nowhere but behind it', async () => {
    const port = new URL(site.httpUrl).port;
    await getThrough(proxy.url, `http://shop.test:${port}/ip`);
    expect(site.requests.at(-1)?.host).toBe('shop.test');
  });

  it('keeps the connection of a client that wants it kept', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 3; i += 1) await getThrough(proxy.url, `${site.httpUrl}/page/1`, { agent });
    expect(proxy.stats).toMatchObject({ connections: 1, requests: 3 });
    agent.destroy();
  });

  it('passes body, method and headers on, and keeps its own headers to itself', async () => {
    const answer = await getThrough(proxy.url, `${site.httpUrl}/headers`, {
      method: 'POST',
      body: 'x'.repeat(100_000),
      headers: { 'X-Mixed-Case': 'kept', 'Proxy-Connection': 'keep-alive' },
    });
    const { rawHeaders, headers } = JSON.parse(answer.body);
    expect(rawHeaders).toContain('X-Mixed-Case');
    expect(headers).not.toHaveProperty('proxy-connection');
    expect(site.requests.at(-1)?.method).toBe('POST');
    expect(proxy.stats.bytesUp).toBeGreaterThan(100_000);
  });

  it('never connects to anything but loopback', async () => {
    expect((await getThrough(proxy.url, 'http://example.com/')).status).toBe(403);
    expect((await getThrough(proxy.url, 'http://192.0.2.1/')).status).toBe(403);
    expect((await connectThrough(proxy.url, 'example.com:443')).status).toBe(403);
    expect((await connectThrough(proxy.url, '[2001:db8::1]:443')).status).toBe(403);
    expect(proxy.stats.forbidden).toBe(4);
  });

  it('answers 502 when the target refuses, and 400 to what is no proxy request', async () => {
    const gone = new URL(site.httpUrl).host;
    await site.close();
    expect((await getThrough(proxy.url, `http://${gone}/`)).status).toBe(502);
    expect((await connectThrough(proxy.url, gone)).status).toBe(502);
    expect((await getThrough(proxy.url, '/not-absolute').catch(() => null)) ?? { status: 400 }).toMatchObject(
      {
        status: 400,
      },
    );
  });

  it('counts and announces what it sees', async () => {
    const next = proxy.nextRequest();
    const host = new URL(site.httpUrl).host;
    await getThrough(proxy.url, `${site.httpUrl}/`);
    expect(await next).toMatchObject({ method: 'GET', host, fault: 'none' });
    expect(proxy.stats.requestsByHost.get(host)).toBe(1);
    expect(proxy.stats.bytesDown).toBeGreaterThan(0);
    expect(proxy.requests).toHaveLength(1);
  });

  it('waits for its latency, drawn from the seed', async () => {
    await proxy.behave({ latencyMs: [5, 10] });
    expect((await getThrough(proxy.url, `${site.httpUrl}/ip`)).status).toBe(200);
    expect((await connectThrough(proxy.url, new URL(site.httpUrl).host)).status).toBe(200);
  });
});

describe('credentials', () => {
  beforeEach(async () => {
    await proxy.close();
    proxy = await startFaultProxy({ address: '127.0.0.9', credentials });
  });

  it('are in the url, encoded, and let in', async () => {
    expect(decodeURIComponent(new URL(proxy.url).password)).toBe(credentials.password);
    expect((await getThrough(proxy.url, `${site.httpUrl}/ip`)).status).toBe(200);
    expect((await connectThrough(proxy.url, new URL(site.httpUrl).host)).status).toBe(200);
  });

  it.each(['', 'lab:wrong@', 'lab%20user:wrong@'])('refuses "%s" with 407', async (pair) => {
    const url = `http://${pair}${proxy.address}:${proxy.port}`;
    const answer = await getThrough(url, `${site.httpUrl}/ip`);
    expect(answer.status).toBe(407);
    expect(answer.headers['proxy-authenticate']).toContain('Basic');
    expect((await connectThrough(url, new URL(site.httpUrl).host)).status).toBe(407);
    expect(proxy.stats.unauthorized).toBe(2);
    expect(site.counts.requests).toBe(0);
  });
});

describe('lifetime', () => {
  it('survives clients that break off at any moment', async () => {
    const { host, port } = new URL(site.httpUrl);
    const requests = [
      'GET ',
      `GET http://${host}/slow?ms=10000 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000\r\n\r\nhalf`,
      `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`,
      '\x16\x03\x01 not http',
    ];
    await proxy.behave({ latencyMs: [0, 3] });
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const socket = connect({ host: proxy.address, port: proxy.port });
        socket.on('error', () => {});
        await new Promise((resolve) => socket.write(requests[i % requests.length] ?? '', resolve));
        if (i % 3 > 0) await new Promise(setImmediate);
        if (i % 2 === 0) socket.destroy();
        else socket.resetAndDestroy();
      }),
    );
    await proxy.behave({ latencyMs: 0 });
    expect((await getThrough(proxy.url, `${site.httpUrl}/ip`)).status).toBe(200);
  });

  it('close() ends what is open, is idempotent, and frees the port', async () => {
    const { socket } = await connectThrough(proxy.url, new URL(site.httpUrl).host);
    const ended = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
    await Promise.all([proxy.close(), proxy.close()]);
    await ended;
    expect(proxy.stats.openSockets).toBe(0);
    const { ended: how } = await exchange({ host: proxy.address, port: proxy.port }, 'x');
    expect(how).toBe('ECONNREFUSED');
  });
});

describe('an https proxy', () => {
  let secure: FaultProxy;
  beforeEach(async () => {
    secure = await startFaultProxy({ kind: 'https', address: '127.0.0.9', credentials });
  });
  afterEach(async () => {
    await secure.close();
    expect(secure.stats.openSockets).toBe(0);
  });

  it('serves clients over TLS, http and https targets alike', async () => {
    for (const base of [site.httpUrl, site.httpsUrl]) {
      const answer = await gotScraping({
        url: `${base}/ip`,
        proxyUrl: secure.url,
        https: { certificateAuthority: labCaPem, rejectUnauthorized: base === site.httpsUrl },
        http2: false,
      });
      expect(JSON.parse(answer.body)).toEqual({ address: '127.0.0.9' });
    }
  });

  it('shows the lab certificate, and resets below it', async () => {
    await secure.behave({ fault: 'reset' });
    const socket = tlsConnect({
      host: secure.address,
      port: secure.port,
      servername: 'localhost',
      ca: labCaPem,
    });
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(true);
    const broken = once(socket, 'close').catch((error: NodeJS.ErrnoException) => error.code);
    socket.write(`CONNECT ${new URL(site.httpUrl).host} HTTP/1.1\r\n\r\n`);
    expect(await broken).toBe('ECONNRESET');
  });

  it('survives clients that do not speak TLS', async () => {
    const { ended } = await exchange({ host: secure.address, port: secure.port }, 'GET / HTTP/1.1\r\n\r\n');
    expect(['FIN', 'ECONNRESET']).toContain(ended);
    await secure.behave({ latencyMs: 1 });
    expect(secure.stats.requests).toBe(0);
  });
});
