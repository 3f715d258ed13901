import { once } from 'node:events';
import { gotScraping } from 'got-scraping';
import { chromium } from 'playwright';
import { request } from 'undici';
import { describe, expect, inject, it } from 'vitest';
import { whirlGot } from '../../src/integrations/got-scraping.js';
import { startRelay } from '../../src/integrations/relay.js';
import { whirlDispatcher } from '../../src/integrations/undici.js';
import { type Lab, type LabProxyKind, labCaPem, type ProxySpec } from '../../src/lab/index.js';
import { connectThrough, getInside, getThrough } from '../lab/raw-client.js';
import { type ClientLab, clientLab, labTls, noSocketsLeft } from './client-lab.js';

const credentials = { username: 'u s', password: 'p@:s' };
const upstreams: readonly (readonly [string, ProxySpec])[] = [
  ['http', {}],
  ['http with credentials', { credentials }],
  ['https', { kind: 'https' }],
  ['socks5 with credentials', { kind: 'socks5', credentials }],
  ['socks4a', { kind: 'socks4a' as LabProxyKind }],
];
const REQUESTS = 5;
/** Bytes of text on a page: what TLS says last, after we have closed, is less than 1 % of it. */
const PAGE = 10_000;
const large = { pageBytes: PAGE };

/** Within 1 % of what the lab has seen on the wire, for each proxy and each direction, once nothing is open any more. */
async function expectAgreement(world: ClientLab, least: number): Promise<void> {
  await noSocketsLeft(world.lab);
  const { proxies } = world.lab;
  const wire = proxies.flatMap(({ stats: { bytesUp, bytesDown } }) => [bytesUp, bytesDown]);
  const told = (): number[] =>
    world.whirl.rotator.stats().proxies.flatMap(({ bytesUp, bytesDown }) => [bytesUp, bytesDown]);
  expect(Math.max(...wire)).toBeGreaterThan(least);
  // The proxy may see the end of a connection a moment before our side does.
  await expect
    .poll(() => told().filter((bytes, i) => Math.abs(bytes - (wire[i] ?? 0)) > (wire[i] ?? 0) / 100))
    .toEqual([]);
}

const pages = ({ site }: Lab): string[] =>
  [site.httpUrl, site.httpsUrl].flatMap((base) =>
    Array.from({ length: REQUESTS }, (_, i) => `${base}/page/${i + 1}`),
  );

describe.each(upstreams)('bytes through a proxy of kind %s are those on the wire', (_name, spec) => {
  it('A-06 for undici, over tunnels and connections that are used again', async () => {
    await using world = await clientLab([spec], {}, large);
    const dispatcher = whirlDispatcher(world.whirl, labTls);
    for (const url of pages(world.lab)) await (await request(url, { dispatcher })).body.text();
    expect(world.lab.proxies[0]?.stats.connections).toBeLessThan(2 * REQUESTS);
    await dispatcher.close();
    await expectAgreement(world, 10 * PAGE);
  });

  it('A-06 for got-scraping with our agents', async () => {
    await using world = await clientLab([spec], {}, large);
    const got = gotScraping.extend(
      whirlGot(world.whirl, { keepAlive: true, ...{ proxyTls: labTls.proxyTls } }),
    );
    const https = { certificateAuthority: labCaPem };
    for (const url of pages(world.lab)) await got(url, { https });
    await world.whirl.close();
    await expectAgreement(world, 10 * PAGE);
  });

  it('A-06 for clients of the relay, in absolute form and by CONNECT', async () => {
    await using world = await clientLab([spec], {}, large);
    await using relay = await startRelay(world.whirl, { proxyCa: labCaPem });
    for (const url of pages(world.lab)) {
      if (url.startsWith('http:')) await getThrough(relay.url, url);
      else await getInside((await connectThrough(relay.url, new URL(url).host)).socket, url);
    }
    await relay.close();
    await expectAgreement(world, 10 * PAGE);
  });

  it('A-06 for a page in Chromium through the relay', async () => {
    await using world = await clientLab([spec], {}, large);
    await using relay = await startRelay(world.whirl, { proxyCa: labCaPem });
    const found = inject('chromium');
    if (found === null) throw new Error('No Chromium: run `npm run setup`');
    const args = [...found.args, '--ignore-certificate-errors'];
    const proxy = { server: relay.url, bypass: '<-loopback>' };
    await using browser = await chromium.launch({ executablePath: found.executablePath, args, proxy });
    const page = await browser.newPage();
    for (const base of [world.lab.site.httpUrl, world.lab.site.httpsUrl]) {
      await page.goto(`${base}/page/1`);
      expect(await page.innerText('h1')).not.toBe('');
    }
    await browser.close();
    await relay.close();
    await expectAgreement(world, 2 * PAGE);
  });
});

describe('bytes that lead to nothing', () => {
  it('A-06 are counted for whirl.fetch where attempts fail and another proxy answers', async () => {
    const refuses: ProxySpec = { credentials, wrongPassword: true };
    await using world = await clientLab([refuses, { fault: 'garbage' }, { fault: 'reset' }, {}]);
    for (let i = 1; i <= 12; i++) {
      const answer = await world.whirl.fetch(`${world.lab.site.httpUrl}/page/${i}`, { attempts: 4 });
      expect(answer.status).toBe(200);
      await answer.text();
    }
    await world.whirl.close();
    await expectAgreement(world, 12 * 2_000);
    const told = world.whirl.rotator.stats().proxies.map(({ bytesUp }) => bytesUp > 0);
    expect(told).toEqual([true, true, true, true]);
  });

  it('A-06 are counted for a body that nobody reads to its end', async () => {
    await using world = await clientLab([{}], {}, { pageBytes: 30_000 });
    const dispatcher = whirlDispatcher(world.whirl, labTls);
    for (const url of pages(world.lab)) {
      const leaving = new AbortController();
      const { body } = await request(url, { dispatcher, signal: leaving.signal });
      // All of it has come by then, and waits in the reader.
      let seen = 0;
      for await (const chunk of body) {
        seen += (chunk as Buffer).length;
        if (seen > 20_000) leaving.abort();
        if (leaving.signal.aborted) break;
      }
    }
    await dispatcher.destroy();
    await expectAgreement(world, 10 * 30_000);
  });

  it('A-06 are counted for a client of the relay that leaves', async () => {
    await using world = await clientLab([{}]);
    await using relay = await startRelay(world.whirl);
    const { host } = new URL(world.lab.site.httpUrl);
    const { socket } = await connectThrough(relay.url, host);
    socket.write(`GET /page/1 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    await relay.close();
    await expectAgreement(world, 2_000);
  });
});

describe('bytes of sessions', () => {
  it('A-06 add up to those of the proxies, also over connections that sessions share', async () => {
    await using world = await clientLab([{}]);
    const { lab, whirl } = world;
    const dispatcher = whirlDispatcher(whirl, labTls);
    const sessions = ['a', 'b', 'a', 'c', 'b', 'a'];
    for (const base of [lab.site.httpUrl, lab.site.httpsUrl]) {
      for (const sessionId of sessions) {
        const { body } = await request(`${base}/page/1`, { dispatcher: dispatcher.with({ sessionId }) });
        await body.text();
      }
    }
    await dispatcher.close();
    expect(lab.proxies[0]?.stats.connections).toBeLessThan(12);
    const bytes = ['a', 'b', 'c'].map((id) => whirl.rotator.sessions.get(id).bytes);
    const { bytesUp, bytesDown } = whirl.rotator.stats();
    expect(bytes.reduce((sum, one) => sum + one, 0)).toBe(bytesUp + bytesDown);
    // Six pages, and the first of the tunnels; four; and two.
    const [a = 0, b = 0, c = 0] = bytes;
    expect(c).toBeGreaterThan(2 * 2_000);
    expect(c).toBeLessThan(2 * 4_000);
    expect(b).toBeGreaterThan(4 * 2_000);
    expect(a).toBeGreaterThan(Math.max(b, 6 * 2_000));
    await expectAgreement(world, 12 * 2_000);
  });

  it('A-06 are known through got-scraping, whirl.fetch and the relay', async () => {
    await using world = await clientLab([{}]);
    const { lab, whirl } = world;
    const got = gotScraping.extend(whirlGot(whirl, { keepAlive: true }));
    const url = `${lab.site.httpUrl}/page/1`;
    await using relay = await startRelay(whirl);
    for (const round of ['1', '2']) {
      await got(url, { context: { sessionId: `got-${round}` } });
      const answer = await whirl.fetch(url, { sessionId: `fetch-${round}` });
      await answer.text();
      await getThrough(relay.url.replace('//', `//session-relay-${round}@`), url);
    }
    for (const id of ['got-1', 'got-2', 'fetch-1', 'fetch-2', 'relay-1', 'relay-2']) {
      const { bytes } = whirl.rotator.sessions.get(id);
      expect([id, bytes > 2_000, bytes < 4_000]).toEqual([id, true, true]);
    }
  });
});

describe('bytes of clients with connections of their own', () => {
  it('A-06 are those of the answers of got-scraping without our agents', async () => {
    await using world = await clientLab([{}]);
    const got = gotScraping.extend(whirlGot(world.whirl));
    const lengths: number[] = [];
    for (const path of ['/page/1', '/ip']) {
      const { rawBody } = await got(`${world.lab.site.httpUrl}${path}`);
      lengths.push(rawBody.byteLength);
    }
    const sum = lengths.reduce((total, bytes) => total + bytes, 0);
    expect(sum).toBeGreaterThan(2_000);
    expect(world.whirl.rotator.stats()).toMatchObject({ bytesUp: 0, bytesDown: sum });
  });

  it('C-07 are all on the wire where Crawlee needs a bridge to a SOCKS proxy', async () => {
    await using world = await clientLab([{ kind: 'socks5', credentials }]);
    const { lab, whirl } = world;
    const info = await whirl.newProxyInfo('session-1');
    if (info === undefined) throw new Error('There is a proxy');
    expect(new URL(info.url).protocol).toBe('http:');
    await getThrough(info.url, `${lab.site.httpUrl}/page/1`);
    const { host } = new URL(lab.site.httpsUrl);
    await getInside((await connectThrough(info.url, host)).socket, `${lab.site.httpsUrl}/page/2`);
    await whirl.close();
    await expectAgreement(world, 2 * 2_000);
  });
});

describe('bytes of what goes on', () => {
  it('A-06 are known while a long answer still flows, and a budget stops what would be next', async () => {
    const budgets = [{ bytes: 5_000_000 }];
    await using world = await clientLab([{}], { budgets }, { pageBytes: 8_000_000 });
    const { lab, whirl } = world;
    const told: number[] = [];
    whirl.rotator.on('budget', ({ percent }) => told.push(percent));
    const dispatcher = whirlDispatcher(whirl, labTls);
    const { body } = await request(`${lab.site.httpUrl}/page/1`, { dispatcher });
    // Most of it is read, and then nothing any more: the answer has not ended.
    let seen = 0;
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      seen += (chunk as Buffer).length;
      if (seen > 6_000_000) break;
    }
    await expect.poll(() => told).toEqual([80, 100]);
    expect(whirl.rotator.stats().active).toBe(1);
    await expect(request(lab.site.httpUrl, { dispatcher })).rejects.toMatchObject({
      code: 'PW_NO_CANDIDATE',
      removedBy: { budget: 1 },
    });
    await using relay = await startRelay(whirl);
    expect(await getThrough(relay.url, lab.site.httpUrl)).toMatchObject({ status: 503 });
    expect((await connectThrough(relay.url, new URL(lab.site.httpUrl).host)).status).toBe(503);
    await expect(whirl.fetch(lab.site.httpUrl)).rejects.toThrow('1 by budget');
    for await (const chunk of body) seen += (chunk as Buffer).length;
    expect(seen).toBeGreaterThan(8_000_000);
    await dispatcher.close();
    await expectAgreement(world, 8_000_000);
  });
});
