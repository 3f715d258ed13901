import type { Random } from './clock.js';

/**
 * The breaker of one proxy: a value and functions from value to value, so that it round-trips through JSON and a
 * replayed log of events gives the same state.
 *
 * closed --(faults in a row reach the threshold)--> open --(its time is over)--> half-open --(a probe succeeds)-->
 * closed, or --(it fails)--> open for longer. Nothing but a success leads back to closed.
 */
export type BreakerState =
  | {
      readonly state: 'closed' /** Weight of the faults in a row. */;
      readonly faults: number;
      readonly opens: number;
    }
  | { readonly state: 'open' /** Monotonic ms. */; readonly until: number; readonly opens: number }
  | {
      readonly state: 'half-open';
      readonly opens: number;
      /** The lease that probes, and until when it may: a probe that is never settled must not wedge the breaker. */
      readonly probe: { readonly leaseId: number; readonly until: number } | null;
    };

export interface BreakerSettings {
  /** Weight of consecutive proxy faults that opens the breaker. */
  readonly threshold: number;
  /** First open time in ms; doubles with each reopening. */
  readonly openMs: number;
  /** Cap of the open time in ms, before jitter. */
  readonly maxOpenMs: number;
  /** The open time is stretched by a random share of itself up to this, so that proxies do not come back at once. */
  readonly jitter: number;
  /** How long a probe may stay unsettled in ms. */
  readonly probeMs: number;
}

/** State of a proxy about which nothing bad is known. Shared: most proxies of a large pool have it. */
export const closed: BreakerState = Object.freeze({ state: 'closed', faults: 0, opens: 0 });

/** After a success. A late success of a request from before the breaker opened proves nothing about now. */
export function afterSuccess(breaker: BreakerState): BreakerState {
  if (breaker.state === 'open') return breaker;
  return breaker.state === 'closed' && breaker.faults === 0 ? breaker : closed;
}

/** After a fault of `weight` (0..1]; while open, late faults change nothing. */
export function afterFault(
  breaker: BreakerState,
  weight: number,
  now: number,
  settings: BreakerSettings,
  random: Random,
): BreakerState {
  if (breaker.state === 'open') return breaker;
  if (breaker.state === 'closed') {
    const faults = breaker.faults + weight;
    if (faults < settings.threshold) return { state: 'closed', faults, opens: breaker.opens };
  }
  const opens = breaker.opens + 1;
  const base = Math.min(settings.openMs * 2 ** (opens - 1), settings.maxOpenMs);
  return { state: 'open', until: now + base * (1 + settings.jitter * random()), opens };
}

/** What time alone changes: open becomes half-open, an overdue probe is given up. */
export function afterTime(breaker: BreakerState, now: number): BreakerState {
  if (breaker.state === 'open' && breaker.until <= now) {
    return { state: 'half-open', opens: breaker.opens, probe: null };
  }
  if (breaker.state === 'half-open' && breaker.probe !== null && breaker.probe.until <= now) {
    return { ...breaker, probe: null };
  }
  return breaker;
}

/** Gives the one probe of a half-open breaker to a lease, or takes it back (`leaseId` null). */
export function withProbe(
  breaker: BreakerState,
  leaseId: number | null,
  now: number,
  settings: BreakerSettings,
): BreakerState {
  if (breaker.state !== 'half-open') return breaker;
  return { ...breaker, probe: leaseId === null ? null : { leaseId, until: now + settings.probeMs } };
}

/** Whether a proxy in this state may be chosen. */
export function mayServe(breaker: BreakerState): boolean {
  return breaker.state === 'closed' || (breaker.state === 'half-open' && breaker.probe === null);
}

/** When time alone next changes this state, in monotonic ms; null when it never does. */
export function nextChange(breaker: BreakerState): number | null {
  if (breaker.state === 'open') return breaker.until;
  return breaker.state === 'half-open' && breaker.probe !== null ? breaker.probe.until : null;
}
