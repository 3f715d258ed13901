import { type BreakerState, mayServe } from '../core/health.js';
import type { PooledProxy } from '../core/pool.js';
import type { CheckRecord } from './fall-rise.js';

/** Whether its breaker waits for a proof, or would if anybody had asked for the time. */
export function awaitsProbe(breaker: BreakerState, now: number): boolean {
  if (breaker.state === 'half-open') return breaker.probe === null || breaker.probe.until <= now;
  return (awayUntil(breaker) ?? Number.POSITIVE_INFINITY) <= now;
}

/** Until when it gets no request at all, in monotonic ms; null when it may get one. */
export function awayUntil(breaker: BreakerState): number | null {
  return 'until' in breaker && !mayServe(breaker) ? breaker.until : null;
}

/** Whether somebody else is probing it: there are never two. */
export function isProbed(breaker: BreakerState, now: number): boolean {
  return breaker.state === 'half-open' && !awaitsProbe(breaker, now);
}

/**
 * Whether a proxy is worth a check now. Not while its breaker is open, when a success would prove nothing; not when an
 * operator has taken it out; not when real traffic has proven it within `freshMs`.
 */
export function needsCheck(
  member: PooledProxy,
  record: Readonly<CheckRecord> | undefined,
  now: number,
  freshMs: number,
): boolean {
  const { breaker, drained, disabled, lastSuccessAt } = member;
  if (disabled || (drained && record?.down !== true)) return false;
  if (breaker.state !== 'closed' && breaker.state !== 'warming') return awaitsProbe(breaker, now);
  if (record?.down === true) return true;
  return lastSuccessAt === record?.lastSuccessAt || now - lastSuccessAt > freshMs;
}
