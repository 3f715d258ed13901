import { expect, it } from 'vitest';
import { createRotator, type Rotator } from '../../src/create-rotator.js';
import { createProxy } from '../../src/index.js';
import { createFetch } from '../../src/transport/fetch.js';
import type { FetchError } from '../../src/transport/fetch-error.js';
import type { ProxiedInit } from '../../src/transport/fetch-init.js';
import { TunnelError } from '../../src/transport/tunnel-error.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeTimers } from '../support/fake-timers.js';
import { seededRandom } from '../support/seeded-random.js';
import { proxyLines } from '../support/test-engine.js';
import { type Dispatched, type Script, ScriptedDispatcher } from './scripted-dispatcher.js';

const ROUNDS = 200;
const CALLS = 50;
const GRACE_MS = 100;
const SEED = 20_261_121;

interface CallReport {
  readonly path: string;
  readonly lateMs: number;
  /** A code, or `answer`. */
  readonly result: string;
  readonly hedged: boolean;
}

interface RoundReport {
  readonly calls: CallReport[];
  readonly dispatched: Dispatched[];
  readonly leases: number;
  readonly settled: number;
  readonly rotator: Rotator;
  readonly openRequests: number;
  readonly timersLeft: number;
}

type Draw = ReturnType<typeof drawFrom>;

function drawFrom(random: () => number) {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  return {
    chance: (share: number): boolean => random() < share,
    pick,
    upTo: (max: number): number => Math.floor(random() * max),
    /** Mostly short; sometimes longer than any deadline here. */
    ms: (): number => Math.floor(pick([0, 5, 50, 300, 2_000, 20_000]) * random()),
  };
}

const somebody = createProxy({ protocol: 'http', host: '192.0.2.1', port: 8000 });
const coded = (code: string): Error => Object.assign(new Error(code), { code });

function tunnelError(draw: Draw): Error {
  const fault = draw.pick([
    { code: 'PW_PROXY_REFUSED', verdict: 'proxy' },
    { code: 'PW_PROXY_CONNECT_TIMEOUT', verdict: 'ambiguous' },
    { code: 'PW_PROXY_AUTH', verdict: 'auth' },
    { code: 'PW_TARGET_TLS', verdict: 'target' },
    { code: 'PW_LOCAL_NETWORK', verdict: 'local' },
  ] as const);
  return new TunnelError(somebody, 'connect', fault);
}

function drawScript(draw: Draw, { path }: Dispatched): Script {
  const connectMs = draw.ms();
  const kind = draw.pick(['unconnected', 'refused', 'silent', 'lost', 'answer', 'answer', 'answer'] as const);
  if (kind === 'unconnected') return { kind };
  if (kind === 'refused') return { kind, afterMs: connectMs, error: tunnelError(draw) };
  if (kind === 'silent') return { kind, connectMs };
  const error = coded(draw.pick(['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE', 'HPE_INVALID_CONSTANT']));
  if (kind === 'lost') return { kind, connectMs, afterMs: draw.ms(), error };
  const steps = path.split('/').length;
  const status = draw.pick([200, 200, 200, 204, 302, 404, 403, 429, 502, 503, 407, 595]);
  const headers = ['content-type', draw.pick(['text/html', 'application/json', 'image/png'])];
  if (status === 302 && steps < 6) headers.push('location', `${path}/${steps}`);
  if (status === 429 || status === 503) headers.push('retry-after', draw.pick(['1', '30', 'soon']));
  const drips = draw.chance(0.1);
  const chunks = drips
    ? Array.from({ length: 2_000 }, () => ({ afterMs: 25, bytes: 1 }))
    : Array.from({ length: draw.upTo(6) }, () => ({ afterMs: draw.ms(), bytes: 1 + draw.upTo(40_000) }));
  const end = draw.chance(0.2) ? null : { afterMs: draw.ms(), error: draw.chance(0.2) ? error : null };
  return {
    kind,
    connectMs,
    afterMs: draw.ms(),
    status,
    headers,
    chunks: status === 204 ? [] : chunks,
    end: status === 204 ? { afterMs: 0, error: null } : end,
  };
}

/** What the caller does with the answer: reads it, leaves it, or has had enough. */
async function consume(draw: Draw, response: Response): Promise<void> {
  if (draw.chance(0.1)) await response.body?.cancel();
  else if (draw.chance(0.9)) await response.arrayBuffer();
}

async function round(seed: number): Promise<RoundReport> {
  const random = seededRandom(seed);
  const draw = drawFrom(random);
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const rotator = createRotator({
    proxies: proxyLines(2 + draw.upTo(6)),
    clock,
    random,
    strategy: draw.pick(['round-robin', 'random', 'least-used']),
    maxSessions: 100,
    ban: { maxPairs: 100 },
    breaker: { threshold: draw.pick([5, 1_000_000]) },
  });
  let settled = 0;
  rotator.on('settled', () => {
    settled += 1;
  });
  let leases = 0;
  const counted = <T>(lease: T): T => {
    if (lease !== undefined) leases += 1;
    return lease;
  };
  const dispatched: Dispatched[] = [];
  const dispatchers = new Map<string, ScriptedDispatcher>();
  // Some proxies are good and known to be quick, so that there is a time after which to hedge.
  const quick = draw.chance(0.5) ? 0.8 : 0;
  const next = (request: Dispatched): Script => {
    dispatched.push(request);
    return draw.chance(quick)
      ? {
          kind: 'answer',
          connectMs: 1,
          afterMs: draw.upTo(20),
          status: 200,
          headers: [],
          chunks: [],
          end: { afterMs: 0, error: null },
        }
      : drawScript(draw, request);
  };
  const fetch = createFetch({
    rotator: {
      acquire: (context) => counted(rotator.acquire(context)),
      acquireCarrier: (proxyId, context) => counted(rotator.acquireCarrier(proxyId, context)),
    },
    dispatchers: {
      dispatcherFor({ id }) {
        const dispatcher = dispatchers.get(id) ?? new ScriptedDispatcher(id, timers, next);
        dispatchers.set(id, dispatcher);
        return dispatcher;
      },
      drop() {},
    },
    clock,
    random,
    timers,
    settings: { hedge: draw.chance(0.7), adaptiveTimeout: draw.chance(0.5) },
  });

  const calls: CallReport[] = [];
  const call = async (path: string): Promise<void> => {
    const startedAt = clock.now();
    const deadlineMs = 1 + draw.upTo(10_000);
    const leaving = new AbortController();
    const init: ProxiedInit = {
      method: draw.pick(['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT']),
      deadlineMs,
      attempts: 1 + draw.upTo(5),
      phases: { firstByteMs: 1 + draw.upTo(3_000), idleMs: 1 + draw.upTo(3_000) },
      ...(draw.chance(0.2) ? { sessionId: `s${draw.upTo(3)}` } : {}),
      ...(draw.chance(0.1) ? { signal: leaving.signal } : {}),
    };
    const leave =
      draw.chance(0.5) && init.signal ? timers.setTimeout(() => leaving.abort(), draw.ms()) : undefined;
    let hedged = false;
    const result = await fetch(`https://shop.test${path}`, init)
      .then((response) => {
        hedged = response.attempts.some(({ hedge }) => hedge === true);
        return consume(draw, response).then(() => 'answer');
      })
      .catch((error: FetchError) => error.code);
    timers.clearTimeout(leave);
    calls.push({ path, lateMs: clock.now() - startedAt - deadlineMs, result, hedged });
  };
  for (let i = 0; i < CALLS; i++) timers.setTimeout(() => void call(`/${seed}-${i}`), draw.upTo(20_000));
  const openRequests = (): number => [...dispatchers.values()].reduce((sum, { open }) => sum + open, 0);
  // Timers that outlive the last of them were forgotten. A ban is settled before its body has ended.
  await timers.runUntil(() => calls.length === CALLS && settled === leases && openRequests() === 0);
  return {
    calls,
    dispatched,
    leases,
    settled,
    rotator,
    openRequests: openRequests(),
    timersLeft: timers.pending,
  };
}

it(`${ROUNDS * CALLS} calls over random faults settle by their deadline, and nothing of them stays, seed ${SEED}`, async () => {
  const results = new Map<string, number>();
  let hedges = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const { calls, dispatched, leases, settled, rotator, openRequests, timersLeft } = await round(SEED + i);
    expect(calls).toHaveLength(CALLS);
    expect(calls.filter(({ lateMs }) => lateMs > GRACE_MS)).toEqual([]);
    expect({ openRequests, timersLeft, settled }).toEqual({
      openRequests: 0,
      timersLeft: 0,
      settled: leases,
    });
    expect(rotator.stats().proxies.filter(({ active }) => active !== 0)).toEqual([]);
    const tries = new Map<string, string[]>();
    for (const { path, proxyId } of dispatched) tries.set(path, [...(tries.get(path) ?? []), proxyId]);
    for (const proxyIds of tries.values()) expect(new Set(proxyIds).size).toBe(proxyIds.length);
    const posts = new Map<string, number>();
    for (const { method, path, written } of dispatched)
      if (method === 'POST') posts.set(path, (posts.get(path) ?? 0) + written);
    expect([...posts].filter(([, copies]) => copies > 1)).toEqual([]);
    for (const { result, hedged } of calls) {
      results.set(result, (results.get(result) ?? 0) + 1);
      if (hedged) hedges += 1;
    }
  }
  // The scripts lead to each end that a call can have.
  expect([...results.keys()].sort()).toEqual([
    'PW_FETCH_ABORTED',
    'PW_FETCH_BODY_BROKEN',
    'PW_FETCH_DEADLINE',
    'PW_FETCH_EXHAUSTED',
    'PW_NO_CANDIDATE',
    'answer',
  ]);
  for (const [result, count] of results) expect([result, count > 20]).toEqual([result, true]);
  expect(hedges).toBeGreaterThan(20);
});
