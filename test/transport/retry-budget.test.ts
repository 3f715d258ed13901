import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../src/transport/retry-budget.js';
import { FakeClock } from '../support/fake-clock.js';
import { seededRandom } from '../support/seeded-random.js';

describe('a retry budget', () => {
  it('lets few requests retry: 10 per second, over 10 s', () => {
    const clock = new FakeClock();
    const budget = new RetryBudget(clock, { ratio: 0.2 });
    let allowed = 0;
    for (let i = 0; i < 500; i++) if (budget.withdraw()) allowed += 1;
    expect(allowed).toBe(100);
    clock.advance(11_000);
    expect(budget.withdraw()).toBe(true);
  });

  it.each([0.2, 1])(
    'holds retries to %s x requests + 10/s in every window of 10 s, 1,000 requests per second that all fail',
    (ratio) => {
      const clock = new FakeClock();
      const random = seededRandom(7);
      const budget = new RetryBudget(clock, { ratio });
      const requests: number[] = [];
      const retries: number[] = [];
      // Fast and slow minutes, so that windows straddle the change.
      for (let ms = 0; ms < 60_000; ms++) {
        const rate = ms % 20_000 < 12_000 ? 1 : 0.02;
        if (random() < rate) {
          requests.push(ms);
          budget.deposit();
          for (let attempt = 0; attempt < 2; attempt++) if (budget.withdraw()) retries.push(ms);
        }
        clock.advance(1);
      }
      const within = (times: number[], from: number): number =>
        times.filter((at) => at >= from && at < from + 10_000).length;
      for (let from = 0; from < 50_000; from += 250) {
        // Retries may rest on requests of the 10 s before them.
        const earned = requests.filter((at) => at >= from - 10_000 && at < from + 10_000).length;
        expect(within(retries, from)).toBeLessThanOrEqual(ratio * earned + 100);
      }
      const total = ratio * requests.length;
      expect(retries.length).toBeLessThanOrEqual(total + 600);
      expect(retries.length).toBeGreaterThan(total * 0.9);
    },
  );

  it('stays within 1.2 x requests + 10/s for the 10 s of a storm that begins from nothing', () => {
    const clock = new FakeClock();
    const budget = new RetryBudget(clock, { ratio: 0.2 });
    let connects = 0;
    for (let ms = 0; ms < 10_000; ms++) {
      budget.deposit();
      connects += 1;
      for (let attempt = 0; attempt < 2; attempt++) if (budget.withdraw()) connects += 1;
      clock.advance(1);
    }
    expect(connects).toBeLessThanOrEqual(1.2 * 10_000 + 100);
    expect(connects).toBeGreaterThan(11_900);
  });

  it('is strained once more than half of what the window allows is spent, and no longer when it has passed', () => {
    const clock = new FakeClock();
    const budget = new RetryBudget(clock, { ratio: 0.2, perSecond: 1 });
    for (let i = 0; i < 50; i++) budget.deposit();
    // 10 for the requests, 10 for the seconds.
    for (let i = 0; i < 10; i++) budget.withdraw();
    expect(budget.strained).toBe(false);
    budget.withdraw();
    expect(budget.strained).toBe(true);
    clock.advance(11_000);
    expect(budget.strained).toBe(false);
  });
});
