import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createRotator } from '../../src/create-rotator.js';
import { OptionsError } from '../../src/errors.js';
import { type ApiOptions, resolveApiOptions } from '../../src/server/api-options.js';
import { type ApiApp, createApp } from '../../src/server/app.js';
import { ApiKeys } from '../../src/server/auth.js';
import { RateLimit } from '../../src/server/rate-limit.js';
import { apiVersion } from '../../src/server/version.js';
import { FakeClock } from '../support/fake-clock.js';
import { seededRandom } from '../support/seeded-random.js';
import { thrownBy } from '../support/thrown-by.js';

const key = 'k'.repeat(40);

/** The API over an engine whose proxies do not exist: nothing is sent through them here. */
function guarded(options: ApiOptions = {}): { app: ApiApp; clock: FakeClock; lines: string[] } {
  const clock = new FakeClock();
  const rotator = createRotator({ proxies: ['http://192.0.2.1:8000'], clock });
  const lines: string[] = [];
  const whirl = {
    rotator,
    health: { check: async () => [], on: () => () => {} },
    cache: null,
    fetch: () => Promise.reject(new Error('sent')),
    flush: async () => {},
  };
  return { app: createApp({ whirl, log: (line) => lines.push(line), ...options }), clock, lines };
}

async function ask(
  app: ApiApp,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  init: { method?: string; body?: string; address?: string } = {},
): Promise<{ status: number; code: string | null; headers: Headers }> {
  const { address, ...rest } = init;
  const request = new Request(`http://localhost/api/v1${path}`, { headers, ...rest });
  const response = await app(request, address === undefined ? {} : { address });
  const text = await response.text();
  const isJson = text !== '' && response.headers.get('content-type') === 'application/json';
  return {
    status: response.status,
    code: isJson ? (JSON.parse(text).error?.code ?? null) : null,
    headers: response.headers,
  };
}

describe('Host, Origin and what a browser says of a page', () => {
  it.each([
    ['localhost', 200],
    ['localhost:8000', 200],
    ['LOCALHOST', 200],
    ['127.0.0.1:9', 200],
    ['[::1]:8000', 200],
    ['api.example.com', 200],
    ['evil.example', 421],
    ['localhost.evil.example', 421],
    ['localhost.', 421],
    ['127.0.0.2', 421],
    ['127.0.0.1@evil.example', 421],
    ['localhost:80:80', 421],
    ['[::1', 421],
    ['', 421],
  ])('answers for the host %o with %i', async (host, status) => {
    const { app } = guarded({ hosts: ['API.example.com'] });
    expect((await ask(app, '/config', { host })).status).toBe(status);
  });

  it.each<[string, Record<string, string>, number]>([
    ['a page of another site', { origin: 'https://evil.example' }, 403],
    ['a page without an origin', { origin: 'null' }, 403],
    [
      'a page of this machine at another port',
      { origin: 'http://localhost:3000', host: 'localhost:8000' },
      403,
    ],
    ['a page over another scheme', { origin: 'https://localhost:8000', host: 'localhost:8000' }, 403],
    ['an image of another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['an image of a neighbour', { 'sec-fetch-site': 'same-site' }, 403],
    ['the reference page', { origin: 'http://localhost:8000', host: 'localhost:8000' }, 200],
    ['somebody who types the address', { 'sec-fetch-site': 'none' }, 200],
    ['a program', {}, 200],
  ])('is asked by %s', async (_name, headers, status) => {
    const { app } = guarded();
    const got = await ask(app, '/config', headers);
    expect([got.status, got.code]).toEqual([status, status === 403 ? 'ORIGIN_REFUSED' : null]);
  });
});

describe('A-03 CORS, headers and the log', () => {
  it('A-03 sends no Access-Control header to anybody, unless origins are listed', async () => {
    const { app } = guarded();
    for (const origin of ['https://evil.example', 'https://app.example', 'http://localhost']) {
      for (const method of ['GET', 'OPTIONS']) {
        const { headers } = await ask(app, '/config', { origin }, { method });
        expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    }
  });

  it('A-03 lets a listed origin in, preflight included, and no other', async () => {
    const { app } = guarded({ origins: ['https://app.example'], keys: [{ name: 'me', key }] });
    const preflight = await ask(app, '/config', { origin: 'https://app.example' }, { method: 'OPTIONS' });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('X-API-Key');
    const got = await ask(app, '/config', { origin: 'https://app.example', 'x-api-key': key });
    expect([got.status, got.headers.get('access-control-allow-origin'), got.headers.get('vary')]).toEqual([
      200,
      'https://app.example',
      'Origin',
    ]);
    expect((await ask(app, '/config', { origin: 'https://app.example.evil' })).status).toBe(403);
  });

  it('A-03 A-52 every answer, whatever it is, has the security headers and is not kept', async () => {
    const { app } = guarded({ keys: [{ name: 'me', key }] });
    const answers = await Promise.all([
      ask(app, '/config', { 'x-api-key': key }),
      ask(app, '/config'),
      ask(app, '/nothing'),
      ask(app, '/config', { host: 'evil.example' }),
      ask(app, '/health', {}, { method: 'DELETE' }),
      ask(app, '/health', {}, { method: 'HEAD' }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 404, 421, 405, 200]);
    for (const { headers } of answers) {
      expect(Object.fromEntries(headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      });
      expect(headers.has('x-powered-by')).toBe(false);
    }
  });

  it('A-03 one event is one line of JSON, whatever is in it: escaped, and cut at 512 characters', async () => {
    const { app, lines } = guarded({ trustProxy: true });
    const nasty = 'a\u001b[31m\u202eevil';
    const { status } = await ask(
      app,
      '/config',
      { 'content-type': 'application/json', 'x-forwarded-for': 'x'.repeat(2_000) },
      { method: 'PUT', body: JSON.stringify({ timeout: 5 }) },
    );
    expect(status).toBe(200);
    expect(lines).toHaveLength(1);
    expect((JSON.parse(lines[0] ?? '') as { address: string }).address.length).toBeLessThan(600);
    const { logLine } = await import('../../src/server/api-log.js');
    const line = logLine('x', 'now', { [nasty]: `${nasty}\n\u2028\u0085\u{e0041}`, long: 'y'.repeat(5_000) });
    expect(line).toMatch(/^[\x20-\x7e…]+$/);
    expect(JSON.parse(line)).toMatchObject({ [nasty]: `${nasty}\n\u2028\u0085\u{e0041}` });
    expect(line.length).toBeLessThan(900);
  });
});

describe('A-05 keys', () => {
  it('A-05 finds each of several keys, and nothing for others of any length', () => {
    const keys = resolveApiOptions({
      keys: [
        { name: 'one', key: 'a'.repeat(32), scopes: ['read'] },
        { name: 'two', key: 'b'.repeat(256), scopes: ['admin'] },
      ],
    }).keys;
    const known = new ApiKeys(keys);
    expect(known.find('a'.repeat(32))).toMatchObject({ name: 'one', scopes: new Set(['read']) });
    expect(known.find('b'.repeat(256))?.scopes).toEqual(new Set(['read', 'request', 'admin']));
    for (const wrong of [null, '', 'a', 'a'.repeat(31), 'a'.repeat(33), 'b'.repeat(255), 'ä'.repeat(32)])
      expect(known.find(wrong)).toBeNull();
    expect(JSON.stringify(known)).not.toContain('aaa');
  });

  it('A-05 no key is compared by an operator: the time that takes tells how much of it is right', async () => {
    const source = await readFile('src/server/auth.ts', 'utf8');
    expect(source).toContain('timingSafeEqual(known.digest, digest)');
    const compared = source.split('\n').filter((line) => /[!=]==?(?!>)/.test(line.replace(/ = /g, ' ')));
    expect(compared.filter((line) => !line.includes('=== null'))).toEqual([]);
  });

  it('A-05 takes the key from the header alone: not from the query, nor from Authorization', async () => {
    const { app } = guarded({ keys: [{ name: 'me', key }] });
    expect((await ask(app, '/config', { authorization: `Bearer ${key}` })).status).toBe(401);
    expect((await ask(app, `/config?api_key=${key}`)).status).toBe(401);
    expect((await ask(app, '/config', { 'x-api-key': key })).status).toBe(200);
  });

  it.each([
    [[{ name: 'me', key: 'short' }], 'keys.0.key'],
    [[{ name: 'me', key: 'k'.repeat(31) }], 'keys.0.key'],
    [[{ name: 'me', key: `${'k'.repeat(40)} ` }], 'keys.0.key'],
    [[{ name: 'a b', key }], 'keys.0.name'],
    [[{ name: 'me', key, scopes: [] }], 'keys.0.scopes'],
    [
      [
        { name: 'me', key },
        { name: 'me', key: 'l'.repeat(40) },
      ],
      'keys',
    ],
  ])('A-05 refuses weak or unclear keys, and does not repeat them: %#', (keys, path) => {
    const error = thrownBy(() => resolveApiOptions({ keys } as unknown as ApiOptions)) as OptionsError;
    expect(error).toBeInstanceOf(OptionsError);
    expect(error.issues.map((issue) => issue.path)).toContain(path);
    expect(error.message).not.toMatch(/kkkk|short/);
  });

  it('A-05 refuses whoever tries an eleventh key within a minute, with the right one too, and then lets go', async () => {
    const { app, clock } = guarded({ keys: [{ name: 'me', key }] });
    const guess = (address: string, given: string): ReturnType<typeof ask> =>
      ask(app, '/config', { 'x-api-key': given }, { address });
    for (let i = 0; i < 10; i++) expect((await guess('127.0.0.9', `wrong-${i}`)).status).toBe(401);
    const stopped = await guess('127.0.0.9', key);
    expect([stopped.status, stopped.code]).toEqual([429, 'RATE_LIMITED']);
    expect((await guess('127.0.0.10', key)).status).toBe(200);
    clock.advance(Number(stopped.headers.get('retry-after')) * 1_000);
    expect((await guess('127.0.0.9', key)).status).toBe(200);
  });
});

describe('A-04 rate limits', () => {
  it('A-04 the 101st request of a minute is refused until Retry-After is over, for each key on its own', async () => {
    const { app, clock } = guarded({
      keys: [
        { name: 'one', key },
        { name: 'two', key: 'l'.repeat(40) },
      ],
    });
    const one = (): ReturnType<typeof ask> => ask(app, '/config', { 'x-api-key': key });
    for (let i = 0; i < 100; i++) expect((await one()).status).toBe(200);
    const refused = await one();
    expect([refused.status, refused.code]).toEqual([429, 'RATE_LIMITED']);
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect((await ask(app, '/config', { 'x-api-key': 'l'.repeat(40) })).status).toBe(200);
    clock.advance(wait * 1_000 - 1_000);
    expect((await one()).status).toBe(429);
    clock.advance(1_000);
    expect((await one()).status).toBe(200);
  });

  it('A-04 the 51st POST /request is refused, and counts apart from the rest', async () => {
    const { app } = guarded();
    const headers = { 'content-type': 'application/json' };
    // Refused by the policy, without a connection: it counts all the same.
    const body = JSON.stringify({ url: 'http://127.0.0.1/' });
    const post = (): ReturnType<typeof ask> => ask(app, '/request', headers, { method: 'POST', body });
    for (let i = 0; i < 50; i++) expect((await post()).code).toBe('TARGET_REFUSED');
    expect((await post()).status).toBe(429);
    expect((await ask(app, '/config')).status).toBe(200);
  });

  it('A-04 counts by the address of the socket where there are no keys, whatever X-Forwarded-For says', async () => {
    const limited = { rateLimits: { perMinute: 2 } };
    const { app } = guarded(limited);
    const from = (address: string, forwarded: string): Promise<number> =>
      ask(app, '/config', { 'x-forwarded-for': forwarded }, { address }).then(({ status }) => status);
    expect([
      await from('127.0.0.1', '1'),
      await from('127.0.0.1', '2'),
      await from('127.0.0.1', '3'),
    ]).toEqual([200, 200, 429]);
    expect(await from('127.0.0.2', '1')).toBe(200);
    const trusting = guarded({ ...limited, trustProxy: true }).app;
    const through = (forwarded: string): Promise<number> =>
      ask(trusting, '/config', { 'x-forwarded-for': forwarded }, { address: '127.0.0.1' }).then(
        (got) => got.status,
      );
    // The last entry is the proxy's own; those before it are whatever the client wrote.
    expect([
      await through('a, 10.0.0.1'),
      await through('b, 10.0.0.1'),
      await through('c, 10.0.0.1'),
    ]).toEqual([200, 200, 429]);
    expect(await through('a, 10.0.0.2')).toBe(200);
  });

  it('A-04 counts a network of IPv6 as one client, and each address of IPv4', async () => {
    const { app } = guarded({ rateLimits: { perMinute: 1 } });
    const statuses = [];
    for (const address of [
      '2001:db8:1:2::1',
      '2001:db8:1:2:ffff::9',
      '2001:0db8:0001:0002:0:0:0:7',
      '2001:db8:1:3::1',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:127.0.0.2',
      '::ffff:127.0.0.2',
    ])
      statuses.push((await ask(app, '/config', {}, { address })).status);
    expect(statuses).toEqual([200, 429, 429, 200, 200, 200, 200, 429]);
  });

  it('A-04 paths that are nowhere count as well', async () => {
    const { app } = guarded({ rateLimits: { perMinute: 2 } });
    const statuses = [];
    for (const path of ['/a', '/b', '/c']) statuses.push((await ask(app, path)).status);
    expect(statuses).toEqual([404, 404, 429]);
  });

  it('A-04 never lets more than the limit pass within any 60 s by more than the estimate errs, nor less than it in all', () => {
    const clock = new FakeClock();
    const random = seededRandom(7);
    const limit = new RateLimit(clock);
    const passed: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      clock.advance(random() * 400);
      if (limit.take('x', 100) === 0) passed.push(clock.now());
    }
    const most = Math.max(
      ...passed.map((at, i) => {
        let last = i;
        while ((passed[last + 1] ?? Number.POSITIVE_INFINITY) < at + 60_000) last++;
        return last - i + 1;
      }),
    );
    // Five per second are offered evenly, so that what the counter assumes of the minute before is true.
    expect(most).toBeGreaterThan(90);
    expect(most).toBeLessThanOrEqual(110);
  });

  it('A-04 remembers 10,000 clients at most: 100,000 addresses leave no more', () => {
    const limit = new RateLimit(new FakeClock());
    for (let i = 0; i < 100_000; i++) limit.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 100);
    expect(limit.size).toBe(10_000);
  });
});

describe('A-02 paths and methods', () => {
  it.each([
    ['/nothing', 'GET', 404, null],
    ['/config/', 'GET', 404, null],
    ['/config', 'DELETE', 405, 'GET, PUT'],
    ['/health', 'POST', 405, 'GET'],
    ['/proxies/test', 'PUT', 405, 'GET, POST, PATCH, DELETE'],
    ['/proxies/%ff', 'GET', 400, null],
  ])('A-02 %s by %s: %i, Allow %o', async (path, method, status, allow) => {
    const { app } = guarded();
    const got = await ask(app, path, {}, { method });
    expect([got.status, got.headers.get('allow')]).toEqual([status, allow]);
  });

  it('A-02 HEAD is GET without the body, and a stream that it asks for is not left behind', async () => {
    const { app } = guarded({ maxEventClients: 1 });
    for (let i = 0; i < 3; i++) expect((await ask(app, '/events', {}, { method: 'HEAD' })).status).toBe(200);
  });

  it('A-02 an error that nobody expected is 500 INTERNAL: no stack, no path, no message', async () => {
    const secret = 'SELECT * FROM proxies WHERE password = hunter2 at /srv/app/db.js:12';
    const { app, lines } = guarded({
      saveConfig: () => Promise.reject(new TypeError(secret)),
    });
    const response = await app(
      new Request('http://localhost/api/v1/config', {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ timeout: 5, persist: true }),
      }),
    );
    const text = await response.text();
    expect([response.status, JSON.parse(text).error]).toEqual([
      500,
      { code: 'INTERNAL', message: 'The request failed inside the server.', details: null },
    ]);
    expect(text + lines.join()).not.toMatch(/SELECT|hunter2|srv|stack/);
  });

  it('A-01 meta has the time of the injected clock, a request id of its own, and the version of the package', async () => {
    const { app } = guarded({ now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) });
    const metas = await Promise.all(
      ['/config', '/config', '/nothing'].map(
        async (path) => (await (await app(new Request(`http://localhost/api/v1${path}`))).json()).meta,
      ),
    );
    expect(metas[0]).toMatchObject({ timestamp: '2026-01-02T03:04:05.678Z', version: apiVersion });
    expect(new Set(metas.map(({ requestId }) => requestId)).size).toBe(3);
  });
});
