import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as health from '../../src/core/health.js';
import { constantly } from '../support/test-engine.js';

const settings: health.BreakerSettings = {
  threshold: 3,
  openMs: 10_000,
  maxOpenMs: 60_000,
  jitter: 0.5,
  probeMs: 5_000,
  probeSuccesses: 1,
  warmingMs: 0,
};
const still = constantly(0);

const kind = fc.constantFrom<health.FaultKind | null>(null, null, 'auth', 'hard');
const event = fc.oneof(
  fc.record({ kind: fc.constant('success' as const) }),
  fc.record({
    kind: fc.constant('fault' as const),
    weight: fc.constantFrom(0.5, 1),
    fault: kind,
    jitter: fc.double({ min: 0, max: 0.999, noNaN: true }),
  }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.nat({ max: 70_000 }) }),
  fc.record({ kind: fc.constant('probe' as const), leaseId: fc.option(fc.nat()) }),
);
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

function apply(state: health.BreakerState, step: Event, now: number): health.BreakerState {
  if (step.kind === 'success') return health.afterSuccess(state, now, settings);
  if (step.kind === 'fault')
    return health.afterFault(state, step.weight, now, settings, constantly(step.jitter), step.fault);
  if (step.kind === 'probe') return health.withProbe(state, step.leaseId, now, settings);
  return health.afterTime(state, now);
}

const waiting: health.BreakerState = {
  state: 'half-open',
  opens: 1,
  refusals: 0,
  successes: 0,
  probe: null,
};

function open(opens: number, until: number): health.BreakerState {
  return { state: 'open', opens, until };
}

function faults(state: health.BreakerState, weights: readonly number[], now = 0): health.BreakerState {
  return weights.reduce((at, weight) => health.afterFault(at, weight, now, settings, still), state);
}

describe('breaker', () => {
  it('keeps its promises over any history, replays it to the same state, and survives JSON on the way', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80, size: 'max' }), (steps) => {
        let state: health.BreakerState = health.closed;
        let replayed: health.BreakerState = health.closed;
        let now = 0;
        for (const step of steps) {
          if (step.kind === 'time') now += step.ms;
          const before = state;
          state = apply(before, step, now);
          replayed = apply(JSON.parse(JSON.stringify(replayed)) as health.BreakerState, step, now);
          expect(replayed).toEqual(state);
          if (state.state === 'closed' && before.state !== 'closed') expect(step.kind).toBe('success');
          if (before.state === 'open' && state.state !== 'open') {
            expect(step.kind).toBe('time');
            expect(now).toBeGreaterThanOrEqual(before.until);
          }
          if (state.state === 'open') {
            expect(health.mayServe(state)).toBe(false);
            expect(state.until - now).toBeLessThanOrEqual(settings.maxOpenMs * 1.5);
          }
          if (state.state === 'closed') expect(state.faults).toBeLessThan(settings.threshold);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    { weights: [1, 1], state: 'closed' },
    { weights: [1, 1, 1], state: 'open' },
    { weights: [0.5, 0.5, 0.5, 0.5, 0.5], state: 'closed' },
    { weights: [0.5, 0.5, 0.5, 0.5, 0.5, 0.5], state: 'open' },
    { weights: [1, 1, 0.5, 0.5], state: 'open' },
  ])('is $state after faults of weight $weights at a threshold of 3', ({ weights, state }) => {
    expect(faults(health.closed, weights).state).toBe(state);
  });

  it('counts faults in a row only: a success between them starts anew', () => {
    expect(faults(health.afterSuccess(faults(health.closed, [1, 1]), 0, settings), [1, 1]).state).toBe(
      'closed',
    );
  });

  it('opens for twice as long at each failed probe, up to the cap', () => {
    let state = faults(health.closed, [1, 1, 1]);
    const lengths: number[] = [];
    let now = 0;
    for (let round = 0; round < 5; round++) {
      if (state.state !== 'open') throw new Error('the breaker must be open here');
      lengths.push(state.until - now);
      now = state.until;
      state = faults(health.afterTime(state, now), [0.5], now);
    }
    expect(lengths).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it.each([0, 0.5, 0.999])('stretches the open time by a share of %s of the jitter', (share) => {
    const opened = health.afterFault(health.closed, 3, 1000, settings, constantly(share));
    expect(opened).toEqual(open(1, 1000 + 10_000 * (1 + 0.5 * share)));
  });

  it('learns nothing from late results while it is open', () => {
    const state = open(2, 5000);
    expect(health.afterSuccess(state, 4000, settings)).toBe(state);
    expect(health.afterFault(state, 1, 4000, settings, still)).toBe(state);
  });

  it('lets a proxy serve when closed, or half-open with nobody probing', () => {
    const probing = health.withProbe(waiting, 7, 0, settings);
    expect([health.closed, open(1, 1), waiting, probing].map(health.mayServe)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(health.mayServe(health.withProbe(probing, null, 1, settings))).toBe(true);
  });

  it('gives up a probe that is overdue, and not before', () => {
    const probing = health.withProbe(waiting, 7, 1000, settings);
    expect(health.nextChange(probing)).toBe(6000);
    expect(health.afterTime(probing, 5999)).toBe(probing);
    expect(health.afterTime(probing, 6000)).toEqual(waiting);
  });

  it('says when time alone changes it', () => {
    expect(health.nextChange(health.closed)).toBeNull();
    expect(health.nextChange(open(1, 42))).toBe(42);
    expect(health.nextChange(waiting)).toBeNull();
  });

  it('row 20 breaker timing: an opening is forgotten per five minutes of health, and no sooner', () => {
    const flapped = (healthyMs: number): number => {
      const back = health.afterSuccess({ ...waiting, opens: 3 } as health.BreakerState, 1000, settings);
      const now = 1000 + healthyMs;
      const again = faults(health.afterSuccess(back, now, settings), [1, 1, 1], now);
      return again.state === 'open' ? again.until - now : 0;
    };
    expect([0, 299_999, 300_000, 599_999, 600_000, 900_000, 9e9].map(flapped)).toEqual([
      60_000, 60_000, 40_000, 40_000, 20_000, 10_000, 10_000,
    ]);
  });

  it('row 20 breaker timing: successes and faults on the way take away none of the healthy time', () => {
    let state = health.afterSuccess({ ...waiting, opens: 2 } as health.BreakerState, 0, settings);
    for (let now = 0; now < 600_000; now += 7_000) {
      state = health.afterSuccess(faults(state, [1, 1], now), now, settings);
    }
    expect(health.afterSuccess(state, 600_000, settings)).toBe(health.closed);
  });

  it('row 9 wrong password: two refusals in a row; five minutes, doubling up to an hour', () => {
    const refuse = (state: health.BreakerState, now = 0): health.BreakerState =>
      health.afterFault(state, 1, now, settings, still, 'auth');
    const once = refuse(health.closed);
    expect(once).toMatchObject({ state: 'closed', last: 'auth' });
    for (const between of [health.afterSuccess(once, 0, settings), faults(once, [0.5])]) {
      expect(refuse(between).state).toBe('closed');
    }
    let state = refuse(once);
    const waits: number[] = [];
    for (let now = 0, round = 0; round < 6; round++) {
      if (state.state !== 'auth-failed') throw new Error('the password must be refused here');
      expect(health.mayServe(state)).toBe(false);
      waits.push(state.until - now);
      now = state.until;
      expect(health.afterTime(state, now - 1)).toBe(state);
      state = refuse(health.afterTime(state, now), now);
    }
    expect(waits.map((ms) => ms / 60_000)).toEqual([5, 10, 20, 40, 60, 60]);
  });

  it('row 9 wrong password: one that accepts it at the retry is back', () => {
    const refused: health.BreakerState = { state: 'auth-failed', until: 5000, refusals: 3, opens: 0 };
    expect(health.afterSuccess(refused, 4000, settings)).toBe(refused);
    const retry = health.afterTime(refused, 5000);
    expect(retry).toMatchObject({ state: 'half-open', refusals: 3 });
    expect(health.afterSuccess(retry, 5000, settings)).toBe(health.closed);
  });

  it('takes a refund off the faults in a row, never below none, and opens nothing again', () => {
    const once = faults(health.closed, [1, 0.5]);
    expect(health.afterRefund(once, 0.5)).toMatchObject({ faults: 1 });
    expect(health.afterRefund(once, 2)).toBe(health.closed);
    for (const state of [open(1, 5), waiting]) expect(health.afterRefund(state, 1)).toBe(state);
  });

  it('shares one value among all proxies of which nothing bad is known, and nobody can change it', () => {
    expect(health.afterSuccess(health.closed, 7e9, settings)).toBe(health.closed);
    expect(Object.isFrozen(health.closed)).toBe(true);
  });
});
