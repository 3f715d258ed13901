import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { TargetSiteOptions } from '../../src/lab/index.js';
import { createApp } from '../../src/server/app.js';
import { countConnects } from '../matrix/connect-count.js';
import { type ApiWorld, startApi } from './api-world.js';

interface Proxied {
  readonly statusCode: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: string;
  readonly bodyEncoding: string;
  readonly proxyUsed: { readonly id: string; readonly url: string };
  readonly attempts: number;
  readonly elapsedMs: number;
  readonly url: string;
}

const send = (world: ApiWorld, order: object) => world.call<Proxied>('POST', '/request', order);

/** A site that answers with what it got, or with these bytes. */
async function bytesSite(bytes: Uint8Array | null): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.setHeader('set-cookie', ['a=1, still a', 'b=2']);
    response.end(bytes ?? Buffer.concat(chunks));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const answering = (answer: TargetSiteOptions['answer']): { site: TargetSiteOptions } => ({
  site: { answer: answer as NonNullable<typeof answer> },
});

describe('POST /request', () => {
  it('A-10 A-11 brings an answer, with the proxy, the attempts and the time', async () => {
    await using world = await startApi();
    const url = `${world.lab.site.httpUrl}/ip`;
    const { status, data } = await send(world, { url, timeout: 20 });
    expect(status).toBe(200);
    expect(data).toEqual({
      statusCode: 200,
      headers: expect.objectContaining({ 'content-type': expect.stringContaining('application/json') }),
      body: expect.any(String),
      bodyEncoding: 'text',
      proxyUsed: { id: expect.stringMatching(/^px_/), url: expect.stringMatching(/^http:/) },
      attempts: 1,
      elapsedMs: expect.any(Number),
      url,
    });
    expect(JSON.parse(data.body)).toEqual({ address: new URL(data.proxyUsed.url).hostname });
    expect(data.headers).not.toHaveProperty('content-length');
  });

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('A-10 sends %s', async (method) => {
    await using world = await startApi();
    const takesBody = method !== 'GET' && method !== 'HEAD';
    const order = { url: `${world.lab.site.httpUrl}/ip`, method, ...(takesBody && { body: '{"a":1}' }) };
    expect((await send(world, order)).data.statusCode).toBe(200);
    expect(world.lab.site.requests.map((request) => request.method)).toEqual([method]);
  });

  it.each([
    ['nothing', {}],
    ['another scheme', { url: 'ftp://example.com/' }],
    ['no URL', { url: 'example.com' }],
    ['credentials in the URL', { url: 'http://user:secret-word@example.com/' }],
    ['a method that is none of them', { url: 'http://example.com/', method: 'TRACE' }],
    ['a timeout of 0', { url: 'http://example.com/', timeout: 0 }],
    ['a timeout above 300 s', { url: 'http://example.com/', timeout: 300.1 }],
    ['a body for GET', { url: 'http://example.com/', body: 'x' }],
    [
      'a body that is no base64',
      { url: 'http://example.com/', method: 'POST', body: '?', bodyEncoding: 'base64' },
    ],
    ['a session id with a space', { url: 'http://example.com/', sessionId: 'a b' }],
    ['no country', { url: 'http://example.com/', country: 'XX' }],
    ['an unknown key', { url: 'http://example.com/', colour: 'secret-word' }],
  ])('A-02 A-10 refuses %s without connecting', async (_what, order) => {
    await using world = await startApi();
    using connects = countConnects();
    const { status, error, text } = await send(world, order);
    expect([status, error.code, connects.total()]).toEqual([400, 'VALIDATION_ERROR', 0]);
    expect(text).not.toContain('secret-word');
  });

  it('A-12 three requests use three proxies', async () => {
    await using world = await startApi();
    const url = `${world.lab.site.httpUrl}/ip`;
    const used = [];
    for (let i = 0; i < 3; i++) used.push((await send(world, { url })).data.proxyUsed.id);
    expect(new Set(used).size).toBe(3);
  });

  it('A-12 one dead and one live proxy succeed, and the answer tells of both attempts', async () => {
    await using world = await startApi({ lab: { proxies: [{ fault: 'dead' }, {}] } });
    const { status, data } = await send(world, { url: `${world.lab.site.httpUrl}/ip` });
    expect([status, data.attempts, data.proxyUsed.url]).toEqual([200, 2, world.lab.proxies[1]?.url]);
  });

  it('A-11 proxyUsed is that of this request, 200 at once', async () => {
    await using world = await startApi({ lab: { proxies: 8 } });
    const url = `${world.lab.site.httpUrl}/ip`;
    const answers = await Promise.all(Array.from({ length: 200 }, () => send(world, { url })));
    const wrong = answers.filter(
      ({ data }) => JSON.parse(data.body).address !== new URL(data.proxyUsed.url).hostname,
    );
    expect(wrong).toEqual([]);
    expect(new Set(answers.map(({ data }) => data.proxyUsed.id)).size).toBe(8);
  });

  it('A-10 a session stays on its proxy, and a country is kept to', async () => {
    await using world = await startApi();
    const url = `${world.lab.site.httpUrl}/ip`;
    const used = [];
    for (let i = 0; i < 4; i++) used.push((await send(world, { url, sessionId: 's1' })).data.proxyUsed.id);
    expect(new Set(used).size).toBe(1);
    const { status, error } = await send(world, { url, country: 'DE' });
    expect([status, error.code, error.details]).toEqual([
      503,
      'PROXY_POOL_EMPTY',
      { removedBy: { country: 3 } },
    ]);
  });

  it('A-10 sessions of two keys are two sessions, whatever their names', async () => {
    await using world = await startApi({
      api: { keys: ['one', 'two'].map((name) => ({ name, key: `key-of-${name}-`.padEnd(40, 'x') })) },
    });
    const used = async (key: string): Promise<string> => {
      const response = await world.app(
        new Request('http://localhost/api/v1/request', {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-api-key': `key-of-${key}-`.padEnd(40, 'x') },
          body: JSON.stringify({ url: `${world.lab.site.httpUrl}/ip`, sessionId: 'checkout' }),
        }),
      );
      return ((await response.json()) as { data: Proxied }).data.proxyUsed.id;
    };
    const [first, second] = [await used('one'), await used('two')];
    expect(second).not.toBe(first);
    expect([await used('one'), await used('two')]).toEqual([first, second]);
    expect(world.whirl.rotator.sessions.find('checkout')).toBeUndefined();
  });

  it.each([
    ['text', new TextEncoder().encode('\ufeffgrüße\n'), '\ufeffgrüße\n'],
    ['base64', Uint8Array.of(0, 255, 254, 10), 'AP/+Cg=='],
    ['text', new Uint8Array(), ''],
  ])('A-11 tells a body as %s, and loses nothing of it', async (bodyEncoding, bytes, body) => {
    await using world = await startApi();
    const { data } = await send(world, { url: await bytesSite(bytes) });
    expect(data).toMatchObject({ bodyEncoding, body, headers: { 'set-cookie': ['a=1, still a', 'b=2'] } });
    const echo = await send(world, { url: await bytesSite(null), method: 'POST', body, bodyEncoding });
    expect(echo.data).toMatchObject({ bodyEncoding, body });
  });

  it.each([0, 1])(
    'A-13 C-05 nothing goes direct, whatever onEmpty says, with %i proxies that are dead',
    async (dead) => {
      await using world = await startApi({
        engine: { onEmpty: 'direct' },
        lab: { proxies: [{ fault: 'dead' }] },
      });
      if (dead === 0) world.whirl.rotator.pool.replace([]);
      const { status } = await send(world, { url: `${world.lab.site.httpUrl}/ip` });
      expect([status, world.lab.site.counts.requests]).toEqual([dead === 0 ? 503 : 502, 0]);
    },
  );

  it('A-13 an answer above the limit is a 502', async () => {
    await using world = await startApi({ api: { maxResponseBytes: 1_000 } });
    const { status, error } = await send(world, { url: `${world.lab.site.httpUrl}/page/1` });
    expect([status, error.code]).toEqual([502, 'RESPONSE_TOO_LARGE']);
  });

  it('A-13 row 23: an empty pool answers 503 at once, with Retry-After and without a connection', async () => {
    await using world = await startApi({
      lab: { proxies: 1 },
      // Longer than a test may take: whoever waits fails it.
      engine: { onEmpty: 'wait', waitMs: 60_000 },
    });
    for (const { id } of world.whirl.rotator.pool.list()) world.whirl.rotator.pool.remove(id);
    // The parts that load with the first request have.
    await send(world, { url: `${world.lab.site.httpUrl}/ip` });
    using connects = countConnects();
    const { status, error, headers } = await send(world, { url: `${world.lab.site.httpUrl}/ip` });
    expect([status, error.code, connects.total()]).toEqual([503, 'PROXY_POOL_EMPTY', 0]);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(world.lab.site.counts.requests).toBe(0);
  });

  it('A-13 only dead proxies are a 502, and the details name each attempt', async () => {
    await using world = await startApi({ lab: { proxies: [{ fault: 'dead' }, { fault: 'dead' }] } });
    const { status, error } = await send(world, { url: `${world.lab.site.httpUrl}/ip` });
    expect([status, error.code]).toEqual([502, 'PROXY_FAILOVER_EXHAUSTED']);
    expect(error.details).toEqual({
      attempts: [1, 2].map(() => ({
        proxyId: expect.stringMatching(/^px_/),
        verdict: 'proxy',
        elapsedMs: expect.any(Number),
        code: 'PW_PROXY_REFUSED',
      })),
    });
  });

  it('A-13 a target that nobody can reach is a 504', async () => {
    await using world = await startApi({ lab: { proxies: 2 } });
    const { status, error } = await send(world, { url: 'https://nobody.localhost:1/' });
    expect([status, error.code]).toEqual([504, 'TARGET_UNREACHABLE']);
  });

  it('A-13 a deadline that passes is a 504', async () => {
    await using world = await startApi({ lab: { proxies: [{ fault: 'hang' }] } });
    const { status, error } = await send(world, { url: `${world.lab.site.httpUrl}/ip`, timeout: 0.2 });
    expect([status, error.code]).toEqual([504, 'REQUEST_TIMEOUT']);
  });

  it('row 24: while all fail at once a request is one try, and who recovers serves again', async () => {
    await using world = await startApi({
      lab: { proxies: Array.from({ length: 20 }, () => ({ fault: 'dead' as const })) },
      engine: { breaker: { openMs: 50 } },
    });
    const url = `${world.lab.site.httpUrl}/ip`;
    const tries: number[] = [];
    while (tries.length < 5) {
      const { inPanic } = world.whirl.rotator;
      const { error } = await send(world, { url });
      // While everybody's time out runs, there is nobody to try.
      if (inPanic && error.code === 'PROXY_FAILOVER_EXHAUSTED')
        tries.push((error.details as { attempts: unknown[] }).attempts.length);
    }
    expect(tries).toEqual([1, 1, 1, 1, 1]);
    await world.lab.proxies[7]?.behave({ fault: 'none' });
    await vi.waitFor(async () => {
      const { status, data } = await send(world, { url });
      expect([status, data?.proxyUsed.url]).toEqual([200, world.lab.proxies[7]?.url]);
    });
  });

  it('row 52: a client that leaves closes what goes upstream, and costs nobody anything', async () => {
    await using world = await startApi({ lab: { proxies: [{ fault: 'hang' }] } });
    const settled: string[] = [];
    world.whirl.rotator.on('settled', ({ verdict }) => settled.push(verdict));
    const leaving = new AbortController();
    const answer = world.app(
      new Request('http://localhost/api/v1/request', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url: `${world.lab.site.httpUrl}/ip` }),
        signal: leaving.signal,
      }),
    );
    await vi.waitFor(() => expect(world.lab.proxies[0]?.stats.openSockets).toBe(1));
    leaving.abort();
    expect((await answer).status).toBe(503);
    expect(settled).toEqual(['neutral']);
    await vi.waitFor(() => expect(world.lab.proxies[0]?.stats.openSockets).toBe(0));
  });
});

describe('redirects', () => {
  const redirecting = (location: string) =>
    answering(({ path }) =>
      path === '/from' ? { status: 302, headers: { location }, body: '' } : undefined,
    );

  it('are an answer, unless they are asked for', async () => {
    await using world = await startApi({ lab: redirecting('/ip') });
    const url = `${world.lab.site.httpUrl}/from`;
    expect((await send(world, { url })).data).toMatchObject({
      statusCode: 302,
      headers: { location: '/ip' },
      url,
    });
    const followed = await send(world, { url, followRedirects: true });
    expect(followed.data).toMatchObject({ statusCode: 200, url: `${world.lab.site.httpUrl}/ip` });
  });

  it.each([
    ['to a private address', 'http://169.254.169.254/latest/meta-data/'],
    ['to another port of this machine', 'http://127.0.0.1:1/'],
    ['from http to a private https', 'https://10.0.0.1/'],
    ['to a name that is reserved', 'http://metadata.google.internal/'],
  ])('section 6: one %s is refused like the URL itself, and not followed', async (_what, location) => {
    await using world = await startApi({ lab: redirecting(location) });
    const { port } = new URL(world.lab.site.httpUrl);
    const app = createApp({
      whirl: world.whirl,
      allowPrivateTargets: ['127.0.0.1'],
      targetPorts: [Number(port)],
    });
    onTestFinished(() => app.close());
    const response = await app(
      new Request('http://localhost/api/v1/request', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url: `${world.lab.site.httpUrl}/from`, followRedirects: true }),
      }),
    );
    const { error } = await response.json();
    expect([response.status, error.code]).toEqual([403, 'TARGET_REFUSED']);
    expect(world.lab.site.counts.requests).toBe(1);
    expect(world.lab.proxies.reduce((sum, proxy) => sum + proxy.requests.length, 0)).toBe(1);
  });

  it('section 6: five are followed, and credentials go to no other origin', async () => {
    const hop = answering(({ path, headers }) => {
      const n = Number(path.slice(1));
      if (!Number.isInteger(n)) return undefined;
      if (n === 0)
        return { status: 200, headers: {}, body: `${headers.authorization ?? '-'} ${headers.cookie ?? '-'}` };
      return { status: 302, headers: { location: `/${n - 1}` }, body: '' };
    });
    await using world = await startApi({ lab: hop });
    const url = (n: number) => `${world.lab.site.httpUrl}/${n}`;
    const headers = { Authorization: 'Bearer own', Cookie: 'c=1' };
    const order = { headers, followRedirects: true };
    expect((await send(world, { url: url(5), ...order })).data.body).toBe('Bearer own c=1');
    expect((await send(world, { url: url(6), ...order })).error.code).toBe('PW_FETCH_REDIRECT');
    await using other = await startApi({
      lab: answering(({ path }) =>
        path === '/away' ? { status: 307, headers: { location: url(0) }, body: '' } : undefined,
      ),
    });
    const away = await send(other, { url: `${other.lab.site.httpUrl}/away`, ...order });
    expect(away.data.body).toBe('- -');
  });
});
