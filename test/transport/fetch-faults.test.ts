import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { labCertificatePem, labKeyPem, type ProxyFault } from '../../src/lab/index.js';
import type { FetchError } from '../../src/transport/fetch-error.js';
import type { ProxiedInit } from '../../src/transport/fetch-init.js';
import { loopTime } from '../support/loop-time.js';
import { type FetchWorld, overLab, startWorld } from './fetch-world.js';
import { onRequest, startScriptedProxy } from './scripted-proxy.js';

let world: FetchWorld;

beforeEach(async () => {
  world = await startWorld({ proxies: 2 });
});
afterEach(async () => {
  // Every lease that was taken was settled, once.
  await vi.waitFor(() => expect(world.settled).toHaveLength(world.leases()));
  expect(world.rotator.stats().proxies.every(({ active }) => active === 0)).toBe(true);
  await world[Symbol.asyncDispose]();
});

async function outcome(
  url: string,
  init: ProxiedInit = {},
  through = world,
): Promise<{ code: string; ms: number; codes: (string | null)[]; verdicts: string[] }> {
  const passed = loopTime();
  const result = await through
    .fetch(url, init)
    .then(async (response) => {
      await response.text();
      return { code: String(response.status), attempts: response.attempts };
    })
    .catch((error: FetchError) => error);
  const { code, attempts } = result;
  return {
    code,
    ms: passed(),
    codes: attempts.map((attempt) => attempt.code),
    verdicts: attempts.map((attempt) => attempt.verdict),
  };
}

async function first(fault: ProxyFault | ProxyFault['kind']): Promise<void> {
  await world.lab.proxies[0]?.behave({ fault });
}

const connections = (): number => world.lab.proxies[0]?.stats.connections ?? 0;

describe('a fault of the first proxy, and a second one that is well', () => {
  it.each([
    ['dead', 'PW_PROXY_REFUSED', 'proxy'],
    ['close', 'PW_PROXY_CLOSED', 'ambiguous'],
    ['close-after-connect', 'PW_PROXY_CLOSED', 'ambiguous'],
    ['reset', 'PW_PROXY_RESET', 'proxy'],
    ['garbage', 'PW_PROXY_BAD_RESPONSE', 'proxy'],
    ['auth', 'PW_PROXY_AUTH', 'auth'],
    [{ kind: 'connect-status', status: 403, body: 'portal' }, 'PW_PROXY_CONNECT_STATUS', 'proxy'],
    [{ kind: 'connect-status', status: 502 }, 'PW_PROXY_CONNECT_STATUS', 'ambiguous'],
    [{ kind: 'connect-status', status: 302 }, 'PW_PROXY_CONNECT_STATUS', 'proxy'],
  ] as const)('%o: the answer comes at once over https, a POST as well', async (fault, code, verdict) => {
    await first(fault);
    for (const method of ['GET', 'POST']) {
      const before = connections();
      // Round robin: of two calls one begins at the bad proxy.
      const results = [
        await outcome(`${world.lab.site.httpsUrl}/ip`, { method }),
        await outcome(`${world.lab.site.httpsUrl}/ip`, { method }),
      ];
      expect(results.map((result) => result.code)).toEqual(['200', '200']);
      const failed = results.find(({ codes }) => codes.length > 1);
      if (method === 'GET') {
        expect(failed).toMatchObject({ codes: [code, null], verdicts: [verdict, 'success'] });
        expect(failed?.ms).toBeLessThan(500);
        if (fault !== 'dead') expect(connections() - before).toBe(1);
      }
    }
    expect(world.lab.site.requests.filter(({ method }) => method === 'POST')).toHaveLength(2);
  });

  it.each(['close', 'reset', 'garbage', 'auth', 'dead'] as const)(
    '%s: a GET over http is repeated on the other proxy',
    async (fault) => {
      await first(fault);
      const results = [
        await outcome(`${world.lab.site.httpUrl}/ip`),
        await outcome(`${world.lab.site.httpUrl}/ip`),
      ];
      expect(results.map((result) => result.code)).toEqual(['200', '200']);
      expect(results.some(({ codes }) => codes.length === 2)).toBe(true);
    },
  );

  it('the 407 of an http proxy is never an answer: any method goes elsewhere', async () => {
    for (const proxy of world.lab.proxies) await proxy.behave({ fault: 'auth' });
    const result = await outcome(`${world.lab.site.httpUrl}/ip`, { method: 'POST', body: 'x' });
    expect(result).toMatchObject({
      code: 'PW_FETCH_EXHAUSTED',
      codes: ['PW_PROXY_AUTH', 'PW_PROXY_AUTH'],
      verdicts: ['auth', 'auth'],
    });
  });

  it('a refused password leaves no connection to the proxy, over http or https', async () => {
    for (const proxy of world.lab.proxies) await proxy.behave({ fault: 'auth' });
    for (const url of [world.lab.site.httpUrl, world.lab.site.httpsUrl]) {
      expect(await outcome(`${url}/ip`)).toMatchObject({ verdicts: ['auth', 'auth'] });
      await vi.waitFor(() => expect(world.lab.proxies.map(({ stats }) => stats.openSockets)).toEqual([0, 0]));
    }
  });

  it('a page of the proxy (59x) is never an answer', async () => {
    for (const proxy of world.lab.proxies)
      await proxy.behave({ fault: { kind: 'connect-status', status: 595 } });
    expect(await outcome(`${world.lab.site.httpUrl}/ip`)).toMatchObject({
      code: 'PW_FETCH_EXHAUSTED',
      codes: ['PROXY_PAGE', 'PROXY_PAGE'],
    });
    expect(await outcome(`${world.lab.site.httpUrl}/ip`, { method: 'POST' })).toMatchObject({
      code: 'PW_FETCH_EXHAUSTED',
      codes: ['PROXY_PAGE'],
    });
  });

  it('makes no more attempts than asked for, each on another proxy', async () => {
    await using all = await startWorld({
      proxies: Array.from({ length: 12 }, () => ({ fault: 'reset' as const })),
    });
    for (const [attempts, made] of [
      [undefined, 3],
      [1, 1],
      [50, 10],
    ] as const) {
      const result = await outcome(
        `${all.lab.site.httpsUrl}/ip`,
        attempts === undefined ? {} : { attempts },
        all,
      );
      expect(result).toMatchObject({ code: 'PW_FETCH_EXHAUSTED' });
      expect(result.codes).toHaveLength(made);
    }
    expect(all.lab.proxies.every(({ stats }) => stats.connections <= 3)).toBe(true);
  });
});

describe('a silent proxy', () => {
  it.each(['https', 'http'] as const)('is cut by the deadline, %s', async (scheme) => {
    for (const proxy of world.lab.proxies) await proxy.behave({ fault: 'hang' });
    const result = await outcome(`${world.lab.site[`${scheme}Url`]}/ip`, { deadlineMs: 1_000 });
    expect(result).toMatchObject({ code: 'PW_FETCH_DEADLINE' });
    expect(result.ms).toBeLessThan(1_100);
    expect(world.lab.proxies.reduce((sum, { stats }) => sum + stats.connections, 0)).toBe(1);
    await vi.waitFor(() =>
      expect(world.lab.proxies.every(({ stats }) => stats.openSockets === 0)).toBe(true),
    );
  });

  it('that drips its head is cut as well', async () => {
    for (const proxy of world.lab.proxies) await proxy.behave({ fault: { kind: 'drip', everyMs: 50 } });
    for (const scheme of ['https', 'http'] as const) {
      const result = await outcome(`${world.lab.site[`${scheme}Url`]}/ip`, { deadlineMs: 300 });
      expect(result).toMatchObject({ code: 'PW_FETCH_DEADLINE', verdicts: ['neutral'] });
      expect(result.ms).toBeLessThan(400);
    }
  });

  it.each(['https', 'http'] as const)('is left within 20 ms of an abort, %s', async (scheme) => {
    for (const proxy of world.lab.proxies) await proxy.behave({ fault: 'hang' });
    const controller = new AbortController();
    const asked = Promise.race(world.lab.proxies.map((proxy) => proxy.nextRequest()));
    const pending = outcome(`${world.lab.site[`${scheme}Url`]}/ip`, { signal: controller.signal });
    await asked;
    const passed = loopTime();
    controller.abort();
    expect(await pending).toMatchObject({ code: 'PW_FETCH_ABORTED', verdicts: ['neutral'] });
    expect(passed()).toBeLessThan(20);
    const late = await outcome(world.lab.site.httpUrl, { signal: controller.signal });
    expect(late).toMatchObject({ code: 'PW_FETCH_ABORTED', codes: [] });
  });

  it('is given up for another one when the time to the first byte is over, but not with a POST', async () => {
    await first('hang');
    const phases = { firstByteMs: 100 };
    const url = `${world.lab.site.httpUrl}/ip`;
    const results = [await outcome(url, { phases }), await outcome(url, { phases })];
    expect(results.map(({ code }) => code)).toEqual(['200', '200']);
    expect(results.map(({ codes }) => codes)).toContainEqual(['FIRST_BYTE_TIMEOUT', null]);
    const posts = [
      await outcome(url, { phases, method: 'POST' }),
      await outcome(url, { phases, method: 'POST' }),
    ];
    expect(posts.map(({ codes }) => codes)).toContainEqual(['FIRST_BYTE_TIMEOUT']);
    expect(posts.map(({ code }) => code).sort()).toEqual(['200', 'PW_FETCH_EXHAUSTED']);
  });

  it('is given up after what is long for it, once it is known', async () => {
    const url = `${world.lab.site.httpUrl}/ip`;
    const plain = overLab(world.lab, { settings: { adaptiveTimeout: false } });
    for (let i = 0; i < 6; i++) {
      await outcome(url);
      await outcome(url, {}, plain);
    }
    await first('hang');
    const results = [await outcome(url), await outcome(url)];
    expect(results.map(({ code }) => code)).toEqual(['200', '200']);
    expect(results.map(({ codes }) => codes)).toContainEqual(['PROXY_SLOW', null]);
    expect(Math.max(...results.map(({ ms }) => ms))).toBeLessThan(1_500);
    const patient = [
      await outcome(url, { deadlineMs: 1_500 }, plain),
      await outcome(url, { deadlineMs: 1_500 }, plain),
    ];
    expect(patient.map(({ code }) => code).sort()).toEqual(['200', 'PW_FETCH_DEADLINE']);
    expect(patient.flatMap(({ verdicts }) => verdicts)).toContain('ambiguous');
    await plain.dispatchers.destroy();
  });
});

describe('a body that breaks off', () => {
  it.each([false, true])('is an error, never a success, reset: %s', async (reset) => {
    await using cut = await startWorld({ proxies: 2, site: { pageBytes: 20_000 }, breaks: false });
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
    const digest = sha256(await (await cut.fetch(`${cut.lab.site.httpsUrl}/page/1`)).text());
    const results: string[] = [];
    for (let i = 0; i < 100; i++) {
      for (const proxy of cut.lab.proxies)
        await proxy.behave({ fault: { kind: 'truncate', afterBytes: 1 + 190 * i, reset } });
      const scheme = i % 2 === 0 ? 'http' : 'https';
      const response = await cut.fetch(`${cut.lab.site[`${scheme}Url`]}/page/1`).catch((e: FetchError) => e);
      if (response instanceof Error) results.push(response.code);
      else
        results.push(
          await response.text().then(
            (text) =>
              createHash('sha256').update(text).digest('hex') === digest ? 'whole' : `${text.length}`,
            (error: FetchError) => error.code,
          ),
        );
    }
    expect(new Set(results)).toContain('PW_FETCH_BODY_BROKEN');
    expect(results.filter((code) => !code.startsWith('PW_FETCH_') && code !== 'whole')).toEqual([]);
    await vi.waitFor(() => expect(cut.settled).toHaveLength(cut.leases()));
    const succeeded = cut.settled.filter(({ verdict }) => verdict === 'success');
    expect(succeeded).toHaveLength(1 + results.filter((result) => result === 'whole').length);
  });

  it.each([
    ['Content-Length: 10', 'hello'],
    ['Content-Length: 10\r\nConnection: close', 'hello'],
    ['Transfer-Encoding: chunked', '5\r\nhello\r\n'],
    ['Transfer-Encoding: chunked\r\nConnection: close', '5\r\nhello\r\n'],
    ['Transfer-Encoding: chunked\r\nConnection: close', '5\r\nhel'],
  ])('in every framing: %o', async (framing, part) => {
    for (const reset of [false, true]) {
      await using server = await startScriptedProxy((socket) =>
        onRequest(socket, () => {
          socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${part}`);
          setTimeout(() => (reset ? socket.resetAndDestroy() : socket.end()), 10);
        }),
      );
      await using one = await startWorld({ proxies: 0, urls: [`http://127.0.0.1:${server.port}`] });
      expect(await outcome('http://shop.test/', {}, one)).toMatchObject({ code: 'PW_FETCH_BODY_BROKEN' });
      expect(one.settled).toMatchObject([{ verdict: 'ambiguous' }]);
    }
  });

  it('or stalls, or outlives the deadline', async () => {
    await using server = await startScriptedProxy((socket) =>
      onRequest(socket, (head) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx');
        socket.once('end', () => socket.end());
        if (head.includes('/drip')) {
          const timer = setInterval(() => socket.write('x'), 20);
          socket.once('close', () => clearInterval(timer));
        }
      }),
    );
    await using one = await startWorld({ proxies: 0, urls: [`http://127.0.0.1:${server.port}`] });
    const idle = await outcome('http://shop.test/stall', { phases: { idleMs: 100 } }, one);
    expect(idle).toMatchObject({ code: 'PW_FETCH_BODY_BROKEN' });
    expect(idle.ms).toBeLessThan(300);
    const late = await outcome('http://shop.test/drip', { deadlineMs: 300 }, one);
    expect(late).toMatchObject({ code: 'PW_FETCH_DEADLINE' });
    expect(late.ms).toBeLessThan(400);
    const controller = new AbortController();
    const response = await one.fetch('http://shop.test/drip', { signal: controller.signal });
    const passed = loopTime();
    controller.abort();
    await expect(response.text()).rejects.toMatchObject({ code: 'PW_FETCH_ABORTED' });
    expect(passed()).toBeLessThan(20);
    expect(one.settled.map(({ verdict }) => verdict)).toEqual(['ambiguous', 'ambiguous', 'neutral']);
    await server.drained();
  });
});

describe('a reset after the target has the request', () => {
  it('a POST reaches it once, over http', async () => {
    const fault = { kind: 'reset', at: 'response' } as const;
    await using set = await startWorld({ proxies: [{ fault }, { fault }, { fault }], breaks: false });
    for (let i = 0; i < 200; i++) {
      const url = `${set.lab.site.httpUrl}/ip?n=${i}`;
      const result = await outcome(url, { method: 'POST', body: `${i}` }, set);
      expect(result).toMatchObject({ code: 'PW_FETCH_EXHAUSTED', codes: [expect.any(String)] });
    }
    const paths = set.lab.site.requests.map(({ path }) => path);
    expect(new Set(paths).size).toBe(200);
    expect(paths).toHaveLength(200);
  });

  it('a POST reaches it once, over https', async () => {
    const lines: string[] = [];
    await using target = await startScriptedProxy(
      (socket) =>
        onRequest(socket, (head) => {
          lines.push(head.split('\r\n')[0] ?? '');
          socket.destroy();
        }),
      { cert: labCertificatePem, key: labKeyPem },
    );
    await using set = await startWorld({ proxies: 3, breaks: false });
    for (let i = 0; i < 200; i++) {
      const url = `https://localhost:${target.port}/?n=${i}`;
      const result = await outcome(url, { method: 'POST', body: `${i}` }, set);
      expect(result).toMatchObject({ code: 'PW_FETCH_EXHAUSTED' });
      // Once three proxies have failed the same host, the engine knows whose fault it is.
      expect(result.verdicts).toEqual([
        i < 2 ? 'ambiguous' : expect.stringMatching(/^(?:ambiguous|target)$/),
      ]);
    }
    expect(new Set(lines).size).toBe(200);
    expect(lines).toHaveLength(200);
    await outcome(`https://localhost:${target.port}/get`, {}, set);
    expect(lines.slice(200)).toEqual(Array(3).fill('GET /get HTTP/1.1'));
  });

  it('a GET is sent again, and so is a POST whose caller says that it may be', async () => {
    await first({ kind: 'reset', at: 'response' });
    const url = `${world.lab.site.httpUrl}/ip`;
    for (const init of [
      {},
      { method: 'POST', headers: { 'idempotency-key': 'k' } },
      { method: 'PATCH', body: 'x', retryNonIdempotent: true },
    ]) {
      const results = [await outcome(url, init), await outcome(url, init)];
      expect(results.map(({ code }) => code)).toEqual(['200', '200']);
      expect(results.some(({ codes }) => codes.length === 2)).toBe(true);
    }
  });

  it('a PUT is not when its body is large or a stream', async () => {
    for (const proxy of world.lab.proxies) await proxy.behave({ fault: { kind: 'reset', at: 'response' } });
    const url = `${world.lab.site.httpUrl}/ip`;
    for (const body of ['x'.repeat(70_000), new Blob(['x']).stream()])
      expect((await outcome(url, { method: 'PUT', body })).codes).toHaveLength(1);
    expect((await outcome(url, { method: 'PUT', body: 'x' })).codes).toHaveLength(2);
  });
});

describe('when everything fails', () => {
  it('retries stay within their budget', async () => {
    // Breakers that never open, so that nothing but the budget bounds the retries.
    await using storm = await startWorld({
      proxies: Array.from({ length: 10 }, () => ({ fault: { kind: 'reset', at: 'response' } as const })),
      breaks: false,
    });
    const url = `${storm.lab.site.httpUrl}/ip`;
    let requests = 0;
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 40 }, async () => {
          requests += 1;
          await storm.fetch(url).catch(() => {});
        }),
      );
    }
    expect(storm.lab.site.requests.length).toBeLessThanOrEqual(1.2 * requests + 100);
    expect(storm.lab.site.requests.length).toBeGreaterThan(1.2 * requests);
    await vi.waitFor(() => expect(storm.settled).toHaveLength(storm.leases()));
  });
});
