import { inspect } from 'node:util';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { SourceBatch, SourceValidator } from '../../src/sources/source.js';
import { type UrlSourceOptions, type UrlSourceParts, url } from '../../src/sources/url.js';
import { loopTime } from '../support/loop-time.js';
import { endless, listServer, text } from './list-server.js';

const lines = (count: number): string =>
  Array.from({ length: count }, (_, i) => `192.0.2.${i % 250}:${1000 + Math.floor(i / 250)}`).join('\n');
const gzip = { 'content-encoding': 'gzip' };

type Loaded = SourceBatch & { changed: true };

/** Loads from a server on loopback, which is allowed for once. */
function load(
  address: string,
  options: UrlSourceOptions = {},
  validator: SourceValidator | null = null,
  parts: UrlSourceParts = {},
): Promise<SourceBatch> {
  const { signal } = new AbortController();
  return url(address, { allowPrivate: ['127.0.0.2'], ...options }, parts).load({ signal, validator });
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'loaded',
    ({ code, reason }) => `${code} ${reason}`,
  );

describe('a list behind a URL', () => {
  it('is fetched and read, with what the source says of all its proxies', async () => {
    const { origin } = await listServer(text('192.0.2.1:80\nnonsense\n192.0.2.1:80\n'));
    const batch = (await load(origin, { name: 'mine', tags: ['free'], cost: 2 })) as Loaded;
    expect(batch.proxies).toMatchObject([{ host: '192.0.2.1', source: 'mine', tags: ['free'], cost: 2 }]);
    expect(batch.rejected).toMatchObject([{ line: 2 }]);
    expect(batch.rejectedCount).toBe(1);
  });

  it('names itself by its host, and says honestly who asks', async () => {
    const { origin, requests } = await listServer(text(lines(1)));
    expect(url(`${origin}/list?key=c4n4ry`).name).toBe('127.0.0.2');
    await load(origin, { headers: { Authorization: 'Bearer k', 'user-agent': 'Mozilla/5.0' } });
    expect(requests[0]?.headers).toMatchObject({
      'user-agent': expect.stringContaining('ProxyWhirl'),
      authorization: 'Bearer k',
      'accept-encoding': 'gzip, br',
    });
  });

  it.each([
    ['gzip', gzipSync(lines(2000))],
    ['br', brotliCompressSync(lines(2000))],
    ['identity', Buffer.from(lines(2000))],
  ])('is decoded: %s', async (encoding, body) => {
    const { origin } = await listServer(text(body, { 'content-encoding': encoding }));
    expect(((await load(origin)) as Loaded).proxies).toHaveLength(2000);
  });

  it('is asked for with the validators of the list in force', async () => {
    const { origin, requests } = await listServer((request, response) => {
      const isKnown = request.headers['if-none-match'] === '"v1"';
      response.writeHead(isKnown ? 304 : 200, { etag: '"v1"', 'last-modified': 'yesterday' });
      response.end(isKnown ? undefined : lines(3));
    });
    const first = (await load(origin)) as Loaded;
    expect(first.validator).toEqual({ etag: '"v1"', lastModified: 'yesterday' });
    expect(await load(origin, {}, first.validator)).toEqual({ changed: false });
    expect(requests[1]?.headers['if-modified-since']).toBe('yesterday');
  });

  it('leaves no connection behind, whatever became of it', async () => {
    const server = await listServer(endless('x'.repeat(1000)));
    expect(await failure(load(server.origin, { maxBytes: 50_000 }))).toContain('too-large');
    await expect.poll(server.open).toBe(0);
  });

  it('reads no body of an answer that is no list', async () => {
    const server = await listServer((_request, response) => {
      response.writeHead(500).write('x');
    });
    expect(await failure(load(server.origin))).toBe('PW_SOURCE_UNREADABLE status');
    await expect.poll(server.open).toBe(0);
  });

  it('ends with the signal', async () => {
    const server = await listServer(() => {});
    const stopping = new AbortController();
    const loading = url(server.origin, { allowPrivate: true }).load({
      signal: stopping.signal,
      validator: null,
    });
    await expect.poll(() => server.requests.length).toBe(1);
    stopping.abort();
    expect(await failure(loading)).toBe('PW_SOURCE_UNREADABLE aborted');
    await expect.poll(server.open).toBe(0);
  });
});

describe('row 48: a list that is too much', () => {
  it.each<[string, UrlSourceOptions, string]>([
    ['more bytes than allowed, by its length', {}, 'x'.repeat(10_000_001)],
    ['more bytes than its own limit', { maxBytes: 999 }, lines(100)],
    ['more proxies than allowed', {}, lines(100_001)],
    ['more proxies than its own limit', { maxProxies: 99 }, lines(100)],
    ['a page that is too long to be read at once', {}, `<p>${'x'.repeat(1_100_000)}`],
    ['more words than proxies are allowed', { maxProxies: 10 }, 'no\n'.repeat(21)],
  ])('refuses %s', async (_what, options, body) => {
    const { origin } = await listServer(text(body));
    expect(await failure(load(origin, options))).toBe('PW_SOURCE_INVALID too-large');
  });

  it('believes a length that is too much, and waits for no byte of it', async () => {
    const { origin } = await listServer((_request, response) => {
      response.writeHead(200, { 'content-length': '10000001' }).flushHeaders();
    });
    expect(await failure(load(origin, { timeoutMs: 5000 }))).toBe('PW_SOURCE_INVALID too-large');
  });

  it('reads no more of 1 GB than 10 MB, and what was under way', async () => {
    const server = await listServer(endless(`${lines(1)}\n`.repeat(5000)));
    // Its total time is another limit, which a busy machine would meet first.
    expect(await failure(load(server.origin, { timeoutMs: 100_000 }))).toBe('PW_SOURCE_INVALID too-large');
    const sent = server.requests[0]?.socket.bytesWritten ?? 0;
    expect(sent).toBeGreaterThan(10_000_000);
    expect(sent).toBeLessThan(30_000_000);
  });
});

describe('row 49: a list that is a trap', () => {
  it('gives up on a byte now and then after its total time', async () => {
    const server = await listServer((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('1'), 10);
      response.on('close', () => clearInterval(timer));
    });
    const passed = loopTime();
    expect(await failure(load(server.origin, { timeoutMs: 300 }))).toBe('PW_SOURCE_UNREADABLE timeout');
    expect(passed()).toBeLessThan(1300);
    await expect.poll(server.open).toBe(0);
  });

  it('gives up on a server that says nothing, after 15 s when not told otherwise', async () => {
    const { origin } = await listServer(() => {});
    expect(await failure(load(origin, { timeoutMs: 200 }))).toBe('PW_SOURCE_UNREADABLE timeout');
    const delays: number[] = [];
    const timers = {
      setTimeout: (callback: () => void, ms: number) => {
        delays.push(ms);
        return setTimeout(callback, 0);
      },
      clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
    };
    await failure(load(origin, {}, null, { timers }));
    expect(delays).toEqual([15_000]);
  });

  it.each([
    [3, 'loaded', 4],
    [4, 'PW_SOURCE_UNREADABLE redirect', 4],
    [30, 'PW_SOURCE_UNREADABLE redirect', 4],
  ])('%i redirects: %s after %i requests', async (hops, outcome, requests) => {
    const server = await listServer((request, response) => {
      const hop = Number(request.url?.slice(1) || 0);
      if (hop < hops) response.writeHead(302, { location: `/${hop + 1}` }).end();
      else response.end(lines(3));
    });
    expect(await failure(load(server.origin))).toBe(outcome);
    expect(server.requests).toHaveLength(requests);
  });

  it('stops a bomb of gzip at the decoded bytes', async () => {
    const zeros = gzipSync(Buffer.alloc(60_000_000));
    expect(zeros.length).toBeLessThan(100_000);
    const { origin } = await listServer(text(zeros, gzip));
    expect(await failure(load(origin))).toBe('PW_SOURCE_INVALID too-large');
    expect(await failure(load(origin, { maxDecodedBytes: 1000 }))).toBe('PW_SOURCE_INVALID too-large');
  });

  it.each(['gzip, gzip', 'br, gzip', 'gzip,identity', 'deflate', 'zstd', 'nonsense'])(
    'refuses the content encoding "%s"',
    async (encoding) => {
      const { origin } = await listServer(
        text(gzipSync(gzipSync(lines(3))), { 'content-encoding': encoding }),
      );
      expect(await failure(load(origin))).toBe('PW_SOURCE_INVALID encoding');
    },
  );

  it('reports a body that is not what it says, or that breaks off', async () => {
    const plain = await listServer(text(lines(3), gzip));
    expect(await failure(load(plain.origin))).toBe('PW_SOURCE_UNREADABLE failed');
    const cut = await listServer((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write(lines(3), () => response.destroy());
    });
    expect(await failure(load(cut.origin))).toBe('PW_SOURCE_UNREADABLE failed');
  });
});

describe('row 50: what is no list', () => {
  it.each([
    ['an HTML error page', '<!doctype html><title>502</title><h1>Bad Gateway</h1>', 'no-proxies'],
    ['a page with a table of something else', '<table><tr><td>News</td></tr></table>', 'no-proxies'],
    ['a JSON error', '{"error":"rate limited","code":429}', 'no-proxies'],
    ['broken JSON', '{"data":[', 'no-proxies'],
    ['an empty body', '', 'empty'],
    ['an empty JSON list', '{"data":[]}', 'empty'],
    ['comments only', '# nothing today\n', 'empty'],
    ['words', 'Too many requests, try again later.', 'no-proxies'],
    ['binary data', '\u0000\u0001\u0002'.repeat(100), 'no-proxies'],
  ])('refuses %s', async (_what, body, reason) => {
    const { origin } = await listServer(text(body));
    expect(await failure(load(origin))).toBe(`PW_SOURCE_INVALID ${reason}`);
  });

  it.each([204, 304, 403, 404, 429, 500, 503])('refuses the status %i', async (status) => {
    const { origin } = await listServer(text(status === 204 || status === 304 ? '' : lines(3), {}, status));
    expect(await failure(load(origin))).toBe('PW_SOURCE_UNREADABLE status');
  });

  it.each([
    [429, { 'retry-after': '120' }, 120_000],
    [503, { 'retry-after': '900' }, 900_000],
    [503, { 'retry-after': '0' }, 1000],
    [429, { 'retry-after': '99999999' }, 3_600_000],
    // Against the clock of the server, which may be wrong.
    [429, { date: 'Sun, 06 Nov 1994 08:49:37 GMT', 'retry-after': 'Sun, 06 Nov 1994 08:50:37 GMT' }, 60_000],
    [429, { 'retry-after': '-1' }, null],
    [503, { 'retry-after': 'soon' }, null],
    [503, {}, null],
  ])('%i with %j asks to stay away for %s ms', async (status, headers, retryAfterMs) => {
    const { origin } = await listServer(text(lines(3), headers as Record<string, string>, status));
    await expect(load(origin)).rejects.toMatchObject({ reason: 'status', retryAfterMs });
  });

  it('reads a date of Retry-After against the own clock where the server shows none', async () => {
    const { origin } = await listServer((_request, response) => {
      response.sendDate = false;
      response.writeHead(503, { 'retry-after': 'Sun, 06 Nov 1994 08:50:37 GMT' }).end();
    });
    const wallNow = (): number => Date.UTC(1994, 10, 6, 8, 48, 37);
    await expect(load(origin, {}, null, { wallNow })).rejects.toMatchObject({ retryAfterMs: 120_000 });
  });
});

describe('section 6 of the threats: where a source may lead', () => {
  it.each([
    'http://127.0.0.1:1',
    'http://localhost:1',
    'http://[::1]:1',
    'http://2130706433:1',
    'http://169.254.169.254/',
  ])('refuses %s before anything is connected', async (address) => {
    const { signal } = new AbortController();
    expect(await failure(url(address).load({ signal, validator: null }))).toBe(
      'PW_SOURCE_UNREADABLE address',
    );
  });

  it('refuses a redirect to an address inside, without a connection to it', async () => {
    const inside = await listServer(text(lines(3)), '127.0.0.3');
    const { origin } = await listServer(text('', { location: inside.origin }, 302));
    expect(await failure(load(origin))).toBe('PW_SOURCE_UNREADABLE address');
    expect(inside.requests).toHaveLength(0);
  });

  it('refuses a name that a resolver leads inside', async () => {
    const inside = await listServer(text(lines(3)), '127.0.0.3');
    const lookup: UrlSourceParts['lookup'] = (_host, _options, callback) =>
      callback(null, [{ address: '127.0.0.3', family: 4 }]);
    const address = `http://lists.example:${new URL(inside.origin).port}/`;
    expect(await failure(load(address, {}, null, { lookup }))).toBe('PW_SOURCE_UNREADABLE address');
    expect(inside.requests).toHaveLength(0);
    expect(await failure(load(address, { allowPrivate: ['127.0.0.3'] }, null, { lookup }))).toBe('loaded');
  });

  it.each(['file:///etc/passwd', 'ftp://127.0.0.2/', 'data:text/plain,x', 'http://u:p@127.0.0.2/', '//['])(
    'follows no redirect to %s',
    async (location) => {
      const { origin } = await listServer(text('', { location }, 302));
      expect(await failure(load(origin))).toBe('PW_SOURCE_UNREADABLE redirect');
    },
  );

  it('gives up after its total time on a way of sending that never ends', async () => {
    const send: UrlSourceParts['send'] = () => new Promise(() => {});
    const outcome = await failure(load('https://lists.example/', { timeoutMs: 20 }, null, { send }));
    expect(outcome).toBe('PW_SOURCE_UNREADABLE timeout');
  });

  it('follows no redirect from https to http', async () => {
    const send: UrlSourceParts['send'] = async ({ protocol }) => ({
      status: protocol === 'https:' ? 302 : 200,
      headers: { location: 'http://lists.example/' },
      body: (async function* () {
        yield Buffer.from(lines(2));
      })(),
    });
    const outcome = await failure(load('https://lists.example/', {}, null, { send }));
    expect(outcome).toBe('PW_SOURCE_UNREADABLE redirect');
  });

  it('sends its own headers to no other origin, not even on the way back', async () => {
    const other = await listServer((_request, response) =>
      response.writeHead(302, { location: `${first.origin}/back` }).end(),
    );
    const first = await listServer((request, response) => {
      if (request.url === '/back') response.end(lines(3));
      else response.writeHead(302, { location: `${other.origin}/on` }).end();
    });
    await load(first.origin, { headers: { authorization: 'Bearer k', 'x-key': 'k' } });
    const seen = [first.requests[0], other.requests[0], first.requests[1]].map((one) => [
      one?.headers.authorization,
      one?.headers['x-key'],
    ]);
    expect(seen).toEqual([
      ['Bearer k', 'k'],
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  it('sends through what it is told to, instead', async () => {
    const asked: string[] = [];
    const send: UrlSourceParts['send'] = async (to) => {
      asked.push(to.href);
      return {
        status: 200,
        headers: {},
        body: (async function* () {
          yield Buffer.from(lines(2));
        })(),
      };
    };
    expect(await failure(load('https://lists.example/', {}, null, { send }))).toBe('loaded');
    expect(asked).toEqual(['https://lists.example/']);
  });

  it('Q-04 shows neither URL nor headers, in no error and no inspection', async () => {
    const { origin } = await listServer(text('', {}, 500));
    const source = url(`${origin}/?key=c4n4ry`, { allowPrivate: true, headers: { authorization: 'c4n4ry' } });
    const { signal } = new AbortController();
    const error = await source.load({ signal, validator: null }).catch((thrown: unknown) => thrown);
    expect(inspect([source, error], { depth: 9, showHidden: true })).not.toContain('c4n4ry');
  });
});

describe('options of url()', () => {
  it.each<[unknown, UrlSourceOptions, string]>([
    ['nonsense', {}, 'url'],
    ['ftp://lists.example/', {}, 'url'],
    ['http://u:p@lists.example/', {}, 'url'],
    ['http://lists.example/', { headers: { 'a b': 'x' } }, 'url.headers'],
    ['http://lists.example/', { headers: { a: 'x\r\ny: z' } }, 'url.headers'],
    ['http://lists.example/', { timeoutMs: 0 }, 'url.timeoutMs'],
    ['http://lists.example/', { maxBytes: 1.5 }, 'url.maxBytes'],
    ['http://lists.example/', { maxDecodedBytes: -1 }, 'url.maxDecodedBytes'],
    ['http://lists.example/', { maxProxies: 0 }, 'url.maxProxies'],
    ['http://lists.example/', { format: 'xml' as 'csv' }, 'url.format'],
    ['http://lists.example/', { allowPrivate: 'yes' as unknown as boolean }, 'url.allowPrivate'],
    ['http://lists.example/', { allowPrivate: ['x'] }, 'allowPrivate'],
    ['http://lists.example/', { intervalSeconds: 0 }, 'url.intervalSeconds'],
    ['http://lists.example/', { ttlSeconds: -1 }, 'url.ttlSeconds'],
    ['http://lists.example/', { vanished: 'forget' as 'keep' }, 'url.vanished'],
    ['http://lists.example/', { name: 'a\nb' }, 'url.name'],
    ['http://lists.example/', { cost: -1 }, 'cost'],
    ['http://lists.example/', { geo: { countryCode: 'XX' } }, 'geo'],
    ['http://lists.example/', { toString: 1 } as UrlSourceOptions, 'url.toString'],
    ['http://lists.example/', { ttl: 1 } as UrlSourceOptions, 'url.ttl'],
  ])('%s with %j names %s', (address, options, path) => {
    expect(() => url(address as string, options)).toThrow(
      expect.objectContaining({
        code: 'PW_OPTIONS_INVALID',
        issues: [expect.objectContaining({ path: expect.stringContaining(path) })],
      }),
    );
  });

  it('have their defaults', () => {
    expect(url('http://lists.example/', { intervalSeconds: undefined }).settings).toEqual({
      intervalSeconds: 900,
      ttlSeconds: 3600,
      vanished: 'remove',
      tags: [],
      geo: undefined,
      cost: undefined,
    });
  });

  it('format is not overruled by the content', async () => {
    const { origin } = await listServer(text('{"proxy":"192.0.2.1:80"}'));
    expect(await failure(load(origin))).toBe('loaded');
    expect(await failure(load(origin, { format: 'text' }))).toBe('PW_SOURCE_INVALID no-proxies');
  });
});
