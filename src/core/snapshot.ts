import { SnapshotError } from '../errors.js';
import { type BreakerState, closed } from './health.js';
import type { HostHealth, LearnedCooldown } from './host-health.js';
import { absolute, checkBreaker, type LearnedBreaker, relative } from './learned-breaker.js';
import type { Member } from './pool.js';
import { isSessionId, type Sessions } from './sessions.js';
import {
  arrayAt,
  checkCounts,
  checkNumbers,
  checkTexts,
  isCount,
  NO_COUNT,
  objectAt,
} from './snapshot-checks.js';
import type { LearnedStats } from './stats.js';

const VERSION = 1;

export interface LearnedProxy {
  readonly stats: LearnedStats;
  readonly breaker: LearnedBreaker;
  /** Null before the first success. */
  readonly lastSuccessAgoMs: number | null;
}

export interface LearnedSession {
  readonly id: string;
  readonly proxyId: string;
  readonly ageMs: number;
  readonly idleMs: number;
  readonly requestCount: number;
  /** True when the proxy failed the session: its next request goes elsewhere. */
  readonly leaving: boolean;
}

/** All that an engine has learned, as plain JSON. Proxies are ids: no address, no credential. */
export interface Snapshot {
  readonly version: typeof VERSION;
  readonly proxies: Readonly<Record<string, LearnedProxy>>;
  readonly cooldowns: readonly LearnedCooldown[];
  readonly sessions: readonly LearnedSession[];
}

export interface SnapshotParts {
  readonly members: readonly Member[];
  readonly hosts: HostHealth;
  readonly sessions: Sessions;
  readonly now: number;
  /** Cooldowns and sessions of these proxies only; undefined = of all. */
  readonly only?: ReadonlySet<string> | undefined;
}

/** Proxies of which nothing is known are left out. */
export function takeSnapshot({ members, hosts, sessions, now, only }: SnapshotParts): Snapshot {
  const known = members.filter(
    ({ stats, breaker, lastSuccessAt }) =>
      stats.completed > 0 || breaker !== closed || Number.isFinite(lastSuccessAt),
  );
  return {
    version: VERSION,
    proxies: Object.fromEntries(
      known.map(({ id, stats, breaker, lastSuccessAt }): [string, LearnedProxy] => [
        id,
        {
          stats: stats.learned(now),
          breaker: relative(breaker, now),
          lastSuccessAgoMs: Number.isFinite(lastSuccessAt) ? now - lastSuccessAt : null,
        },
      ]),
    ),
    // The least recently banned first: in this order they are put back, and the first is the first to be forgotten.
    cooldowns: [...hosts.cooldowns(now, only)].reverse(),
    sessions: Array.from(sessions.list(only), ({ id, proxyId, createdAt, lastUsedAt, requestCount }) => ({
      id,
      proxyId,
      ageMs: now - createdAt,
      idleMs: now - lastUsedAt,
      requestCount,
      leaving: sessions.binding(id)?.leaving === true,
    })),
  };
}

export interface RestoreParts {
  readonly find: (id: string) => Member | undefined;
  readonly hosts: HostHealth;
  readonly sessions: Sessions;
  readonly setBreaker: (member: Member, breaker: BreakerState) => void;
  readonly now: number;
}

/**
 * Takes over what is known of the proxies that are there. Checked as a whole first, so that it is all or nothing.
 * @throws SnapshotError
 */
export function restoreSnapshot(given: unknown, elapsedMs: number, parts: RestoreParts): void {
  const { proxies, cooldowns, sessions } = checkSnapshot(given);
  checkNumbers({ elapsedMs }, ['elapsedMs'], 'restore()');
  const { find, hosts, now } = parts;
  for (const [id, { stats, breaker, lastSuccessAgoMs }] of Object.entries(proxies)) {
    const member = find(id);
    if (member === undefined) continue;
    member.stats.restore(stats, elapsedMs, now);
    if (lastSuccessAgoMs !== null) member.lastSuccessAt = now - lastSuccessAgoMs - elapsedMs;
    parts.setBreaker(member, absolute(breaker, now, elapsedMs));
  }
  for (const cooldown of cooldowns) {
    const remainingMs = cooldown.remainingMs - elapsedMs;
    if (remainingMs > 0 && find(cooldown.proxyId) !== undefined)
      hosts.restore({ ...cooldown, remainingMs }, now);
  }
  for (const { id, proxyId, ageMs, idleMs, requestCount, leaving } of sessions) {
    if (find(proxyId) === undefined) continue;
    const [createdAt, lastUsedAt] = [now - ageMs - elapsedMs, now - idleMs - elapsedMs];
    parts.sessions.restore({ id, proxyId, createdAt, lastUsedAt, requestCount });
    if (leaving) parts.sessions.leave(id, proxyId);
  }
}

/** @throws SnapshotError naming the first part that is wrong */
export function checkSnapshot(given: unknown): Snapshot {
  const snapshot = objectAt(given, 'snapshot');
  if (snapshot.version !== VERSION) throw new SnapshotError('version', `is not ${VERSION}`);
  for (const [id, entry] of Object.entries(objectAt(snapshot.proxies, 'proxies'))) {
    const path = `proxies.${/^px_[0-9a-f]{16}$/.test(id) ? id : '(no proxy id)'}`;
    const { stats, breaker, lastSuccessAgoMs } = objectAt(entry, path);
    checkStats(objectAt(stats, `${path}.stats`), `${path}.stats`);
    checkBreaker(objectAt(breaker, `${path}.breaker`), `${path}.breaker`);
    if (lastSuccessAgoMs !== null) checkNumbers({ lastSuccessAgoMs }, ['lastSuccessAgoMs'], path);
  }
  arrayAt(snapshot.cooldowns, 'cooldowns').forEach((entry, i) => {
    const cooldown = objectAt(entry, `cooldowns[${i}]`);
    checkTexts(cooldown, ['host', 'proxyId'], `cooldowns[${i}]`);
    checkNumbers(cooldown, ['remainingMs'], `cooldowns[${i}]`);
    checkCounts(cooldown, ['bans'], `cooldowns[${i}]`);
  });
  arrayAt(snapshot.sessions, 'sessions').forEach((entry, i) => {
    const session = objectAt(entry, `sessions[${i}]`);
    checkTexts(session, ['id', 'proxyId'], `sessions[${i}]`);
    if (!isSessionId(session.id as string)) throw new SnapshotError(`sessions[${i}].id`, 'is no session id');
    checkNumbers(session, ['ageMs', 'idleMs'], `sessions[${i}]`);
    checkCounts(session, ['requestCount'], `sessions[${i}]`);
    if (typeof session.leaving !== 'boolean')
      throw new SnapshotError(`sessions[${i}].leaving`, 'is neither true nor false');
  });
  return given as Snapshot;
}

function checkStats(stats: Record<string, unknown>, path: string): void {
  checkCounts(stats, ['completed', 'succeeded', 'failed'], path);
  if (Number(stats.succeeded) + Number(stats.failed) > Number(stats.completed)) {
    throw new SnapshotError(`${path}.completed`, 'is less than those that succeeded or failed');
  }
  if (stats.emaLatencyMs !== null) checkNumbers(stats, ['emaLatencyMs'], path);
  arrayAt(stats.minutes, `${path}.minutes`).forEach((count, i) => {
    if (!isCount(count)) throw new SnapshotError(`${path}.minutes[${i}]`, NO_COUNT);
  });
}
