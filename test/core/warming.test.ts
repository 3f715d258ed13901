import { describe, expect, it } from 'vitest';
import * as health from '../../src/core/health.js';
import { SnapshotError } from '../../src/errors.js';
import { overJson } from '../support/learned-engine.js';
import { teach } from '../support/teaching.js';
import { blame, constantly, type TestEngine, testEngine } from '../support/test-engine.js';
import { thrownBy } from '../support/thrown-by.js';

const settings: health.BreakerSettings = {
  threshold: 3,
  openMs: 10_000,
  maxOpenMs: 60_000,
  jitter: 0,
  probeMs: 5_000,
  probeSuccesses: 2,
  warmingMs: 30_000,
};
const breaker = { probeSuccesses: 2, warmingMs: 30_000 };
const still = constantly(0);
const waiting: health.BreakerState = {
  state: 'half-open',
  opens: 2,
  refusals: 0,
  successes: 0,
  probe: null,
};
const fault = (state: health.BreakerState, now: number): health.BreakerState =>
  health.afterFault(state, 1, now, settings, still);
const success = (state: health.BreakerState, now = 0): health.BreakerState =>
  health.afterSuccess(state, now, settings);

/** The first proxy has just come back from an open breaker. */
function comeback(size: number, strategy = 'round-robin'): TestEngine & { readonly id: string } {
  const engine = testEngine(size, {
    strategy,
    random: strategy === 'random' ? undefined : still,
    breaker,
  } as never);
  const id = engine.ids[0] as string;
  blame(engine.rotator, id, 5);
  engine.clock.advance(16_000);
  engine.rotator.stats();
  teach(engine.rotator, id, { ok: 2 });
  return { ...engine, id };
}

describe('row 20 breaker timing: a half-open breaker', () => {
  it('closes by two successes in a row, by way of warming', () => {
    const once = success(waiting, 1000);
    expect(once).toMatchObject({ state: 'half-open', successes: 1, probe: null });
    const twice = success(once, 2000);
    expect(twice).toMatchObject({ state: 'warming', since: 2000, until: 32_000, opens: 2 });
    expect(health.afterTime(twice, 31_999)).toBe(twice);
    expect(health.afterTime(twice, 32_000)).toMatchObject({ state: 'closed', opens: 2, since: 32_000 });
  });

  it('opens for longer by a failure after the first success, and both are asked for anew', () => {
    const reopened = fault(success(waiting), 0);
    expect(reopened).toEqual({ state: 'open', until: 40_000, opens: 3 });
    expect(health.afterTime(reopened, 40_000)).toMatchObject({ successes: 0 });
  });
});

describe('row 20 breaker timing: warming', () => {
  const warm = success(success(waiting));

  it('grows evenly from a tenth to all', () => {
    const shares = [0, 10_000, 20_000, 30_000].map((now) => health.shareOf(warm, now));
    expect(shares.map((share) => Math.round(share * 1000))).toEqual([100, 400, 700, 1000]);
    expect(health.shareOf(health.closed, 0)).toBe(1);
  });

  it('starts anew by any fault, and opens for longer at the threshold', () => {
    const again = fault(warm, 12_000);
    expect(again).toMatchObject({ state: 'warming', faults: 1, since: 12_000, until: 42_000 });
    expect(success(again, 13_000)).toMatchObject({ faults: 0, since: 12_000, until: 42_000 });
    expect(fault(fault(again, 13_000), 14_000)).toEqual({ state: 'open', until: 54_000, opens: 3 });
  });

  it.each(['round-robin', 'random', 'least-used'])(
    'gives a proxy its part of the share under %s, and all of it afterwards',
    (strategy) => {
      const { rotator, clock, id } = comeback(4, strategy);
      const picksIn = (seconds: number): number => {
        let picks = 0;
        for (let i = 0; i < seconds * 100; i++) {
          const lease = rotator.acquire();
          if (lease.proxy.id === id) picks += 1;
          lease.succeed({ latencyMs: 10 });
          clock.advance(10);
        }
        return picks;
      };
      // Six thousand requests in three parts, a quarter of each is a full share: 250 in ten seconds.
      const picks = [picksIn(10), picksIn(10), picksIn(10)];
      // Whoever was left out for a while has started least often, and least-used makes up for that.
      if (strategy !== 'least-used') {
        for (const [part, mean] of [0.25, 0.55, 0.85].entries()) {
          expect(Math.abs((picks[part] as number) / 250 - mean)).toBeLessThan(0.15);
        }
      }
      expect(picks[0]).toBeLessThan(0.4 * 1000);
      expect(rotator.pool.get(id)?.health).toBe('warming');
      clock.advance(1);
      rotator.acquire().release();
      expect(rotator.pool.get(id)?.health).toBe('closed');
      expect(picksIn(10)).toBeGreaterThan(200);
    },
  );

  it('never leaves a request without a proxy', () => {
    const { rotator, ids, id } = comeback(3);
    for (let i = 0; i < 20; i++) {
      const lease = rotator.acquire({ exclude: ids.slice(1) });
      expect(lease.proxy.id).toBe(id);
      lease.succeed();
    }
  });

  it('sends no session away from its proxy', () => {
    const { rotator, ids, id } = comeback(3);
    rotator.acquire({ sessionId: 's', exclude: ids.slice(1) }).succeed();
    for (let i = 0; i < 20; i++) expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(id);
  });

  it('is explained, and as it is explained it comes', () => {
    const { rotator, id } = comeback(3);
    const reasons = Array.from({ length: 30 }, () => {
      const { chosen, proxies } = rotator.explain();
      const lease = rotator.acquire();
      expect(lease.proxy.id).toBe(chosen);
      lease.succeed();
      return proxies.find(({ proxyId }) => proxyId === id)?.reason;
    });
    expect(new Set(reasons)).toEqual(new Set(['warming', null]));
  });
});

describe('a snapshot of breakers', () => {
  const states: readonly health.BreakerState[] = [
    { state: 'closed', faults: 1, last: 'auth', opens: 2, since: 700 },
    { state: 'open', until: 9000, opens: 1 },
    { state: 'auth-failed', until: 90_000, refusals: 2, opens: 1 },
    { ...waiting, refusals: 3, successes: 1 },
    { state: 'warming', faults: 0.5, last: 'hard', opens: 1, since: 500, until: 30_500 },
  ];

  it('brings each state back, through JSON and on another clock', () => {
    const old = testEngine(5);
    old.rotator.pool.list().forEach((member, at) => {
      Object.assign(member, { breaker: states[at] });
      old.rotator.acquireCarrier(member.id)?.release();
    });
    const fresh = testEngine(5);
    fresh.rotator.restore(overJson(old.rotator));
    expect(fresh.rotator.pool.list().map((member) => member.breaker)).toEqual(
      old.rotator.pool
        .list()
        .map((member) => ({ ...member.breaker, ...('probe' in member.breaker && { probe: null }) })),
    );
    fresh.clock.advance(200_000);
    expect(overJson(fresh.rotator).proxies[String(fresh.ids[4])]?.breaker.state).toBe('closed');
  });

  it.each([
    [
      { state: 'closed', faults: 2, opens: 1 },
      { state: 'closed', faults: 2, last: null, opens: 1, since: 1000 },
    ],
    [
      { state: 'half-open', opens: 1 },
      { ...waiting, opens: 1 },
    ],
    [
      { state: 'open', opens: 1, remainingMs: 500 },
      { state: 'open', until: 1500, opens: 1 },
    ],
  ])('reads what a version before auth-failed and warming wrote: %j', (breaker, expected) => {
    const { rotator, ids } = testEngine(1);
    const stats = { completed: 0, succeeded: 0, failed: 0, emaLatencyMs: null, minutes: [] };
    const proxies = { [String(ids[0])]: { stats, breaker, lastSuccessAgoMs: null } };
    rotator.restore({ version: 1, proxies, cooldowns: [], sessions: [] });
    expect(rotator.pool.list()[0]?.breaker).toEqual(expected);
  });

  it.each([
    [{ state: 'thawing', opens: 1 }, 'state'],
    [{ state: 'closed', faults: 0, opens: 1, last: 'soft' }, 'last'],
    [{ state: 'closed', faults: 0, opens: 1, healthyMs: -1 }, 'healthyMs'],
    [{ state: 'half-open', opens: 1, successes: 0.5 }, 'successes'],
    [{ state: 'half-open', opens: 1, refusals: '1' }, 'refusals'],
    [{ state: 'auth-failed', opens: 1, remainingMs: 5 }, 'refusals'],
    [{ state: 'auth-failed', opens: 1, refusals: 1 }, 'remainingMs'],
    [{ state: 'warming', opens: 1, remainingMs: 5, faults: 0 }, 'ageMs'],
    [{ state: 'warming', opens: 1, ageMs: 5, faults: 0 }, 'remainingMs'],
    [{ state: 'warming', opens: 1, ageMs: 5, remainingMs: 5 }, 'faults'],
  ])('refuses %j', (breaker, leaf) => {
    const { rotator, ids } = testEngine(1);
    const stats = { completed: 0, succeeded: 0, failed: 0, emaLatencyMs: null, minutes: [] };
    const proxies = { [String(ids[0])]: { stats, breaker, lastSuccessAgoMs: null } };
    const error = thrownBy(() => rotator.restore({ version: 1, proxies, cooldowns: [], sessions: [] }));
    expect(error).toBeInstanceOf(SnapshotError);
    expect(error).toMatchObject({ data: { path: `proxies.${ids[0]}.breaker.${leaf}` } });
  });
});
