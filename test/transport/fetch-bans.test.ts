import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Lab, type SiteAnswer, type SiteRequest, startLab } from '../../src/lab/index.js';
import type { ProxiedInit } from '../../src/transport/fetch-init.js';
import { loopTime } from '../support/loop-time.js';
import { overLab, startWorld } from './fetch-world.js';
import { type PageFixture, readPages } from './page-fixtures.js';
import { onRequest, startScriptedProxy } from './scripted-proxy.js';

const REAL = '<!doctype html><title>Lamp</title><p>A lamp, 7.00</p>';
const realPage: SiteAnswer = { status: 200, headers: { 'content-type': 'text/html' }, body: REAL };

/** Path and query of a URL of a fixture. */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** What a site with this page answers: where the fixture was redirected, the redirect comes first. */
function served({ answer }: PageFixture, { path }: SiteRequest): SiteAnswer {
  const { url, finalUrl, status, headers, body = '' } = answer;
  if (finalUrl !== undefined && path === pathOf(url))
    return { status: 302, headers: { location: pathOf(finalUrl) }, body: '' };
  return { status, headers: headers as SiteAnswer['headers'], body };
}

/** A redirect that the client did not follow is asked for as such. */
const initOf = ({ answer }: PageFixture): ProxiedInit =>
  answer.status >= 300 && answer.status < 400 ? { redirect: 'manual' } : {};

let lab: Lab;
let answer: (request: SiteRequest) => SiteAnswer | undefined;
let first = '';

beforeAll(async () => {
  lab = await startLab({ proxies: 4, site: { answer: (request) => answer(request) } });
  first = lab.proxies[0]?.address ?? '';
});
afterAll(() => lab.close());

describe('row 16: a page that turns one proxy away', () => {
  it.each(readPages('ban-pages').map((page) => [page.file, page] as const))(
    '%s: the answer comes from another proxy, the pair rests, other hosts keep the proxy',
    async (_file, page) => {
      answer = (request) => (request.address === first ? served(page, request) : realPage);
      const world = overLab(lab, {});
      const [banned, next] = world.rotator.pool.list();
      const url = lab.site.httpsUrl + pathOf(page.answer.url);
      const response = await world.fetch(url, initOf(page));
      expect(await response.text()).toBe(REAL);
      expect(response).toMatchObject({ status: 200, verdict: 'success', rule: null });
      expect(response.proxy.id).toBe(next?.id);
      expect(response.attempts).toMatchObject([
        { proxyId: banned?.id, verdict: 'banned', code: null, rule: page.rule },
        { proxyId: next?.id, verdict: 'success', code: null },
      ]);
      await vi.waitFor(() =>
        expect(world.settled.map(({ verdict }) => verdict)).toEqual(['banned', 'success']),
      );
      const carriers = async (base: string): Promise<Set<string>> => {
        const ids = new Set<string>();
        for (let i = 0; i < 8; i++) ids.add((await world.fetch(`${base}/`)).proxy.id);
        return ids;
      };
      answer = () => realPage;
      expect([...(await carriers(lab.site.httpsUrl))]).not.toContain(banned?.id);
      expect([...(await carriers(lab.site.httpUrl))]).toContain(banned?.id);
      await world.dispatchers.destroy();
    },
  );
});

describe('row 16: a page that only looks like it', () => {
  it.each(readPages('benign-pages').map((page) => [page.file, page] as const))(
    '%s is not flagged, and arrives byte for byte',
    async (_file, page) => {
      answer = (request) => served(page, request);
      const world = overLab(lab, {});
      const base = page.answer.plainHttp ? lab.site.httpUrl : lab.site.httpsUrl;
      const response = await world.fetch(base + pathOf(page.answer.url), initOf(page));
      expect(response.status).toBe(page.answer.status);
      expect(await response.text()).toBe(page.answer.body);
      const verdicts = new Set(response.attempts.map(({ verdict }) => verdict));
      expect(verdicts).not.toContain('banned');
      // The two of them that a forward proxy wrote may be better through another one; the rest is what it is.
      const carriers = new Set(response.attempts.map(({ proxyId }) => proxyId));
      expect(carriers.size).toBe(page.answer.plainHttp ? 3 : 1);
      await world.dispatchers.destroy();
    },
  );

  it('such as 403 of a JSON API, is a success of the proxy', async () => {
    answer = () => ({
      status: 403,
      headers: { 'content-type': 'application/json' },
      body: '{"error":"scope"}',
    });
    const world = overLab(lab, {});
    const response = await world.fetch(`${lab.site.httpsUrl}/admin`);
    expect(response).toMatchObject({ status: 403, verdict: 'success', rule: null });
    expect(await response.json()).toEqual({ error: 'scope' });
    expect(response.attempts).toHaveLength(1);
    await vi.waitFor(() => expect(world.settled).toMatchObject([{ verdict: 'success' }]));
    await world.dispatchers.destroy();
  });
});

describe('when every proxy is turned away', () => {
  const wall: SiteAnswer = {
    status: 403,
    headers: { 'content-type': 'text/html', 'retry-after': '7' },
    body: `<title>No</title>${'x'.repeat(300_000)}`,
  };

  it('the last answer is handed out, and row 17: all pairs rest as long as it says', async () => {
    answer = () => wall;
    const world = overLab(lab, {});
    const cooldowns: number[] = [];
    world.rotator.on('cooldown', ({ cooldownMs }) => cooldowns.push(cooldownMs));
    const response = await world.fetch(`${lab.site.httpsUrl}/`);
    expect(response).toMatchObject({ status: 403, verdict: 'banned', rule: 'status-403' });
    // Nobody has read the body yet.
    expect(cooldowns).toEqual([7_000, 7_000, 7_000]);
    expect(response.attempts.map(({ proxyId }) => proxyId)).toEqual(
      world.rotator.pool
        .list()
        .slice(0, 3)
        .map(({ id }) => id),
    );
    expect(response.proxy.id).toBe(response.attempts.at(-1)?.proxyId);
    expect(await response.text()).toBe(wall.body);
    expect(response.clone).toBeTypeOf('function');
    await vi.waitFor(() => expect(world.rotator.stats().active).toBe(0));
    await world.dispatchers.destroy();
  });

  it('it is handed out as well when the other proxies fail in another way, or there is none', async () => {
    answer = () => wall;
    for (const others of [[], [{ fault: 'dead' }, { fault: 'dead' }] as const]) {
      await using few = await startLab({ proxies: [{}, ...others], site: { answer: () => wall } });
      const world = overLab(few, {});
      const response = await world.fetch(`${few.site.httpsUrl}/`);
      expect(response).toMatchObject({ status: 403, verdict: 'banned' });
      expect(response.attempts.map(({ verdict }) => verdict)).toEqual([
        'banned',
        ...others.map(() => 'proxy'),
      ]);
      expect(response.proxy.id).toBe(response.attempts[0]?.proxyId);
      expect(await response.text()).toBe(wall.body);
      await world.dispatchers.destroy();
    }
  });

  it('a HEAD is tried elsewhere as well, a POST is not: it is handed out at once', async () => {
    answer = ({ address }) => (address === first ? wall : realPage);
    for (const [method, status, attempts] of [
      ['HEAD', 200, 2],
      ['POST', 403, 1],
    ] as const) {
      const world = overLab(lab, {});
      const response = await world.fetch(`${lab.site.httpsUrl}/`, { method });
      expect([response.status, response.attempts.length]).toEqual([status, attempts]);
      expect(world.settled[0]).toMatchObject({ verdict: 'banned' });
      if (method === 'POST') expect(await response.text()).toBe(wall.body);
      await world.dispatchers.destroy();
    }
  });

  it('a session moves to the proxy that was let in', async () => {
    answer = ({ address }) => (address === first ? wall : realPage);
    const world = overLab(lab, {});
    const moved = await world.fetch(`${lab.site.httpsUrl}/`, { sessionId: 'cart' });
    expect(moved.attempts).toHaveLength(2);
    const next = await world.fetch(`${lab.site.httpsUrl}/`, { sessionId: 'cart' });
    expect(next.attempts).toMatchObject([{ proxyId: moved.proxy.id, verdict: 'success' }]);
    await world.dispatchers.destroy();
  });
});

describe('an answer that trickles in', () => {
  const head = (type: string): string =>
    `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: ${type}\r\n\r\n`;

  it.each(['text/html', 'application/octet-stream'])(
    'is handed out while its body comes: %s',
    async (type) => {
      let finish = (): void => {};
      await using server = await startScriptedProxy((socket) =>
        onRequest(socket, () => {
          socket.write(`${head(type)}first`);
          finish = () => socket.end(', then the rest');
        }),
      );
      await using world = await startWorld({ proxies: 0, urls: [`http://127.0.0.1:${server.port}`] });
      // It would come to nothing if the whole body were waited for.
      const response = await world.fetch('http://shop.test/');
      finish();
      expect(await response.text()).toBe('first, then the rest');
    },
  );

  it('holds up no download, and a page for a second', async () => {
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, (request) =>
        socket.write(head(request.includes('/page') ? 'text/html' : 'application/octet-stream')),
      ),
    );
    await using world = await startWorld({ proxies: 0, urls: [`http://127.0.0.1:${server.port}`] });
    const order: string[] = [];
    const [download, page] = await Promise.all(
      ['file', 'page'].map(async (path) => {
        const response = await world.fetch(`http://shop.test/${path}`);
        order.push(path);
        return response;
      }),
    );
    expect(page?.timings.totalMs).toBeGreaterThanOrEqual(1_000);
    expect(order).toEqual(['file', 'page']);
    await Promise.all([download?.body?.cancel(), page?.body?.cancel()]);
  });

  it('cannot hold a call past its deadline', async () => {
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, () => socket.write(head('text/html'))),
    );
    await using world = await startWorld({ proxies: 0, urls: [`http://127.0.0.1:${server.port}`] });
    const passed = loopTime();
    await expect(world.fetch('http://shop.test/', { deadlineMs: 200 })).rejects.toMatchObject({
      code: 'PW_FETCH_DEADLINE',
      attempts: [{ verdict: 'success' }],
    });
    expect(passed()).toBeLessThan(300);
    expect(world.rotator.stats().active).toBe(0);
  });

  it('can be aborted, at no cost to the proxy', async () => {
    const caller = new AbortController();
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, () => socket.write(head('text/html'), () => setImmediate(() => caller.abort()))),
    );
    await using world = await startWorld({ proxies: 0, urls: [`http://127.0.0.1:${server.port}`] });
    const coming = world.fetch('http://shop.test/', { signal: caller.signal });
    await expect(coming).rejects.toMatchObject({ code: 'PW_FETCH_ABORTED' });
    expect(world.rotator.stats()).toMatchObject({ active: 0, failed: 0 });
  });
});

describe('a proxy that is not there', () => {
  it('opens its breaker at the second refusal', async () => {
    await using world = await startWorld({ proxies: [{ fault: 'dead' }, {}] });
    const opened: string[] = [];
    world.rotator.on('breaker', ({ proxyId, to }) => opened.push(`${proxyId} ${to}`));
    const dead = world.rotator.pool.list()[0]?.id;
    const url = `${world.lab.site.httpsUrl}/ip`;
    while (world.settled.filter(({ verdict }) => verdict === 'proxy').length < 2) {
      expect(opened).toEqual([]);
      await (await world.fetch(url)).text();
    }
    expect(opened).toEqual([`${dead} open`]);
  });
});
