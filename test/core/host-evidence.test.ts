import { describe, expect, it } from 'vitest';
import { HostAnswers } from '../../src/core/host-answers.js';
import type { Outcome, Verdict } from '../../src/core/outcome.js';
import { constantly, record, type TestEngine, testEngine } from '../support/test-engine.js';
import { traffic } from '../support/traffic.js';

const silent: Outcome = { verdict: 'ambiguous' };

function settle({ rotator, ids }: TestEngine, index: number, host: string, outcome: Outcome): Verdict {
  return rotator.acquireCarrier(ids[index] as string, { host })?.settle(outcome) ?? 'neutral';
}

describe('a proxy that fails at several hosts', () => {
  const first = ['a.test', 'b.test'];
  const engineAfter = (hosts: readonly string[], apartMs = 0): TestEngine => {
    const engine = testEngine(3, { random: constantly(0) });
    for (const host of hosts) {
      expect(settle(engine, 0, host, silent)).toBe('ambiguous');
      engine.clock.advance(apartMs);
    }
    return engine;
  };

  it('is blamed in full from the third host on', () => {
    const engine = engineAfter([...first, 'a.test']);
    expect(settle(engine, 0, 'c.test', silent)).toBe('proxy');
    expect(settle(engine, 0, 'a.test', silent)).toBe('proxy');
    expect(settle(engine, 1, 'c.test', silent)).toBe('ambiguous');
  });

  it('opens after six failures instead of ten', () => {
    const failures = (hosts: number): number => {
      const engine = testEngine(1, { random: constantly(0) });
      let count = 0;
      while (engine.rotator.pool.list()[0]?.health === 'closed') {
        settle(engine, 0, `${count % hosts}.test`, silent);
        count += 1;
      }
      return count;
    };
    expect([failures(1), failures(2), failures(3)]).toEqual([10, 10, 6]);
  });

  it('is not where a success came in between, or they are more than 60 s apart', () => {
    const engine = engineAfter(first);
    engine.clock.advance(1);
    settle(engine, 0, 'd.test', { verdict: 'success' });
    engine.clock.advance(1);
    expect(settle(engine, 0, 'c.test', silent)).toBe('ambiguous');
    const within = engineAfter(first, 30_000);
    expect(settle(within, 0, 'c.test', silent)).toBe('proxy');
    const apart = engineAfter(first, 30_001);
    expect(settle(apart, 0, 'c.test', silent)).toBe('ambiguous');
  });

  it('is not for hosts that turn out to be down', () => {
    const engine = engineAfter(first);
    settle(engine, 1, 'a.test', silent);
    expect(settle(engine, 2, 'a.test', silent)).toBe('target');
    expect(settle(engine, 0, 'c.test', silent)).toBe('ambiguous');
  });
});

describe('a host that answers others', () => {
  const scene = (...answered: readonly number[]): TestEngine => {
    const engine = testEngine(5, { random: constantly(0) });
    // Through the first proxy came something too, so that it is not silent altogether.
    settle(engine, 0, 'other.test', { verdict: 'success' });
    for (const index of answered) settle(engine, index, 'a.test', { verdict: 'success' });
    return engine;
  };

  it('is alive by two of them, within ten seconds: the failure is the proxy’s', () => {
    expect(settle(scene(1, 2), 0, 'a.test', silent)).toBe('proxy');
    expect(settle(scene(1, 1), 0, 'a.test', silent)).toBe('ambiguous');
    expect(settle(scene(1, 0), 0, 'a.test', silent)).toBe('ambiguous');
    expect(settle(scene(1, 2, 0), 0, 'a.test', silent)).toBe('proxy');
    const late = (ms: number): Verdict => {
      const engine = scene(1, 2);
      engine.clock.advance(ms);
      settle(engine, 0, 'other.test', { verdict: 'success' });
      return settle(engine, 0, 'a.test', silent);
    };
    expect([late(10_000), late(10_001)]).toEqual(['proxy', 'ambiguous']);
  });

  it('is not where it fails through others by turns', () => {
    const engine = scene();
    for (const index of [3, 4]) settle(engine, index, 'a.test', silent);
    for (const index of [1, 2]) settle(engine, index, 'a.test', { verdict: 'success' });
    expect(settle(engine, 0, 'a.test', silent)).toBe('ambiguous');
  });

  // By chance, as with `random`, ten failures in a row happen to somebody.
  it.each(['round-robin', 'least-used'] as const)(
    'but fails every other request demotes nobody (%s)',
    (strategy) => {
      for (const perSecond of [1, 5, 20, 100]) {
        const engine = testEngine(10, { strategy, breaker: { rateShare: 0.5 } });
        const changes = record(engine.rotator, 'breaker');
        let requests = 0;
        traffic(engine, {
          perSecond,
          seconds: 120,
          latencyMs: 80,
          // In no step with the pool.
          outcome: () => ((requests++ * 0.6180339887498949) % 1 < 0.5 ? silent : { verdict: 'success' }),
        });
        expect([perSecond, changes]).toEqual([perSecond, []]);
      }
    },
  );

  it('is told by the last three that it answered', () => {
    const subject = new HostAnswers();
    expect([subject.lastAt('a.test'), subject.others('a.test', 'p', 0)]).toEqual([-Infinity, 0]);
    for (const [proxyId, at] of [
      ['p', 1],
      ['q', 2],
      ['r', 3],
      ['q', 4],
      ['s', 5],
    ] as const)
      subject.add('a.test', proxyId, at);
    expect(subject.lastAt('a.test')).toBe(5);
    expect(['p', 'q', 'r', 's'].map((id) => subject.others('a.test', id, 0))).toEqual([3, 2, 2, 2]);
    expect([3, 4, 5, 6].map((time) => subject.others('a.test', 'p', time))).toEqual([3, 2, 1, 0]);
  });
});
