import type { Lease } from '../../src/core/lease.js';
import type { Outcome } from '../../src/core/outcome.js';
import { Schedule } from '../../src/core/schedule.js';
import type { AcquireContext } from '../../src/core/selection-rules.js';
import type { TestEngine } from './test-engine.js';

export interface TrafficRun {
  readonly perSecond: number;
  readonly seconds: number;
  /** From the start of a request to its end, in ms. */
  readonly latencyMs: number | ((lease: Lease) => number);
  /** Decided when the request starts, by what is down then. */
  readonly outcome: (lease: Lease) => Outcome;
  /** What the n-th request asks for. */
  readonly context?: (request: number) => AcquireContext;
}

/** Requests at an even rate on the fake clock; nobody to choose is counted as refused. */
export function traffic(
  { rotator, clock }: Pick<TestEngine, 'rotator' | 'clock'>,
  run: TrafficRun,
): { served: number; refused: number } {
  const { perSecond, seconds, latencyMs, outcome, context = () => ({ host: 'a.test:443' }) } = run;
  const out = new Schedule<() => void>();
  const count = { served: 0, refused: 0 };
  const settleUntil = (time: number): void => {
    for (let end = out.next; end <= time; end = out.next) {
      clock.advance(Math.max(0, end - clock.now()));
      out.takeDue(end)?.();
    }
    clock.advance(Math.max(0, time - clock.now()));
  };
  const start = clock.now();
  for (let i = 0; i < perSecond * seconds; i++) {
    settleUntil(start + (i * 1000) / perSecond);
    try {
      const lease = rotator.acquire(context(i));
      const result = outcome(lease);
      const takes = typeof latencyMs === 'number' ? latencyMs : latencyMs(lease);
      out.add(clock.now() + takes, () => void lease.settle(result));
      count.served += 1;
    } catch {
      count.refused += 1;
    }
  }
  settleUntil(start + seconds * 1000);
  while (Number.isFinite(out.next)) settleUntil(out.next);
  return count;
}
