import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FaultRates } from '../../src/core/fault-rates.js';
import type { Pool } from '../../src/core/pool.js';
import { blame, constantly, record, type TestEngine, testEngine } from '../support/test-engine.js';
import { traffic } from '../support/traffic.js';

const settings = { rateShare: 0.5, rateWindowMs: 30_000, rateResults: 10 };
const rates = { random: constantly(0), breaker: { rateShare: 0.5 } };

/** Results of the only proxy: `f` a fault, `a` an ambiguous one, `s` a success, `t` the target's fault. */
function play({ rotator }: TestEngine, results: string): string | undefined {
  const verdicts = { f: 'proxy', a: 'ambiguous', s: 'success', t: 'target' } as const;
  for (const result of results) {
    const id = rotator.pool.list()[0]?.id ?? '';
    rotator.acquireCarrier(id)?.settle({ verdict: verdicts[result as keyof typeof verdicts] });
  }
  return rotator.pool.list()[0]?.health;
}

describe('the share of faults that opens a breaker', () => {
  it('is half of ten results, and no fewer', () => {
    expect(play(testEngine(1, rates), 'sfsfsfsf')).toBe('closed');
    expect(play(testEngine(1, rates), 'sfsfsfsfsf')).toBe('open');
    expect(play(testEngine(1, rates), 'sfsfsfsfss')).toBe('closed');
    expect(play(testEngine(1, rates), 'sssfsfsfsf')).toBe('closed');
  });

  it('is by weight: every other ambiguous fault is a quarter', () => {
    expect(play(testEngine(1, rates), 'sa'.repeat(50))).toBe('closed');
    expect(play(testEngine(1, rates), 'sfaf'.repeat(10))).toBe('open');
  });

  it('counts nothing that is not the proxy’s doing', () => {
    expect(play(testEngine(1, rates), 'st'.repeat(20))).toBe('closed');
    expect(play(testEngine(1, rates), 'sfttt'.repeat(5))).toBe('open');
  });

  it('looks back 30 s and not further', () => {
    const later = (ms: number): string | undefined => {
      const engine = testEngine(1, rates);
      play(engine, 'sfsfsfsfs');
      engine.clock.advance(ms);
      return play(engine, 'f');
    };
    expect([later(0), later(24_999), later(30_000)]).toEqual(['open', 'open', 'closed']);
  });

  it('starts anew with each opening', () => {
    const engine = testEngine(1, { ...rates, breaker: { rateShare: 0.5, openMs: 1 } });
    expect(play(engine, 'sfsfsfsfsf')).toBe('open');
    engine.clock.advance(2);
    engine.rotator.acquire().succeed();
    expect(play(engine, 'fsfsfsfs')).toBe('closed');
  });

  it('ejects a proxy that loses every other request, and none that loses one in four', () => {
    const losing = (every: number): number => {
      const engine = testEngine(10, { breaker: { rateShare: 0.5 } });
      let requests = 0;
      const opened = record(engine.rotator, 'breaker');
      traffic(engine, {
        perSecond: 20,
        seconds: 60,
        latencyMs: 80,
        outcome: ({ proxy }) =>
          proxy.id === engine.ids[0] && requests++ % every === 0
            ? { verdict: 'proxy' }
            : { verdict: 'success', latencyMs: 80 },
      });
      return opened.filter(({ to }) => to === 'open').length;
    };
    expect(losing(2)).toBeGreaterThan(0);
    expect(losing(4)).toBe(0);
  });

  it('takes back what was charged for a host that is down', () => {
    const engine = testEngine(3, { random: constantly(0), breaker: { rateShare: 0.5 } });
    const { rotator, ids } = engine;
    const at = (index: number, verdict: 'success' | 'proxy' | 'ambiguous', host: string): void =>
      void rotator.acquireCarrier(ids[index] as string, { host })?.settle({ verdict });
    for (let i = 0; i < 3; i++) {
      at(0, 'success', 'b.test');
      at(0, 'proxy', 'b.test');
      at(0, 'ambiguous', 'a.test');
    }
    // With the last one below it would be 5.5 of 10 results; 1.5 of that is given back here.
    at(1, 'ambiguous', 'a.test');
    at(2, 'ambiguous', 'a.test');
    at(0, 'proxy', 'b.test');
    expect(rotator.pool.get(ids[0] as string)?.health).toBe('closed');
  });

  it('says the same as a plain list of results', () => {
    const step = fc.record({ ms: fc.nat({ max: 9_000 }), weight: fc.constantFrom(0, 0.5, 1) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        const subject = new FaultRates(settings);
        const window = subject.take();
        const results: { part: number; weight: number }[] = [];
        let now = 1000;
        for (const { ms, weight } of steps) {
          now += ms;
          subject.add(window, weight, now);
          results.push({ part: Math.floor(now / 5_000), weight });
          const recent = results.filter(({ part }) => part > Math.floor(now / 5_000) - 6);
          const faults = recent.reduce((sum, one) => sum + one.weight, 0);
          expect(subject.isTooHigh(window, now)).toBe(recent.length >= 10 && faults >= recent.length / 2);
        }
      }),
    );
  });

  it('keeps windows apart, and hands out an empty one again', () => {
    const subject = new FaultRates(settings);
    const [a, b] = [subject.take(), subject.take()];
    for (let i = 0; i < 10; i++) subject.add(a, 1, 1000);
    expect([a, b].map((window) => subject.isTooHigh(window, 1000))).toEqual([true, false]);
    subject.give(a);
    expect(subject.take()).toBe(a);
    expect(subject.isTooHigh(a, 1000)).toBe(false);
  });

  it('holds out where a proxy carries more than a part can count', () => {
    const subject = new FaultRates(settings);
    const window = subject.take();
    for (let i = 0; i < 100_000; i++) subject.add(window, i % 2, 1000);
    for (let i = 0; i < 100_000; i++) subject.add(window, 1, 1000);
    expect(subject.isTooHigh(window, 1000)).toBe(false);
  });

  it('of proxies that left is given back, and a proxy that was never asked has none', () => {
    const engine = testEngine(0, rates);
    const { pool } = engine.rotator;
    const windows = new Set<number>();
    for (let round = 0; round < 50; round++) {
      pool.replace([`http://192.0.2.7:${1000 + round}`]);
      play(engine, 'sf');
      for (const member of (pool as Pool).list()) windows.add(member.rateWindow);
    }
    expect([...windows]).toEqual([0]);
    const idle = testEngine(3, rates);
    expect((idle.rotator.pool as Pool).list().map(({ rateWindow }) => rateWindow)).toEqual([-1, -1, -1]);
    blame(idle.rotator, idle.ids[1] as string, 1);
    expect((idle.rotator.pool as Pool).list().map(({ rateWindow }) => rateWindow)).toEqual([-1, 0, -1]);
  });
});
