import { describe, expect, it } from 'vitest';
import { NoCandidateError, PoolEmptyError } from '../../src/errors.js';
import type { Strategy } from '../../src/strategies/index.js';
import { blame, record, testEngine } from '../support/test-engine.js';
import { thrownBy } from '../support/thrown-by.js';

describe('nothing to choose', () => {
  it('R-23 an empty pool is a PoolEmptyError', () => {
    const { rotator, ids } = testEngine(1);
    rotator.pool.remove(ids[0] as string);
    expect(() => rotator.acquire()).toThrow(PoolEmptyError);
    expect(() => testEngine(0).rotator.acquire()).toThrow(PoolEmptyError);
  });

  it('R-23 a NoCandidateError counts everybody by the reason, and tells when the next is due', () => {
    const { rotator, ids, clock } = testEngine(4, { random: () => 0 });
    const [a, b, c, d] = ids as [string, string, string, string];
    for (const id of [a, b]) blame(rotator, id, 5);
    clock.advance(4000);
    const error = thrownBy(() => rotator.acquire({ exclude: [c, d] }));
    expect(error).toMatchObject({
      code: 'PW_NO_CANDIDATE',
      removedBy: { breaker: 2, excluded: 2 },
      retryAfterMs: 6000,
    });
    expect(thrownBy(() => rotator.acquire({ exclude: ids }))).toMatchObject({
      removedBy: { excluded: 4 },
      retryAfterMs: null,
    });
  });

  it('R-23 the time is that of a proxy that may be used, not of one that is removed or excluded', () => {
    const { rotator, ids, clock } = testEngine(3, { random: () => 0 });
    const [gone, excluded, due] = ids as [string, string, string];
    for (const id of [gone, excluded, due]) {
      blame(rotator, id, 5);
      clock.advance(1000);
    }
    rotator.pool.remove(gone);
    expect(thrownBy(() => rotator.acquire({ exclude: [excluded] }))).toMatchObject({ retryAfterMs: 9000 });
  });

  it('R-23 a strategy that wants nobody is named as the reason, and nobody serves in its place', () => {
    const picky: Strategy = { name: 'picky', choose: () => undefined };
    const { rotator, ids } = testEngine(3, { strategy: picky });
    const fallbacks = record(rotator, 'fallback');
    expect(thrownBy(() => rotator.acquire())).toMatchObject({
      removedBy: { strategy: 3 },
      retryAfterMs: null,
    });
    const exclude = ids.slice(0, 2);
    expect(thrownBy(() => rotator.acquire({ exclude }))).toMatchObject({
      removedBy: { excluded: 2, strategy: 1 },
    });
    expect(rotator.explain({ avoid: ids })).toMatchObject({
      chosen: null,
      proxies: ids.map(() => ({ status: 'eligible' })),
    });
    expect([fallbacks, rotator.stats().started]).toEqual([[], 0]);
  });

  it('R-23 a strategy may refuse with reasons of its own', () => {
    const { rotator, ids } = testEngine(3, {
      strategy: {
        name: 'by-cost',
        choose() {
          throw new NoCandidateError({ cost: 2 }, null);
        },
      },
    });
    const fallbacks = record(rotator, 'fallback');
    const exclude = ids.slice(0, 1);
    expect(thrownBy(() => rotator.acquire({ exclude }))).toMatchObject({
      removedBy: { excluded: 1, cost: 2 },
    });
    expect(rotator.explain({ exclude }).chosen).toBeNull();
    expect(fallbacks).toEqual([]);
  });

  it('R-23 what gave way is not the reason, and the time of a proxy to avoid counts', () => {
    const { rotator, ids } = testEngine(2, { random: () => 0 });
    for (const id of ids) blame(rotator, id, 5);
    expect(thrownBy(() => rotator.acquire({ avoid: ids, priority: 'high' }))).toMatchObject({
      removedBy: { breaker: 2 },
      retryAfterMs: 10_000,
    });
  });
});
