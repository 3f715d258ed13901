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
};
const still = constantly(0);

const event = fc.oneof(
  fc.record({ kind: fc.constant('success' as const) }),
  fc.record({
    kind: fc.constant('fault' as const),
    weight: fc.constantFrom(0.5, 1),
    jitter: fc.double({ min: 0, max: 0.999, noNaN: true }),
  }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.nat({ max: 70_000 }) }),
  fc.record({ kind: fc.constant('probe' as const), leaseId: fc.option(fc.nat()) }),
);
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

function apply(state: health.BreakerState, step: Event, now: number): health.BreakerState {
  if (step.kind === 'success') return health.afterSuccess(state);
  if (step.kind === 'fault')
    return health.afterFault(state, step.weight, now, settings, constantly(step.jitter));
  if (step.kind === 'probe') return health.withProbe(state, step.leaseId, now, settings);
  return health.afterTime(state, now);
}

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
    expect(faults(health.afterSuccess(faults(health.closed, [1, 1])), [1, 1]).state).toBe('closed');
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
    expect(health.afterSuccess(state)).toBe(state);
    expect(health.afterFault(state, 1, 4000, settings, still)).toBe(state);
  });

  it('lets a proxy serve when closed, or half-open with nobody probing', () => {
    const waiting: health.BreakerState = { state: 'half-open', opens: 1, probe: null };
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
    const probing = health.withProbe({ state: 'half-open', opens: 1, probe: null }, 7, 1000, settings);
    expect(health.nextChange(probing)).toBe(6000);
    expect(health.afterTime(probing, 5999)).toBe(probing);
    expect(health.afterTime(probing, 6000)).toEqual({ state: 'half-open', opens: 1, probe: null });
  });

  it('says when time alone changes it', () => {
    expect(health.nextChange(health.closed)).toBeNull();
    expect(health.nextChange(open(1, 42))).toBe(42);
    expect(health.nextChange({ state: 'half-open', opens: 1, probe: null })).toBeNull();
  });

  it('shares one value among all proxies of which nothing bad is known, and nobody can change it', () => {
    expect(health.afterSuccess(health.closed)).toBe(health.closed);
    expect(Object.isFrozen(health.closed)).toBe(true);
  });
});
