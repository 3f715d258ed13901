import type { Random } from './clock.js';

/** A fault that is unmistakable when it happens twice in a row: a refused password, or nobody there to answer. */
export type FaultKind = 'auth' | 'hard';

/**
 * The breaker of one proxy: a value and functions from value to value, so that it round-trips through JSON and a
 * replayed log of events gives the same state.
 *
 * closed --(faults reach the threshold)--> open --(its time is over)--> half-open --(probes succeed)--> warming
 * --(its time is over)--> closed, or half-open --(a probe fails)--> open for longer. A proxy that refuses the
 * password goes to auth-failed, and one that breaks into the encryption to tls-intercept: both are open for much
 * longer. Nothing but a success leads out of half-open to
 * where a proxy serves.
 */
export type BreakerState =
  | {
      readonly state: 'closed';
      /** Weight of the faults in a row. */
      readonly faults: number;
      /** Kind of the last fault, while nothing else came since. */
      readonly last: FaultKind | null;
      /** How often it opened; falls with healthy time. */
      readonly opens: number;
      /** Monotonic ms from which the healthy time counts that lowers `opens` next; 0 where there is nothing to lower. */
      readonly since: number;
    }
  | { readonly state: 'open' /** Monotonic ms. */; readonly until: number; readonly opens: number }
  | {
      readonly state: 'auth-failed' | 'tls-intercept';
      /** Monotonic ms. */
      readonly until: number;
      /** How often in a row it came to this, retries included. */
      readonly refusals: number;
      readonly opens: number;
    }
  | {
      readonly state: 'half-open';
      readonly opens: number;
      /** Of the auth-failed or tls-intercept state that it comes from; 0 when it was open. */
      readonly refusals: number;
      /** Probes in a row that succeeded. */
      readonly successes: number;
      /** The lease that probes, and until when it may: a probe that is never settled must not wedge the breaker. */
      readonly probe: { readonly leaseId: number; readonly until: number } | null;
    }
  | {
      readonly state: 'warming';
      readonly faults: number;
      readonly last: FaultKind | null;
      readonly opens: number;
      /** Monotonic ms between which the share of the proxy grows. */
      readonly since: number;
      readonly until: number;
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
  /** Probes in a row that must succeed. */
  readonly probeSuccesses: number;
  /** How long the share of a proxy that came back grows, in ms; 0 = it has its full share at once. */
  readonly warmingMs: number;
}

/** Healthy time that makes up for one opening, in ms. */
const FORGET_MS = 300_000;
/** First wait of a proxy that refuses the password, and its cap, in ms: such a thing is seldom put right by itself. */
const AUTH_MS = 300_000;
const MAX_AUTH_MS = 3_600_000;
/** What a warming proxy gets of its share at first. */
const FIRST_SHARE = 0.1;

/** State of a proxy about which nothing bad is known. Shared: most proxies of a large pool have it. */
export const closed: BreakerState = Object.freeze({
  state: 'closed',
  faults: 0,
  last: null,
  opens: 0,
  since: 0,
});

/** After a success. A late success of a request from before the breaker opened proves nothing about now. */
export function afterSuccess(breaker: BreakerState, now: number, settings: BreakerSettings): BreakerState {
  switch (breaker.state) {
    case 'open':
    case 'auth-failed':
    case 'tls-intercept':
      return breaker;
    case 'half-open': {
      const { opens } = breaker;
      const successes = breaker.successes + 1;
      if (successes < settings.probeSuccesses) return { ...breaker, successes, probe: null };
      if (settings.warmingMs === 0) return asClosed(0, null, opens, now);
      return { state: 'warming', faults: 0, last: null, opens, since: now, until: now + settings.warmingMs };
    }
    case 'warming':
      return breaker.faults === 0 && breaker.last === null ? breaker : { ...breaker, faults: 0, last: null };
    case 'closed': {
      const { faults, last, opens, since } = breaker;
      // The way of nearly every success: nothing is allocated.
      if (faults === 0 && last === null && (opens === 0 || now - since < FORGET_MS)) return breaker;
      return forgiven(0, null, breaker, now);
    }
  }
}

/** After a fault of `weight` (0..1]; while open, late faults change nothing. */
export function afterFault(
  breaker: BreakerState,
  weight: number,
  now: number,
  settings: BreakerSettings,
  random: Random,
  kind: FaultKind | null = null,
): BreakerState {
  if (isAway(breaker)) return breaker;
  if (breaker.state === 'half-open') {
    // One refusal is enough here: two in a row are asked for to spare a proxy that serves.
    if (kind === 'auth') return sentAway('auth-failed', breaker, now, settings, random);
    return opened(breaker, now, settings, random);
  }
  const faults = breaker.faults + weight;
  if (kind === 'auth' && breaker.last === 'auth')
    return sentAway('auth-failed', breaker, now, settings, random);
  if (faults >= settings.threshold || (kind === 'hard' && breaker.last === 'hard'))
    return opened(breaker, now, settings, random);
  if (breaker.state === 'closed') return forgiven(faults, kind, breaker, now);
  return { ...breaker, faults, last: kind, since: now, until: now + settings.warmingMs };
}

/** Opens whatever the faults in a row are; longer than the last time, if that is not long ago. */
export function opened(
  breaker: BreakerState,
  now: number,
  settings: BreakerSettings,
  random: Random,
): BreakerState {
  if (isAway(breaker)) return breaker;
  const opens = opensAt(breaker, now) + 1;
  const base = Math.min(settings.openMs * 2 ** (opens - 1), settings.maxOpenMs);
  return { state: 'open', until: now + stretched(base, settings, random), opens };
}

/** After it turned out to break into the encryption. */
export function afterInterception(
  breaker: BreakerState,
  now: number,
  settings: BreakerSettings,
  random: Random,
): BreakerState {
  return isAway(breaker) ? breaker : sentAway('tls-intercept', breaker, now, settings, random);
}

/** Takes back what was charged for faults that turned out to be somebody else's. What has opened stays open. */
export function afterRefund(breaker: BreakerState, weight: number): BreakerState {
  if (breaker.state !== 'closed' && breaker.state !== 'warming') return breaker;
  const faults = Math.max(0, breaker.faults - weight);
  if (breaker.state === 'warming') return { ...breaker, faults };
  return asClosed(faults, breaker.last, breaker.opens, breaker.since);
}

/** What time alone changes: open becomes half-open, an overdue probe is given up, warming ends. */
export function afterTime(breaker: BreakerState, now: number): BreakerState {
  if (breaker.state === 'closed') return breaker;
  if (breaker.state === 'half-open') {
    return breaker.probe !== null && breaker.probe.until <= now ? { ...breaker, probe: null } : breaker;
  }
  if (breaker.until > now) return breaker;
  const { opens } = breaker;
  if (breaker.state === 'warming') return asClosed(breaker.faults, breaker.last, opens, breaker.until);
  const refusals = breaker.state === 'open' ? 0 : breaker.refusals;
  return { state: 'half-open', opens, refusals, successes: 0, probe: null };
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
  if (breaker.state === 'half-open') return breaker.probe === null;
  return breaker.state === 'closed' || breaker.state === 'warming';
}

/** The part of its share that a proxy gets, 0.1 to 1: it grows evenly while the proxy warms up. */
export function shareOf(breaker: BreakerState, now: number): number {
  if (breaker.state !== 'warming') return 1;
  const { since, until } = breaker;
  return until <= now ? 1 : FIRST_SHARE + (1 - FIRST_SHARE) * Math.max(0, (now - since) / (until - since));
}

/** When time alone next changes this state, in monotonic ms; null when it never does. */
export function nextChange(breaker: BreakerState): number | null {
  if (breaker.state === 'closed') return null;
  return breaker.state === 'half-open' ? (breaker.probe?.until ?? null) : breaker.until;
}

type Away = Extract<BreakerState, { state: 'open' | 'auth-failed' | 'tls-intercept' }>;

function isAway(breaker: BreakerState): breaker is Away {
  return breaker.state === 'open' || breaker.state === 'auth-failed' || breaker.state === 'tls-intercept';
}

function sentAway(
  state: 'auth-failed' | 'tls-intercept',
  before: Exclude<BreakerState, Away>,
  now: number,
  settings: BreakerSettings,
  random: Random,
): BreakerState {
  const refusals = before.state === 'half-open' ? before.refusals + 1 : 1;
  const base = Math.min(AUTH_MS * 2 ** (refusals - 1), MAX_AUTH_MS);
  return { state, until: now + stretched(base, settings, random), refusals, opens: opensAt(before, now) };
}

function stretched(base: number, settings: BreakerSettings, random: Random): number {
  return base * (1 + settings.jitter * random());
}

/** Openings that healthy time has not made up for. */
function opensAt(breaker: BreakerState, now: number): number {
  if (breaker.state !== 'closed') return breaker.opens;
  return Math.max(0, breaker.opens - Math.max(0, Math.floor((now - breaker.since) / FORGET_MS)));
}

/** Closed, with the openings that are made up for by now forgotten. */
function forgiven(
  faults: number,
  last: FaultKind | null,
  before: Extract<BreakerState, { state: 'closed' }>,
  now: number,
): BreakerState {
  const opens = opensAt(before, now);
  return asClosed(faults, last, opens, before.since + (before.opens - opens) * FORGET_MS);
}

function asClosed(faults: number, last: FaultKind | null, opens: number, since: number): BreakerState {
  if (faults === 0 && last === null && opens === 0) return closed;
  return { state: 'closed', faults, last, opens, since: opens === 0 ? 0 : since };
}
