import { SnapshotError } from '../errors.js';
import type { BreakerState, FaultKind } from './health.js';
import { checkCounts, checkNumbers } from './snapshot-checks.js';

/**
 * A breaker whose times are relative, so that it means the same on another clock. What may be absent is so where it
 * says nothing, and in snapshots of versions that did not know it.
 */
export type LearnedBreaker =
  | {
      readonly state: 'closed';
      readonly faults: number;
      readonly opens: number;
      readonly last?: FaultKind;
      /** Healthy time that counts towards forgetting an opening. */
      readonly healthyMs?: number;
    }
  | { readonly state: 'open'; readonly remainingMs: number; readonly opens: number }
  | {
      readonly state: 'auth-failed' | 'tls-intercept';
      readonly remainingMs: number;
      readonly refusals: number;
      readonly opens: number;
    }
  | {
      readonly state: 'half-open';
      readonly opens: number;
      readonly refusals?: number;
      readonly successes?: number;
    }
  | {
      readonly state: 'warming';
      readonly faults: number;
      readonly opens: number;
      readonly last?: FaultKind;
      readonly ageMs: number;
      readonly remainingMs: number;
    };

const STATES: ReadonlySet<unknown> = new Set<LearnedBreaker['state']>([
  'closed',
  'open',
  'auth-failed',
  'tls-intercept',
  'half-open',
  'warming',
]);

export function relative(breaker: BreakerState, now: number): LearnedBreaker {
  const { opens } = breaker;
  switch (breaker.state) {
    case 'closed': {
      const { faults, last, since } = breaker;
      const healthyMs = now - since;
      return { state: 'closed', faults, opens, ...(last && { last }), ...(opens > 0 && { healthyMs }) };
    }
    case 'open':
      return { state: 'open', remainingMs: breaker.until - now, opens };
    case 'auth-failed':
    case 'tls-intercept': {
      const { state, until, refusals } = breaker;
      return { state, remainingMs: until - now, refusals, opens };
    }
    case 'half-open': {
      const { refusals, successes } = breaker;
      return {
        state: 'half-open',
        opens,
        ...(refusals > 0 && { refusals }),
        ...(successes > 0 && { successes }),
      };
    }
    case 'warming': {
      const { faults, last, since, until } = breaker;
      const times = { ageMs: now - since, remainingMs: until - now };
      return { state: 'warming', faults, opens, ...(last && { last }), ...times };
    }
  }
}

export function absolute(breaker: LearnedBreaker, now: number, elapsedMs: number): BreakerState {
  const { opens } = breaker;
  switch (breaker.state) {
    case 'closed': {
      const { faults, last = null, healthyMs = 0 } = breaker;
      // The engine did nothing meanwhile, so the time that passed was no healthy time.
      return { state: 'closed', faults, last, opens, since: opens > 0 ? now - healthyMs : 0 };
    }
    case 'open':
      return { state: 'open', until: later(breaker.remainingMs), opens };
    case 'auth-failed':
    case 'tls-intercept': {
      const { state, remainingMs, refusals } = breaker;
      return { state, until: later(remainingMs), refusals, opens };
    }
    case 'half-open': {
      // A probe that was out has ended with its process.
      const { refusals = 0, successes = 0 } = breaker;
      return { state: 'half-open', opens, refusals, successes, probe: null };
    }
    case 'warming': {
      const { faults, last = null, ageMs } = breaker;
      const times = { since: now - ageMs - elapsedMs, until: later(breaker.remainingMs) };
      return { state: 'warming', faults, last, opens, ...times };
    }
  }

  function later(remainingMs: number): number {
    return now + Math.max(0, remainingMs - elapsedMs);
  }
}

/** @throws SnapshotError */
export function checkBreaker(breaker: Record<string, unknown>, path: string): void {
  const { state, last } = breaker;
  if (!STATES.has(state)) throw new SnapshotError(`${path}.state`, 'is no breaker state');
  checkCounts(breaker, ['opens', ...given(breaker, ['refusals', 'successes'])], path);
  checkNumbers(breaker, given(breaker, ['healthyMs', 'ageMs']), path);
  const long = state === 'auth-failed' || state === 'tls-intercept';
  if (long) checkCounts(breaker, ['refusals'], path);
  if (state === 'warming') checkNumbers(breaker, ['ageMs'], path);
  if (state === 'closed' || state === 'warming') checkNumbers(breaker, ['faults'], path);
  if (long || state === 'open' || state === 'warming') checkNumbers(breaker, ['remainingMs'], path);
  if (last !== undefined && last !== 'auth' && last !== 'hard')
    throw new SnapshotError(`${path}.last`, 'is no kind of fault');
}

function given(from: Record<string, unknown>, names: readonly string[]): string[] {
  return names.filter((name) => from[name] !== undefined);
}
