import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyStats } from '../../src/core/stats.js';

const MINUTE = 60_000;
const stats = (emaAlpha = 0.2, windowSeconds = 3600): ProxyStats =>
  new ProxyStats({ emaAlpha, windowSeconds });

function learn(subject: ProxyStats, latencies: readonly number[]): ProxyStats {
  for (const latency of latencies) {
    subject.start(1000);
    subject.finish('succeeded', latency);
  }
  return subject;
}

const result = fc.constantFrom('succeeded' as const, 'failed' as const, 'neutral' as const);

describe('counters', () => {
  it('R-01 active = started - completed, never negative, for any order of starts and results', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant('start' as const), result), { maxLength: 60, size: 'max' }),
        (steps) => {
          const subject = stats();
          const expected = { started: 0, completed: 0, succeeded: 0, failed: 0 };
          for (const step of steps) {
            if (step === 'start') {
              subject.start(1000);
              expected.started += 1;
            } else if (expected.started > expected.completed) {
              subject.finish(step);
              expected.completed += 1;
              if (step !== 'neutral') expected[step] += 1;
            }
            const active = expected.started - expected.completed;
            expect(subject.figures(1000)).toMatchObject({ ...expected, active });
            expect(subject.active).toBeGreaterThanOrEqual(0);
          }
        },
      ),
    );
  });

  it('R-12 reset forgets what was learned and keeps what is in flight', () => {
    const subject = learn(stats(), [100, 200]);
    subject.start(1000);
    subject.reset();
    expect(subject.figures(1000)).toEqual({
      started: 1,
      completed: 0,
      succeeded: 0,
      failed: 0,
      active: 1,
      emaLatencyMs: null,
      windowCount: 0,
      bytesUp: 0,
      bytesDown: 0,
    });
    subject.finish('failed');
    expect(subject).toMatchObject({ active: 0, completed: 1, failed: 1 });
  });
});

describe('EMA of the latency', () => {
  it('R-03 starts with the first sample and then takes a*x + (1-a)*ema', () => {
    const subject = stats(0.25);
    expect(subject.emaLatencyMs).toBeNull();
    expect(learn(subject, [400]).emaLatencyMs).toBe(400);
    expect(learn(subject, [200]).emaLatencyMs).toBe(350);
  });

  it('R-03 learns from successes only: a fast failure never improves it', () => {
    const subject = learn(stats(), [400]);
    for (const other of ['failed', 'neutral'] as const) {
      subject.start(1000);
      subject.finish(other, 1);
    }
    expect(subject.emaLatencyMs).toBe(400);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, undefined])(
    'R-03 does not learn from %s ms',
    (latency) => {
      const subject = learn(stats(), [400]);
      subject.start(1000);
      subject.finish('succeeded', latency);
      expect(subject).toMatchObject({ emaLatencyMs: 400, succeeded: 2 });
    },
  );

  it('R-03 takes 0 ms for a latency', () => {
    expect(learn(stats(), [0]).emaLatencyMs).toBe(0);
  });

  it.each([0.1, 0.2, 0.3, 0.5])('R-04 is exact for a = %s', (alpha) => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e5, noNaN: true }), { minLength: 1 }), (latencies) => {
        // The closed form: the first sample weighs (1-a)^(n-1), each later one a*(1-a)^(n-1-i).
        const last = latencies.length - 1;
        const exact = latencies.reduce(
          (sum, x, i) => sum + x * (1 - alpha) ** (last - i) * (i === 0 ? 1 : alpha),
          0,
        );
        expect(learn(stats(alpha), latencies).emaLatencyMs).toBeCloseTo(exact, 6);
      }),
    );
  });

  it.each([
    [0.2, 0.11],
    [0.3, 0.03],
  ])('R-04 with a = %s follows a sudden degradation within 10 samples', (alpha, rest) => {
    const subject = learn(stats(alpha), [100, 100, 100, ...Array.from({ length: 10 }, () => 1000)]);
    // (1-a)^10 of the step of 900 ms is left: 10.7 % and 2.8 %.
    const left = (1000 - (subject.emaLatencyMs ?? 0)) / 900;
    expect(left).toBeLessThan(rest);
    expect(left).toBeCloseTo((1 - alpha) ** 10, 6);
  });
});

describe('sliding window', () => {
  it('R-05 counts each request for at least the window and at most a minute longer', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 60, max: 86_400 }),
        fc.array(fc.nat({ max: 20 * MINUTE }), { maxLength: 60, size: 'max' }),
        (windowSeconds, steps) => {
          const subject = stats(0.2, windowSeconds);
          const starts: number[] = [];
          let now = 1000;
          for (const step of steps) {
            now += step;
            starts.push(now);
            subject.start(now);
            const within = (ms: number): number => starts.filter((at) => now - at < ms).length;
            expect(subject.windowCount(now)).toBeGreaterThanOrEqual(within(windowSeconds * 1000));
            expect(subject.windowCount(now)).toBeLessThanOrEqual(within(windowSeconds * 1000 + 2 * MINUTE));
          }
        },
      ),
    );
  });

  it('R-05 slides by a minute at a time and never tumbles to zero', () => {
    const subject = stats(0.2, 600);
    for (let minute = 0; minute < 10; minute++) subject.start(minute * MINUTE);
    const counts = [9, 10, 11, 12, 15, 19, 20, 40].map((minute) => subject.windowCount(minute * MINUTE));
    expect(counts).toEqual([10, 10, 9, 8, 5, 1, 0, 0]);
  });

  it('R-05 is pruned when it is only read, and does not count twice when time stands still', () => {
    const subject = stats(0.2, 60);
    subject.start(0);
    subject.start(0);
    expect([subject.windowCount(0), subject.windowCount(0)]).toEqual([2, 2]);
    expect(subject.windowCount(10 * MINUTE)).toBe(0);
    subject.start(10 * MINUTE);
    expect(subject.windowCount(10 * MINUTE)).toBe(1);
  });

  it('R-05 jumps over any gap in as many steps as there are buckets', () => {
    const subject = stats(0.2, 86_400);
    subject.start(0);
    // Minute by minute this would be 10^12 steps.
    expect(subject.windowCount(1e12 * MINUTE)).toBe(0);
  });
});
