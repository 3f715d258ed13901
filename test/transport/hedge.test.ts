import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRotator } from '../../src/create-rotator.js';
import { startLab } from '../../src/lab/index.js';
import { createFetch } from '../../src/transport/fetch.js';
import type { FetchError } from '../../src/transport/fetch-error.js';
import type { ProxiedInit } from '../../src/transport/fetch-init.js';
import { Hedging } from '../../src/transport/hedge.js';
import { LatencyRecord } from '../../src/transport/latency-record.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeTimers } from '../support/fake-timers.js';
import { loopTime } from '../support/loop-time.js';
import { seededRandom } from '../support/seeded-random.js';
import { proxyLines } from '../support/test-engine.js';
import { type FetchWorld, overLab, startWorld } from './fetch-world.js';
import { type Script, ScriptedDispatcher } from './scripted-dispatcher.js';

describe('when to hedge', () => {
  function hedgingOver(latencies: readonly number[], suspended = (): boolean => false) {
    const record = new LatencyRecord();
    for (const latency of latencies) record.add('known', latency);
    const clock = new FakeClock();
    return { clock, record, hedging: new Hedging(clock, record, suspended) };
  }
  const tens = Array.from({ length: 20 }, (_, i) => (i + 1) * 10);

  it('is after what 95 of 100 answers of the proxy take, or those of all proxies where it is not known', () => {
    const { hedging, record } = hedgingOver(tens);
    expect(hedging.delayMs('known')).toBeCloseTo(190, 6);
    expect(hedging.delayMs('new')).toBeCloseTo(190, 6);
    for (let i = 0; i < 9; i++) record.add('other', 5_000);
    expect(hedging.delayMs('other')).toBeCloseTo(5_000, 6);
    expect(hedging.delayMs('known')).toBeCloseTo(190, 6);
  });

  it('is not before 50 ms, and never while nothing is known', () => {
    expect(hedgingOver(tens.map((ms) => ms / 100)).hedging.delayMs('known')).toBe(50);
    expect(hedgingOver(tens.slice(0, 9)).hedging.delayMs('known')).toBeNull();
  });

  it('is for 5 of 100 requests of the last minute at most, and not while it is suspended', () => {
    let suspended = false;
    const { hedging, clock } = hedgingOver([], () => suspended);
    const hedges = (requests: number): number => {
      for (let i = 0; i < requests; i++) hedging.begin();
      let count = 0;
      while (hedging.withdraw()) count += 1;
      return count;
    };
    expect(hedges(19)).toBe(0);
    expect(hedges(1)).toBe(1);
    expect(hedges(980)).toBe(49);
    clock.advance(70_000);
    expect(hedges(0)).toBe(0);
    suspended = true;
    expect(hedges(1_000)).toBe(0);
    suspended = false;
    expect(hedges(0)).toBe(50);
  });
});

describe('a request through a proxy that became slow', () => {
  const SLOW_MS = 800;
  let world: FetchWorld;
  let url: string;

  beforeEach(async () => {
    world = await startWorld({ proxies: 2, settings: { hedge: true, adaptiveTimeout: false } });
    url = `${world.lab.site.httpUrl}/ip`;
    for (let i = 0; i < 40; i++) await (await world.fetch(url)).text();
    await world.lab.proxies[0]?.behave({ latencyMs: SLOW_MS });
    world.lab.site.forget();
  });
  afterEach(async () => {
    await vi.waitFor(() => expect(world.settled).toHaveLength(world.leases()));
    expect(world.rotator.stats().proxies.every(({ active }) => active === 0)).toBe(true);
    await world[Symbol.asyncDispose]();
  });

  const [slow, quick] = [0, 1].map((index) => (): string => world.rotator.pool.list()[index]?.id ?? '');

  /** Of two calls in turn, the one that began at the slow proxy. */
  async function throughSlow(init: ProxiedInit = {}, at = url) {
    for (;;) {
      const startedAt = performance.now();
      const response = await world.fetch(at, init).catch((error: FetchError) => error);
      const ms = performance.now() - startedAt;
      if (response instanceof Response) await response.arrayBuffer();
      const { attempts } = response;
      if (attempts.find(({ hedge }) => !hedge)?.proxyId === slow?.()) return { response, ms, attempts };
    }
  }

  it.each(['GET', 'HEAD'])('is answered by another one, and the loser is cut: %s', async (method) => {
    await world.lab.proxies[0]?.behave({ latencyMs: 60_000 });
    const { response, ms, attempts } = await throughSlow({ method });
    expect(response).toMatchObject({ status: 200, proxy: { id: quick?.() } });
    expect(ms).toBeGreaterThanOrEqual(50);
    expect(ms).toBeLessThan(30_000);
    expect(attempts).toEqual([
      { proxyId: slow?.(), verdict: 'neutral', elapsedMs: expect.any(Number), code: 'HEDGE_LOST' },
      { proxyId: quick?.(), verdict: 'success', elapsedMs: expect.any(Number), code: null, hedge: true },
    ]);
    await vi.waitFor(() => expect(world.lab.proxies[0]?.stats.openSockets).toBe(0));
    await vi.waitFor(() => expect(world.settled).toHaveLength(world.leases()));
    expect(world.settled.filter(({ proxyId }) => proxyId === slow?.()).at(-1)?.verdict).toBe('neutral');
  });

  it('is not sent twice when its method is another one', async () => {
    for (const method of ['POST', 'PUT']) {
      const { ms, attempts } = await throughSlow({ method });
      expect(attempts).toHaveLength(1);
      expect(ms).toBeGreaterThanOrEqual(SLOW_MS);
    }
    expect(world.lab.site.requests.filter(({ method }) => method === 'POST').length).toBeLessThanOrEqual(2);
  });

  it.each([
    ['a call without it', { hedge: false }],
    ['a session', { sessionId: 's1' }],
    ['a call with one attempt', { attempts: 1 }],
  ] as const)('is waited for: %s', async (_name, init) => {
    if ('sessionId' in init) {
      // Bound to the slow one.
      while ((await world.fetch(url, { sessionId: 's1', hedge: false })).proxy.id !== slow?.())
        world.rotator.sessions.close('s1');
    }
    const { ms, attempts } = await throughSlow(init);
    expect(attempts).toHaveLength(1);
    expect(ms).toBeGreaterThanOrEqual(SLOW_MS);
  });

  it('is answered by the slow one when the hedge fails, and no proxy is asked twice', async () => {
    await world.lab.proxies[1]?.behave({ fault: 'reset' });
    const { response, attempts } = await throughSlow();
    expect(response).toMatchObject({ status: 200, proxy: { id: slow?.() } });
    expect(attempts).toMatchObject([
      { proxyId: quick?.(), code: expect.any(String), hedge: true },
      { proxyId: slow?.(), verdict: 'success' },
    ]);
  });

  it('fails when both do, with both in the error', async () => {
    await world.lab.proxies[0]?.behave({ fault: { kind: 'reset', at: 'response' } });
    await world.lab.proxies[1]?.behave({ fault: 'reset' });
    const { response, attempts } = await throughSlow();
    expect(response).toMatchObject({ code: 'PW_FETCH_EXHAUSTED' });
    expect(attempts).toMatchObject([{ proxyId: quick?.(), hedge: true }, { proxyId: slow?.() }]);
  });

  it.each([
    ['the deadline', 'PW_FETCH_DEADLINE', () => ({ deadlineMs: 400 })],
    ['the caller', 'PW_FETCH_ABORTED', () => ({ signal: AbortSignal.timeout(400) })],
  ])('is cut with its hedge by %s', async (_name, code, init) => {
    await world.lab.proxies[1]?.behave({ latencyMs: SLOW_MS });
    const passed = loopTime();
    const error = await world.fetch(url, init()).catch((thrown: FetchError) => thrown);
    expect(passed()).toBeLessThan(500);
    expect(error).toMatchObject({ code, attempts: [{ verdict: 'neutral' }, { verdict: 'neutral' }] });
    expect(error.attempts.filter(({ hedge }) => hedge)).toHaveLength(1);
    await vi.waitFor(() => expect(world.lab.proxies.map(({ stats }) => stats.openSockets)).toEqual([0, 0]));
  });

  it('is waited for after a redirect, which stays on its address', async () => {
    await using lab = await startLab({
      proxies: 2,
      site: {
        answer: ({ path }) =>
          path === '/hop' ? { status: 302, headers: { location: '/slow?ms=400' }, body: '' } : undefined,
      },
    });
    await using redirected = overLab(lab, { settings: { hedge: true } });
    for (let i = 0; i < 40; i++) await (await redirected.fetch(`${lab.site.httpUrl}/ip`)).text();
    const { attempts, url: at } = await redirected.fetch(`${lab.site.httpUrl}/hop`);
    expect(at).toContain('/slow');
    expect(attempts.map(({ proxyId, hedge }) => [proxyId, hedge])).toEqual(
      Array(2).fill([attempts[0]?.proxyId, undefined]),
    );
    const direct = await redirected.fetch(`${lab.site.httpUrl}/slow?ms=400`);
    expect(direct.attempts.some(({ hedge }) => hedge)).toBe(true);
  });
});

describe('hedges of a pool in which everything is slow', () => {
  /** 1,000 calls, one every 100 ms, over a scripted transport; how many requests were sent. */
  async function requestsOf(
    settings: { hedge?: boolean },
    source: { inPanic?: boolean } = {},
    script: (nth: number) => Script = (nth) => answering(nth < 50 ? 60 : 900),
  ): Promise<{ requests: number; hedged: number }> {
    const clock = new FakeClock();
    const timers = new FakeTimers(clock);
    const random = seededRandom(5);
    const rotator = createRotator({ proxies: proxyLines(10), clock, random, breaker: { threshold: 1e6 } });
    let requests = 0;
    let hedged = 0;
    let done = 0;
    const dispatchers = new Map<string, ScriptedDispatcher>();
    const fetch = createFetch({
      rotator: { acquire: (context) => rotator.acquire(context), ...source },
      dispatchers: {
        dispatcherFor({ id }) {
          const made = new ScriptedDispatcher(id, timers, () => script(requests++));
          const dispatcher = dispatchers.get(id) ?? made;
          dispatchers.set(id, dispatcher);
          return dispatcher;
        },
        drop() {},
      },
      clock,
      random,
      timers,
      settings,
    });
    const call = async (): Promise<void> => {
      const { attempts } = await fetch('http://shop.test/').catch((error: FetchError) => error);
      if (attempts.some(({ hedge }) => hedge === true)) hedged += 1;
      done += 1;
    };
    for (let i = 0; i < 1_000; i++) timers.setTimeout(() => void call(), i * 100);
    await timers.runUntil(() => done === 1_000);
    return { requests, hedged };
  }

  const answering = (afterMs: number): Script => ({
    kind: 'answer',
    connectMs: 1,
    afterMs,
    status: 204,
    headers: [],
    chunks: [],
    end: { afterMs: 0, error: null },
  });

  it('are 5 % of 1,000 requests at most, and none without the option', async () => {
    const { requests, hedged } = await requestsOf({ hedge: true });
    expect(requests).toBe(1_000 + hedged);
    expect(hedged).toBeLessThanOrEqual(50);
    expect(hedged).toBeGreaterThan(25);
    expect(await requestsOf({})).toEqual({ requests: 1_000, hedged: 0 });
  });

  it('are none in panic, nor while retries have taken half of their budget', async () => {
    expect(await requestsOf({ hedge: true }, { inPanic: true })).toEqual({ requests: 1_000, hedged: 0 });
    const lost: Script = { kind: 'lost', connectMs: 1, afterMs: 1, error: new Error('lost') };
    // Of three requests that are sent, two are lost.
    const failing = await requestsOf({ hedge: true }, {}, (nth) =>
      nth < 50 ? answering(60) : nth % 3 === 0 ? answering(900) : lost,
    );
    // Those before the budget was half spent.
    expect(failing.hedged).toBeLessThan(5);
  });
});
