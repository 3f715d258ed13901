import type { LearnedCooldown } from './host-health.js';
import { absolute, type LearnedBreaker, relative } from './learned-breaker.js';
import type { LearnedProxy, LearnedSession, Snapshot } from './snapshot.js';

/** What a snapshot says of one proxy alone. */
export interface LearnedRecord {
  /** Null when only cooldowns or sessions are known. */
  readonly proxy: LearnedProxy | null;
  readonly cooldowns: readonly Omit<LearnedCooldown, 'proxyId'>[];
  readonly sessions: readonly Omit<LearnedSession, 'proxyId'>[];
}

/** A record, and how long ago it was taken. */
export interface AgedRecord {
  readonly id: string;
  readonly record: LearnedRecord;
  readonly elapsedMs: number;
}

const MINUTE_MS = 60_000;
/** As many minutes as a window may have. */
const MOST_MINUTES = 1_440;

/** Splits a snapshot by proxy, so that each can be kept by itself. */
export function recordsOf({ proxies, cooldowns, sessions }: Snapshot): Map<string, LearnedRecord> {
  type Growing = { proxy: LearnedProxy | null; cooldowns: object[]; sessions: object[] };
  const records = new Map<string, Growing>();
  const at = (id: string): Growing => {
    const known = records.get(id) ?? { proxy: null, cooldowns: [], sessions: [] };
    records.set(id, known);
    return known;
  };
  for (const [id, proxy] of Object.entries(proxies)) at(id).proxy = proxy;
  for (const { proxyId, ...cooldown } of cooldowns) at(proxyId).cooldowns.push(cooldown);
  for (const { proxyId, ...session } of sessions) at(proxyId).sessions.push(session);
  return records as Map<string, LearnedRecord>;
}

/**
 * One snapshot as of now of records that were taken at different times.
 * @param restMs who may not serve rests for so long at least, so that the first requests go to those that may
 */
export function snapshotOf(aged: Iterable<AgedRecord>, restMs = 0): Snapshot {
  const proxies: Record<string, LearnedProxy> = {};
  const cooldowns: LearnedCooldown[] = [];
  const sessions: LearnedSession[] = [];
  for (const { id, record, elapsedMs } of aged) {
    if (record.proxy !== null) proxies[id] = agedProxy(record.proxy, elapsedMs, restMs);
    for (const cooldown of record.cooldowns) {
      const remainingMs = cooldown.remainingMs - elapsedMs;
      if (remainingMs > 0) cooldowns.push({ ...cooldown, proxyId: id, remainingMs });
    }
    for (const session of record.sessions) {
      const [ageMs, idleMs] = [session.ageMs + elapsedMs, session.idleMs + elapsedMs];
      sessions.push({ ...session, proxyId: id, ageMs, idleMs });
    }
  }
  // As in a snapshot of one engine: who comes first is the first to be forgotten.
  cooldowns.sort((a, b) => a.remainingMs - b.remainingMs);
  sessions.sort((a, b) => b.idleMs - a.idleMs);
  return { version: 1, proxies, cooldowns, sessions };
}

/** Whether it may not serve, or only to be tried. */
export function isCondemned({ proxy }: LearnedRecord): boolean {
  return proxy !== null && proxy.breaker.state !== 'closed' && proxy.breaker.state !== 'warming';
}

function agedProxy(learned: LearnedProxy, elapsedMs: number, restMs: number): LearnedProxy {
  const { stats, lastSuccessAgoMs, adjusted } = learned;
  const passed = Math.min(Math.round(elapsedMs / MINUTE_MS), MOST_MINUTES);
  const minutes = [...new Array<number>(passed).fill(0), ...stats.minutes].slice(0, MOST_MINUTES);
  const breaker = relative(absolute(learned.breaker, 0, elapsedMs), 0);
  return {
    stats: { ...stats, minutes },
    breaker: restMs > 0 ? rested(breaker, restMs) : breaker,
    lastSuccessAgoMs: lastSuccessAgoMs === null ? null : lastSuccessAgoMs + elapsedMs,
    ...(adjusted && { adjusted }),
  };
}

function rested(breaker: LearnedBreaker, restMs: number): LearnedBreaker {
  switch (breaker.state) {
    case 'open':
    case 'auth-failed':
    case 'tls-intercept':
      return { ...breaker, remainingMs: Math.max(breaker.remainingMs, restMs) };
    case 'half-open': {
      const { opens, refusals = 0 } = breaker;
      if (refusals > 0) return { state: 'auth-failed', remainingMs: restMs, refusals, opens };
      return { state: 'open', remainingMs: restMs, opens };
    }
    default:
      return breaker;
  }
}
