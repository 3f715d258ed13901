import { describe, expect, it } from 'vitest';
import type { ExplainedProxy, Explanation } from '../../src/core/explain.js';
import type { Rotator } from '../../src/core/rotator.js';
import { SessionIdError, StrategyMetadataError } from '../../src/errors.js';
import type { Strategy } from '../../src/strategies/strategy.js';
import { witness } from '../support/teaching.js';
import { blame, record, testEngine } from '../support/test-engine.js';

function lineOf(explanation: Explanation, id: string | undefined): ExplainedProxy | undefined {
  return explanation.proxies.find(({ proxyId }) => proxyId === id);
}

describe('the inputs of an explanation', () => {
  it('hold the state of the strategy before the choice', () => {
    const { rotator } = testEngine(4);
    rotator.acquire();
    const { inputs, chosen } = rotator.explain();
    for (let i = 0; i < 6; i++) rotator.acquire();
    expect(rotator.explain().chosen).not.toBe(chosen);
    rotator.strategy.load?.(JSON.parse(JSON.stringify(inputs.state)));
    expect(rotator.acquire().proxy.id).toBe(chosen);
  });

  it('hold the numbers that it drew, and no state where there is none', () => {
    const { rotator } = testEngine(4, { strategy: 'random' });
    const { inputs } = rotator.explain({ exclude: new Set(['px_none']) });
    expect(inputs).toEqual({
      context: { exclude: ['px_none'] },
      now: 1000,
      random: expect.arrayContaining([expect.any(Number)]),
      state: null,
    });
  });
});

describe('explain where another one than the strategy chooses', () => {
  const failing: Strategy = {
    name: 'failing',
    choose() {
      throw new Error('always');
    },
  };

  it.each([null, 'round-robin'])(
    'R-48 names the fallback, tells no event and moves nothing: %s',
    (fallback) => {
      const { rotator, ids } = testEngine(4, { strategy: failing, fallback });
      const told = record(rotator, 'fallback');
      const picks = Array.from({ length: 8 }, () => {
        const explained = [rotator.explain(), rotator.explain()];
        expect(told).toEqual([]);
        const { id } = rotator.acquire().proxy;
        told.length = 0;
        expect(explained).toMatchObject([0, 1].map(() => ({ chosen: id, strategy: fallback ?? 'failing' })));
        return id;
      });
      expect(picks).toEqual([...ids, ...ids]);
    },
  );
});

describe('explain of low priority', () => {
  it('shows that the others stand back for a probe, and only for one', () => {
    const { rotator, ids, clock } = testEngine(3, { breaker: { threshold: 1 } });
    blame(rotator, String(ids[1]), 1);
    const reasons = (): unknown[] =>
      rotator.explain({ priority: 'low' }).proxies.map(({ status, reason }) => reason ?? status);
    expect(reasons()).toEqual(['chosen', 'breaker', 'eligible']);
    clock.advance(15_000);
    expect(reasons()).toEqual(['priority', 'chosen', 'priority']);
    rotator.acquire({ priority: 'low' });
    expect(reasons()).toEqual(['chosen', 'breaker', 'eligible']);
  });
});

describe('explain in a session', () => {
  it('names the proxy that the session is bound to, and does not use the session', () => {
    const { rotator, ids, clock } = testEngine(3);
    rotator.acquire({ sessionId: 's' }).succeed();
    const before = rotator.sessions.get('s');
    clock.advance(5000);
    expect(rotator.explain({ sessionId: 's' })).toMatchObject({ chosen: ids[0], reason: 'session' });
    expect(rotator.sessions.get('s')).toEqual(before);
    expect(rotator.explain()).toMatchObject({ chosen: ids[1], reason: 'strategy' });
  });

  it('binds nobody, and shows where one that must leave will go', () => {
    const { rotator, ids } = testEngine(3);
    expect(rotator.explain({ sessionId: 's' }).chosen).toBe(ids[0]);
    expect(rotator.sessions.size).toBe(0);
    rotator.acquire({ sessionId: 's' }).fail({ verdict: 'proxy' });
    const explanation = rotator.explain({ sessionId: 's' });
    expect(explanation).toMatchObject({ chosen: ids[1], reason: 'strategy' });
    expect(lineOf(explanation, ids[0])).toMatchObject({ status: 'excluded', reason: 'avoided' });
  });

  it('R-11 refuses an id that breaks the rule, as acquire does', () => {
    expect(() => testEngine(1).rotator.explain({ sessionId: 'not allowed' })).toThrow(SessionIdError);
  });
});

describe('explain where nobody can be chosen', () => {
  it('names the reason of each', () => {
    const { rotator, ids } = testEngine(3);
    blame(rotator, String(ids[0]), 5);
    rotator.pool.drain(String(ids[1]));
    const explanation = rotator.explain({ exclude: [String(ids[2])], avoid: ids });
    expect(explanation.chosen).toBeNull();
    expect(explanation.proxies.map(({ reason }) => reason)).toEqual(['breaker', 'drained', 'excluded']);
  });

  it('is empty for an empty pool', () => {
    expect(testEngine(0).rotator.explain()).toMatchObject({ chosen: null, proxies: [] });
  });

  it('R-23 says so where the strategy lacks data and there is no fallback', () => {
    const lacking: Strategy = {
      name: 'lacking',
      choose() {
        throw new StrategyMetadataError('lacking', ['cost']);
      },
    };
    const { rotator } = testEngine(2, { strategy: lacking, fallback: null });
    expect(rotator.explain()).toMatchObject({
      chosen: null,
      proxies: [{ status: 'eligible' }, { status: 'eligible' }],
    });
    expect(() => rotator.acquire()).toThrow(StrategyMetadataError);
  });
});

describe('scores', () => {
  const scoring = (score: NonNullable<Strategy['score']>): Rotator =>
    testEngine(2, {
      strategy: { name: 'scoring', choose: (candidates) => candidates.after(-1), score },
    }).rotator;

  it('are those of the strategy, for all that could be chosen', () => {
    const { rotator, ids } = testEngine(3, { strategy: { ...witness(), score: ({ slot }) => slot * 10 } });
    blame(rotator, String(ids[2]), 5);
    expect(rotator.explain().proxies.map(({ score }) => score)).toEqual([0, 10, null]);
    expect(testEngine(1).rotator.explain().proxies[0]?.score).toBeNull();
  });

  it('are null where the strategy fails to say', () => {
    const rotator = scoring(() => {
      throw new Error('of the score');
    });
    expect(rotator.explain().proxies.map(({ score }) => score)).toEqual([null, null]);
  });

  it('may draw random numbers, which are drawn again afterwards', () => {
    const strategy: Strategy = {
      name: 'dice',
      choose: (candidates, _context, { random }) => candidates.sample(random),
      score: (_candidate, _context, { random }) => random(),
    };
    const [asked, silent] = [testEngine(50, { strategy }), testEngine(50, { strategy })];
    const picks = [asked, silent].map(({ rotator }) =>
      Array.from({ length: 30 }, () => {
        if (rotator === asked.rotator) rotator.explain();
        return rotator.acquire().proxy.id;
      }),
    );
    expect(picks[0]).toEqual(picks[1]);
  });
});
