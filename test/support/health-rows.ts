import type { Lease } from '../../src/core/lease.js';
import type { Outcome } from '../../src/core/outcome.js';
import { composite } from '../../src/strategies/composite.js';
import { geoTargeted } from '../../src/strategies/geo-targeted.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import type { StrategySpec } from '../../src/strategies/strategy.js';
import { blame, constantly, record, type TestEngine, testEngine } from './test-engine.js';
import { traffic } from './traffic.js';

// Scenarios of the fault matrix on a simulated clock: each returns what it measured and asserts nothing.

/** As it is by default; the engine of tests lets proxies come back at once and never panics. */
const defaults = {
  breaker: { probeSuccesses: 2, warmingMs: 30_000, rateShare: 0.5 },
  panic: { share: 0.1 },
} as const;

/** Strategy name -> what to ask for. */
export const builtIn: Readonly<Record<string, StrategySpec>> = {
  'round-robin': 'round-robin',
  random: 'random',
  weighted: 'weighted',
  'least-used': 'least-used',
  'performance-based': 'performance-based',
  session: 'session',
  'geo-targeted': 'geo-targeted',
  composite: composite({ filters: [geoTargeted()], selector: leastUsed() }),
};

const fine: Outcome = { verdict: 'success', latencyMs: 80 };
const fault: Outcome = { verdict: 'proxy' };
const host = 'a.test:443';

/** Row 18: shares of the picks that go to the proxy that fails in 1 ms while nine others answer in 80 ms. */
export interface FastFailure {
  /** Before the pick by which it is ejected. */
  readonly before: number;
  /** Afterwards, probes and warming included. */
  readonly after: number;
  /** Its picks until it was ejected, that one included. */
  readonly picks: number;
}

/**
 * Row 18, one run. The pick that ejects it is not counted: where counting stops at a hit, the share without that hit
 * is the one without bias (Haldane 1945).
 */
function fastFailure(
  strategy: string,
  bad: number,
  seed: number,
  seconds: number,
): { bad: number; all: number; badAfter: number; allAfter: number } {
  const engine = testEngine(10, { ...defaults, strategy: builtIn[strategy] as StrategySpec }, seed);
  const id = engine.ids[bad];
  const picks: boolean[] = [];
  let ejectedAt: number | null = null;
  engine.rotator.on('selected', ({ proxyId }) => picks.push(proxyId === id));
  engine.rotator.on('breaker', ({ to }) => {
    if (to === 'open') ejectedAt ??= picks.length;
  });
  traffic(engine, {
    perSecond: 100,
    seconds,
    latencyMs: ({ proxy }) => (proxy.id === id ? 1 : 80),
    outcome: ({ proxy }) => (proxy.id === id ? fault : fine),
    context: (request) => ({ host, ...(strategy === 'session' && { sessionId: `s${request % 200}` }) }),
  });
  const until = picks.lastIndexOf(true, (ejectedAt ?? picks.length) - 1);
  const before = picks.slice(0, until);
  const after = picks.slice(ejectedAt ?? picks.length);
  const hits = (of: readonly boolean[]): number => of.filter(Boolean).length;
  return { bad: hits(before), all: before.length, badAfter: hits(after), allAfter: after.length };
}

/** Row 18, wherever in the pool the failing one is: shares over all runs together. */
export function fastFailures(strategy: string, seeds: number, seconds: number): FastFailure {
  const sum = { bad: 0, all: 0, badAfter: 0, allAfter: 0 };
  for (let run = 0; run < 10 * seeds; run++) {
    // What comes after needs long runs, and few of them.
    const one = fastFailure(strategy, run % 10, 1000 + run, run < 10 ? seconds : 5);
    sum.bad += one.bad;
    sum.all += one.all;
    if (run >= 10) continue;
    sum.badAfter += one.badAfter;
    sum.allAfter += one.allAfter;
  }
  return {
    before: sum.bad / sum.all,
    after: sum.badAfter / sum.allAfter,
    picks: sum.bad / (10 * seeds) + 1,
  };
}

/** Row 19: how one proxy fares at nine hosts while a tenth one bans it. */
export interface BannedAtOneHost {
  /** Its share of the picks at the nine others, relative to a fair one. */
  readonly shareAtOthers: number;
  /** Requests to the nine others in which it was left out by a rule or its breaker. */
  readonly skipped: number;
  /** Its picks at the host that bans it. */
  readonly atBanning: number;
}

export function bannedAtOneHost(strategy: StrategySpec): BannedAtOneHost {
  const engine = testEngine(10, { ...defaults, strategy });
  const { rotator, ids } = engine;
  const id = ids[3] as string;
  let [others, own, skipped, atBanning] = [0, 0, 0, 0];
  traffic(engine, {
    perSecond: 50,
    seconds: 600,
    latencyMs: 80,
    outcome(lease: Lease) {
      const banning = lease.host === 'host0.test';
      const mine = lease.proxy.id === id;
      if (banning) atBanning += Number(mine);
      else {
        others += 1;
        own += Number(mine);
        if (others % 50 === 0) {
          const { proxies } = rotator.explain({ host: lease.host ?? '' });
          skipped += Number(proxies.some((one) => one.proxyId === id && one.status === 'excluded'));
        }
      }
      return banning && mine ? { verdict: 'banned' } : fine;
    },
    // Evenly, but in no step with the pool: every proxy meets every host.
    context: (request) => ({ host: `host${Math.floor(((request * 0.6180339887498949) % 1) * 10)}.test` }),
  });
  return { shareAtOthers: (own / others) * 10, skipped, atBanning };
}

/** Row 20: every change of the breaker of one proxy, with the time in ms since the first fault. */
export function breakerTiming(): { readonly at: number; readonly to: string }[] {
  const { rotator, clock, ids } = testEngine(1, { breaker: defaults.breaker, random: constantly(0) });
  const id = ids[0] as string;
  const started = clock.now();
  const changes: { at: number; to: string }[] = [];
  rotator.on('breaker', ({ to }) => changes.push({ at: clock.now() - started, to }));
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed++) {
      clock.advance(1);
      rotator.stats();
    }
  };
  const probe = (outcome: Outcome): void => void rotator.acquire().settle(outcome);
  blame(rotator, id, 5);
  pass(10_000);
  probe(fault);
  pass(20_000);
  probe(fine);
  probe(fault);
  pass(40_000);
  for (let i = 0; i < 2; i++) probe(fine);
  pass(30_000);
  return changes;
}

/** Row 21: how long after a probe was lost the next one is let through, in ms; its lease is `probeMs`. */
export function lostProbe(probeMs: number, lose: 'never settled' | 'aborted'): number {
  const options = { breaker: { ...defaults.breaker, probeMs }, random: constantly(0) };
  const { rotator, clock, ids } = testEngine(1, options);
  blame(rotator, ids[0] as string, 5);
  clock.advance(10_000);
  const lost = rotator.acquire();
  if (lose === 'aborted') lost.release();
  const from = clock.now();
  for (;;) {
    try {
      rotator.acquire();
      return clock.now() - from;
    } catch {
      clock.advance(1);
    }
  }
}

/**
 * Row 22: the largest share of the first probes of 1,000 proxies that falls into one second, after all of them opened
 * at once. Two thousand others serve: where nobody does there is panic, whose pace is row 24's.
 */
export function openedAtOnce(): {
  readonly largestShare: number;
  readonly seconds: number;
  readonly probed: number;
} {
  const engine = testEngine(3000, defaults);
  const { rotator, clock, ids } = engine;
  const down = new Set(ids.slice(0, 1000));
  for (const id of down) blame(rotator, id, 5);
  const started = clock.now();
  const first = new Map<string, number>();
  rotator.on('selected', ({ proxyId }) => {
    if (down.has(proxyId) && !first.has(proxyId)) first.set(proxyId, clock.now() - started);
  });
  traffic(engine, { perSecond: 3000, seconds: 70, latencyMs: 20, outcome: () => fine });
  const buckets = new Map<number, number>();
  for (const at of first.values()) {
    const second = Math.floor(at / 1000);
    buckets.set(second, (buckets.get(second) ?? 0) + 1);
  }
  return {
    largestShare: Math.max(...buckets.values()) / down.size,
    seconds: buckets.size,
    probed: first.size,
  };
}

/** Row 25: the only proxy is dead for 10 s, asked 50 times a second. */
export function poolOfOne(): { readonly probes: number; readonly shortestGapMs: number } {
  const engine = testEngine(1, defaults);
  const run = { perSecond: 50, latencyMs: 5, outcome: () => fault };
  traffic(engine, { ...run, seconds: 1 });
  const times: number[] = [];
  engine.rotator.on('selected', () => times.push(engine.clock.now()));
  traffic(engine, { ...run, seconds: 10 });
  const gaps = times.slice(1).map((time, i) => time - (times[i] as number));
  return { probes: times.length, shortestGapMs: Math.min(...gaps) };
}

/** Row 26: our own network is down for 60 s. */
export function networkDown(
  size: number,
  perSecond: number,
): {
  readonly deleted: number;
  /** Until a whole second was served in full, in ms after the return. */
  readonly backMs: number;
} {
  const engine: TestEngine = testEngine(size, defaults);
  const up = { perSecond, latencyMs: 80, outcome: () => fine };
  traffic(engine, { ...up, seconds: 10 });
  const removed = record(engine.rotator, 'pool');
  traffic(engine, { perSecond, seconds: 60, latencyMs: 5, outcome: () => fault });
  let backMs = 0;
  while (backMs < 60_000 && traffic(engine, { ...up, seconds: 1 }).refused > 0) backMs += 1000;
  return { deleted: removed.length, backMs };
}
