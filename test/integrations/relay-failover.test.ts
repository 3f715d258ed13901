import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium } from 'playwright';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { createRotator } from '../../src/index.js';
import { startRelay } from '../../src/integrations/relay.js';
import type { ProxySpec } from '../../src/lab/index.js';
import { seededRandom } from '../../src/lab/index.js';
import { connectThrough, getInside, getThrough } from '../lab/raw-client.js';
import { loopTime } from '../support/loop-time.js';
import {
  converse,
  dialRelay,
  openSockets,
  type RelayWorld,
  relayWorld,
  secureThrough,
  socksThrough,
} from './relay-clients.js';

const authorityOf = (url: string): string => new URL(url).host;

describe('failover before the first byte', () => {
  const faults: [string, ProxySpec][] = [
    ['dead', { fault: 'dead' }],
    ['resets at accept', { fault: 'reset' }],
    ['closes at accept', { fault: 'close' }],
    ['refuses the credentials', { credentials: { username: 'a', password: 'b' }, wrongPassword: true }],
  ];

  it.each(faults)(
    'goes to another proxy when one %s, for HTTP (POST too), CONNECT and SOCKS',
    async (_name, bad) => {
      const { lab, relay, whirl } = await relayWorld({
        proxies: [bad, {}],
        engine: { breaker: { threshold: 100 } },
      });
      const { httpUrl, httpsUrl } = lab.site;
      for (let i = 0; i < 4; i++) {
        expect((await getThrough(relay.url, `${httpUrl}/ip`)).status).toBe(200);
        const posted = await getThrough(relay.url, `${httpUrl}/ip`, { method: 'POST', body: 'x=1' });
        expect(posted.status).toBe(200);
        const { status, socket } = await connectThrough(relay.url, authorityOf(httpsUrl));
        expect(status).toBe(200);
        expect((await getInside(socket, `${httpsUrl}/ip`)).status).toBe(200);
        const target = { host: 'localhost', port: Number(new URL(httpsUrl).port) };
        (await secureThrough(await socksThrough(relay, target))).destroy();
      }
      expect(relay.stats().failovers).toBeGreaterThan(0);
      await expect.poll(() => whirl.rotator.stats().active).toBe(0);
      const [first] = whirl.rotator.stats().proxies;
      expect(first).toMatchObject({ succeeded: 0 });
      expect(first?.failed).toBeGreaterThan(0);
    },
  );

  it('asks as many as it takes while all refuse the connection, and three otherwise', async () => {
    const dead = Array.from({ length: 8 }, (): ProxySpec => ({ fault: 'dead' }));
    const many = await relayWorld({ proxies: [...dead, {}] });
    expect((await getThrough(many.relay.url, `${many.lab.site.httpUrl}/ip`)).status).toBe(200);
    expect(many.relay.stats().failovers).toBe(8);

    const closing = Array.from({ length: 8 }, (): ProxySpec => ({ fault: 'close' }));
    const few = await relayWorld({ proxies: [...closing, {}] });
    const answer = await getThrough(few.relay.url, `${few.lab.site.httpUrl}/ip`);
    expect(answer.status).toBe(502);
    expect(few.relay.stats().failovers).toBe(2);
    const one = await relayWorld({ proxies: [...closing, {}], relay: { attempts: 1 } });
    expect((await connectThrough(one.relay.url, authorityOf(one.lab.site.httpsUrl))).status).toBe(502);
    expect(one.relay.stats().failovers).toBe(0);
  });

  it('sends a POST once, and a GET again, when the connection breaks after it was written', async () => {
    const world = await relayWorld({
      proxies: [{ fault: { kind: 'reset', at: 'response' } }, {}],
      engine: { breaker: { threshold: 100 } },
    });
    const { relay, lab } = world;
    for (let i = 0; i < 10; i++) {
      const tag = `${lab.site.httpUrl}/ip?n=${i}`;
      const posted = await getThrough(relay.url, tag, { method: 'POST', body: 'once' });
      expect([200, 502]).toContain(posted.status);
      // Two, so that each method meets each proxy in turn.
      for (let n = 0; n < 2; n++) expect((await getThrough(relay.url, tag)).status).toBe(200);
      const seen = lab.site.requests.filter(({ path }) => path === `/ip?n=${i}`);
      expect(seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
    }
    expect(relay.stats().failovers).toBeGreaterThan(0);
  });

  it('leaves a proxy that hangs while there is time for another one, and no target that is slow', async () => {
    const proxies = [{ fault: 'hang' }, {}] as const;
    const { lab, relay } = await relayWorld({ proxies, relay: { deadlineMs: 4_000 } });
    expect((await getThrough(relay.url, `${lab.site.httpUrl}/ip`)).status).toBe(200);
    expect(relay.stats().failovers).toBe(1);
    const alone = await relayWorld({ proxies: 2, relay: { deadlineMs: 4_000 } });
    const [, other] = alone.whirl.rotator.pool.list();
    for (let i = 0; i < 5; i++)
      alone.whirl.rotator.acquireCarrier(other?.id ?? '')?.fail({ verdict: 'proxy' });
    expect((await getThrough(alone.relay.url, `${alone.lab.site.httpUrl}/slow?ms=2500`)).status).toBe(200);
    expect(alone.relay.stats().failovers).toBe(0);
  });

  it('gives up at the deadline', async () => {
    const { lab, relay } = await relayWorld({ proxies: [{ fault: 'hang' }], relay: { deadlineMs: 300 } });
    const passed = loopTime();
    expect((await getThrough(relay.url, `${lab.site.httpUrl}/ip`)).status).toBe(504);
    expect((await connectThrough(relay.url, authorityOf(lab.site.httpsUrl))).status).toBe(504);
    expect(passed()).toBeLessThan(1_000);
  });

  it('answers 503 with Retry-After where there is nobody, and never goes direct', async () => {
    const { lab } = await relayWorld({ proxies: 1 });
    const relay = await startRelay(createRotator());
    onTestFinished(() => relay.close());
    const answer = await getThrough(relay.url, `${lab.site.httpUrl}/ip`);
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: expect.stringContaining('PW_POOL_EMPTY'),
    });
    const tunnel = await connectThrough(relay.url, authorityOf(lab.site.httpsUrl));
    expect(tunnel).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    const target = { host: 'localhost', port: Number(new URL(lab.site.httpsUrl).port) };
    await expect(socksThrough(relay, target)).rejects.toThrow(/Failure/);
    expect(lab.site.requests).toEqual([]);
  });
});

describe('bodies', () => {
  it('a long upload and a long answer arrive whole; one that breaks off is no answer', async () => {
    const received: number[] = [];
    const big = Buffer.alloc(3_000_000, 'x');
    const server = createServer((request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on('end', () => {
        received.push(bytes);
        if (request.url === '/broken') {
          response.writeHead(200, { 'content-length': String(big.length) });
          response.write(big.subarray(0, 1_000), () => response.destroy());
        } else response.end(big);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { relay, whirl } = await relayWorld({ proxies: 1 });
    const body = big.toString('latin1');
    for (const headers of [{ 'content-length': String(big.length) }, { 'transfer-encoding': 'chunked' }]) {
      const answer = await getThrough(relay.url, `${base}/`, { method: 'POST', body, headers });
      expect(answer.body.length).toBe(big.length);
    }
    expect(received).toEqual([big.length, big.length]);
    await expect(getThrough(relay.url, `${base}/broken`)).rejects.toThrow();
    await expect.poll(() => whirl.rotator.stats()).toMatchObject({ active: 0, succeeded: 2, failed: 1 });
  });
});

describe('clients that leave', () => {
  it('closes the upstream at once, and blames nobody', async () => {
    const world = await relayWorld({ proxies: [{ fault: 'hang' }] });
    const { lab, relay, whirl } = world;
    const host = authorityOf(lab.site.httpUrl);
    for (const text of [
      `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    ]) {
      const client = await dialRelay(relay);
      client.write(text);
      await expect.poll(() => lab.proxies[0]?.stats.openSockets, { interval: 2 }).toBe(1);
      const passed = loopTime();
      client.destroy();
      await expect.poll(() => openSockets(world), { interval: 2 }).toBe(0);
      expect(passed()).toBeLessThan(50);
    }
    expect(whirl.rotator.stats()).toMatchObject({ active: 0, failed: 0, succeeded: 0 });
  });

  it.each(['http', 'https', 'socks5'] as const)(
    'ends a tunnel through a proxy of kind %s when its client breaks off, and outlives it',
    async (kind) => {
      const world = await relayWorld({ proxies: [{ kind }] });
      const { status, socket } = await connectThrough(world.relay.url, authorityOf(world.lab.site.httpUrl));
      expect(status).toBe(200);
      socket.resetAndDestroy();
      await expect.poll(() => openSockets(world)).toBe(0);
      expect((await getThrough(world.relay.url, `${world.lab.site.httpUrl}/ip`)).status).toBe(200);
    },
  );

  it('row 52: 1,000 random aborts leave 0 sockets, 0 leases and no fault', async () => {
    const world = await relayWorld({
      proxies: (['http', 'socks5'] as const).map((kind) => ({ kind, latencyMs: [0, 10] })),
    });
    const { lab, relay, whirl } = world;
    const random = seededRandom(5);
    const host = authorityOf(lab.site.httpUrl);
    const kinds = [
      `GET http://${host}/page/1 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `POST http://${host}/ip HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100000\r\n\r\nhalf`,
      `GET http://${host}/slow?ms=1000 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\nGET /slow?ms=1000 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      '\x05\x01\x00',
    ];
    const abortOne = async (): Promise<void> => {
      const client = await dialRelay(relay);
      client.resume().write(kinds[Math.floor(random() * kinds.length)] ?? '', 'latin1');
      await new Promise((resolve) => setTimeout(resolve, random() * 25));
      if (random() < 0.5) client.destroy();
      else client.resetAndDestroy();
    };
    for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 50 }, abortOne));
    await expect.poll(() => relay.stats().open).toBe(0);
    await expect.poll(() => whirl.rotator.stats().active).toBe(0);
    expect(relay.stats().connections).toBe(1_000);
    expect(whirl.rotator.stats().failed).toBe(0);
    await relay.close();
    await expect.poll(() => openSockets(world)).toBe(0);
  });
});

describe('limits and the end', () => {
  it('serves no more clients than allowed at the same time', async () => {
    const { lab, relay } = await relayWorld({ proxies: 1, relay: { maxConnections: 2 } });
    const [one, two] = [await dialRelay(relay), await dialRelay(relay)];
    await expect.poll(() => relay.stats().open).toBe(2);
    expect(await converse(relay, 'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n')).toBe('');
    one.destroy();
    two.destroy();
    await expect.poll(() => relay.stats().open).toBe(0);
    expect((await getThrough(relay.url, `${lab.site.httpUrl}/ip`)).status).toBe(200);
  });

  it('ends a request whose body does not come in time; with 0 it waits', async () => {
    const relayOf = async (requestTimeoutMs: number) =>
      relayWorld({ proxies: 1, relay: { headersTimeoutMs: 100, requestTimeoutMs } });
    const [patient, strict] = [await relayOf(0), await relayOf(200)];
    const half = ({ lab }: RelayWorld): string => {
      const { host, href } = new URL('/ip', lab.site.httpUrl);
      return `POST ${href} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nha`;
    };
    const waiting = await dialRelay(patient.relay);
    waiting.write(half(patient));
    // Begun later, and over first.
    expect(await converse(strict.relay, half(strict))).toMatch(/^HTTP\/1\.1 408 /);
    expect(strict.lab.proxies[0]?.stats.connections).toBe(0);
    const [answer] = await Promise.all([once(waiting, 'data'), waiting.write('lf')]);
    expect(String(answer[0])).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('leads to the ports that it is told to lead to, and to no others', async () => {
    const { lab, relay } = await relayWorld({ proxies: 1, relay: { connectPorts: [443, [20, 30]] } });
    const { status } = await connectThrough(relay.url, authorityOf(lab.site.httpsUrl));
    expect(status).toBe(403);
    expect(lab.proxies[0]?.stats.connections).toBe(0);
    await connectThrough(relay.url, 'localhost:25');
    expect(lab.proxies[0]?.stats.connections).toBe(1);
  });

  it('cuts a tunnel in which nothing moves', async () => {
    const { lab, relay } = await relayWorld({ proxies: 1, relay: { idleMs: 100 } });
    const { socket } = await connectThrough(relay.url, authorityOf(lab.site.httpsUrl));
    socket.resume();
    await once(socket, 'close');
    await expect.poll(() => lab.proxies[0]?.stats.openSockets).toBe(0);
  });

  it('uses no connection for a second CONNECT', async () => {
    const { lab, relay } = await relayWorld({ proxies: 1 });
    const host = authorityOf(lab.site.httpUrl);
    const question = `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    const refused = await converse(relay, `CONNECT localhost:25 HTTP/1.1\r\nHost: x\r\n\r\n${question}`);
    expect(refused.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 403']);
    expect(lab.proxies[0]?.stats.connections).toBe(0);
    // Behind a tunnel that stands, it belongs to the target.
    const heard = await converse(relay, question + question);
    expect(heard.match(/HTTP\/1\.1 \d+/g)?.[0]).toBe('HTTP/1.1 200');
    expect(lab.proxies[0]?.stats.requestsByHost.get(host)).toBe(1);
  });

  it('lets those who are served end before it closes, and cuts those who do not', async () => {
    const world = await relayWorld({ proxies: 1, relay: { drainMs: 1_500 } });
    const { lab, relay, whirl } = world;
    const slow = getThrough(relay.url, `${lab.site.httpUrl}/slow?ms=100`);
    const { socket } = await connectThrough(relay.url, authorityOf(lab.site.httpsUrl));
    const cut = once(socket.resume(), 'close');
    await expect.poll(() => relay.stats().requests).toBe(1);
    const startedAt = performance.now();
    await Promise.all([relay.close(), relay.close()]);
    const tookMs = performance.now() - startedAt;
    expect((await slow).status).toBe(200);
    await cut;
    expect(tookMs).toBeGreaterThanOrEqual(1_499);
    await expect.poll(() => openSockets(world)).toBe(0);
    expect(whirl.rotator.stats()).toMatchObject({ active: 0, failed: 0 });
    // The engine is not the relay's.
    whirl.rotator.acquire().release();
  });
});

describe('a browser that knows only the relay', () => {
  it('loads 200 of 200 pages while 5 of 10 proxies are dead, over proxies of all kinds', async () => {
    const login = { username: 'lab', password: 'secret' };
    const proxies: ProxySpec[] = [
      ...Array.from({ length: 5 }, (): ProxySpec => ({ fault: 'dead' })),
      {},
      { credentials: login },
      { kind: 'https' },
      { kind: 'socks5' },
      { kind: 'socks5', credentials: login },
    ];
    const { lab, relay, whirl } = await relayWorld({ proxies });
    const found = inject('chromium');
    if (found === null) throw new Error('No Chromium: run `npm run setup`');
    const browser = await chromium.launch({
      executablePath: found.executablePath,
      args: [...found.args, '--ignore-certificate-errors'],
      proxy: { server: relay.url },
    });
    onTestFinished(() => browser.close());
    let good = 0;
    const bad: string[] = [];
    const urls = Array.from(
      { length: 200 },
      (_, i) => new URL(`/page/${(i % 100) + 1}`, i % 2 === 0 ? lab.site.httpUrl : lab.site.httpsUrl).href,
    );
    const visit = async (): Promise<void> => {
      // A context of its own for a few pages: then it also opens connections of its own.
      for (let url = urls.pop(); url !== undefined; url = urls.pop()) {
        const page = await browser.newPage();
        try {
          const response = await page.goto(url);
          if (response?.status() === 200 && (await page.innerText('h1')).startsWith('Page')) good += 1;
          else bad.push(`${url} ${response?.status()}`);
        } catch (error) {
          bad.push(`${url} ${String(error)}`);
        }
        await page.close();
      }
    };
    await Promise.all(Array.from({ length: 6 }, visit));
    expect(bad).toEqual([]);
    expect(good).toBe(200);
    const live = new Set(lab.proxies.slice(5).map(({ address }) => address));
    expect([...lab.site.byAddress.keys()].filter((address) => !live.has(address))).toEqual([]);
    expect(lab.site.byAddress.size).toBe(5);
    expect(whirl.rotator.stats().proxies.filter(({ health }) => health !== 'closed').length).toBeGreaterThan(
      0,
    );
  });
});

it('tells its own refusals from answers of the target', async () => {
  const { lab, relay } = await relayWorld({ proxies: [{ fault: 'dead' }] });
  const { headers, body } = await getThrough(relay.url, `${lab.site.httpUrl}/ip`);
  expect(headers['proxy-status']).toBe(
    'proxywhirl; error=destination_unavailable; details="PW_PROXY_REFUSED"',
  );
  expect(body).toContain('PW_PROXY_REFUSED: Nothing listens');
});
