import { SnapshotError } from '../errors.js';
import { type Adjustment, checkAdjustment, noAdjustment } from './adjustment.js';
import type { Budgets, LearnedBudget } from './budgets.js';
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
  /** What an operator has set; absent where that is nothing. */
  readonly adjusted?: Adjustment;
}

export interface LearnedSession {
  readonly id: string;
  readonly proxyId: string;
  readonly ageMs: number;
  readonly idleMs: number;
  readonly requestCount: number;
  /** Absent = none. */
  readonly bytes?: number;
  /** True when the proxy failed the session: its next request goes elsewhere. */
  readonly leaving: boolean;
}

/** All that an engine has learned, as plain JSON. Proxies are ids: no address, no credential. */
export interface Snapshot {
  readonly version: typeof VERSION;
  readonly proxies: Readonly<Record<string, LearnedProxy>>;
  readonly cooldowns: readonly LearnedCooldown[];
  readonly sessions: readonly LearnedSession[];
  /** Absent = nothing of any budget was used. */
  readonly budgets?: readonly LearnedBudget[];
}

export interface SnapshotParts {
  readonly members: readonly Member[];
  readonly hosts: HostHealth;
  readonly sessions: Sessions;
  readonly budgets: Budgets;
  readonly now: number;
  /** Cooldowns and sessions of these proxies only; undefined = of all. */
  readonly only?: ReadonlySet<string> | undefined;
}

/** Proxies of which nothing is known are left out. */
export function takeSnapshot({ members, hosts, sessions, budgets, now, only }: SnapshotParts): Snapshot {
  const known = members.filter(
    ({ stats, breaker, lastSuccessAt, adjustment }) =>
      stats.completed > 0 ||
      stats.bytesUp + stats.bytesDown > 0 ||
      breaker !== closed ||
      Number.isFinite(lastSuccessAt) ||
      adjustment !== noAdjustment,
  );
  const used = only === undefined ? budgets.learned(now) : [];
  return {
    version: VERSION,
    proxies: Object.fromEntries(
      known.map(({ id, stats, breaker, lastSuccessAt, adjustment }): [string, LearnedProxy] => [
        id,
        {
          stats: stats.learned(now),
          breaker: relative(breaker, now),
          lastSuccessAgoMs: Number.isFinite(lastSuccessAt) ? now - lastSuccessAt : null,
          ...(adjustment !== noAdjustment && { adjusted: adjustment }),
        },
      ]),
    ),
    // The least recently banned first: in this order they are put back, and the first is the first to be forgotten.
    cooldowns: [...hosts.cooldowns(now, only)].reverse(),
    sessions: Array.from(
      sessions.list(only),
      ({ id, proxyId, createdAt, lastUsedAt, requestCount, bytes }) => ({
        id,
        proxyId,
        ageMs: now - createdAt,
        idleMs: now - lastUsedAt,
        requestCount,
        ...(bytes > 0 && { bytes }),
        leaving: sessions.binding(id)?.leaving === true,
      }),
    ),
    ...(used.length > 0 && { budgets: used }),
  };
}

export interface RestoreParts {
  readonly find: (id: string) => Member | undefined;
  readonly hosts: HostHealth;
  readonly sessions: Sessions;
  readonly budgets: Budgets;
  readonly setBreaker: (member: Member, breaker: BreakerState) => void;
  readonly adjust: (member: Member, adjustment: Adjustment) => void;
  readonly now: number;
}

/**
 * Takes over what is known of the proxies that are there. Checked as a whole first, so that it is all or nothing.
 * @throws SnapshotError
 */
export function restoreSnapshot(given: unknown, elapsedMs: number, parts: RestoreParts): void {
  const { proxies, cooldowns, sessions, budgets } = checkSnapshot(given);
  checkNumbers({ elapsedMs }, ['elapsedMs'], 'restore()');
  const { find, hosts, now } = parts;
  for (const [id, { stats, breaker, lastSuccessAgoMs, adjusted }] of Object.entries(proxies)) {
    const member = find(id);
    if (member === undefined) continue;
    member.stats.restore(stats, elapsedMs, now);
    if (lastSuccessAgoMs !== null) member.lastSuccessAt = now - lastSuccessAgoMs - elapsedMs;
    parts.setBreaker(member, absolute(breaker, now, elapsedMs));
    if (adjusted !== undefined) parts.adjust(member, adjusted);
  }
  for (const cooldown of cooldowns) {
    const remainingMs = cooldown.remainingMs - elapsedMs;
    if (remainingMs > 0 && find(cooldown.proxyId) !== undefined)
      hosts.restore({ ...cooldown, remainingMs }, now);
  }
  for (const { id, proxyId, ageMs, idleMs, requestCount, leaving, bytes = 0 } of sessions) {
    if (find(proxyId) === undefined) continue;
    const [createdAt, lastUsedAt] = [now - ageMs - elapsedMs, now - idleMs - elapsedMs];
    parts.sessions.restore({ id, proxyId, createdAt, lastUsedAt, requestCount, bytes });
    if (leaving) parts.sessions.leave(id, proxyId);
  }
  if (budgets !== undefined) parts.budgets.restore(budgets, elapsedMs, now);
}

/** @throws SnapshotError naming the first part that is wrong */
export function checkSnapshot(given: unknown): Snapshot {
  const snapshot = objectAt(given, 'snapshot');
  if (snapshot.version !== VERSION) throw new SnapshotError('version', `is not ${VERSION}`);
  for (const [id, entry] of Object.entries(objectAt(snapshot.proxies, 'proxies'))) {
    const path = `proxies.${/^px_[0-9a-f]{16}$/.test(id) ? id : '(no proxy id)'}`;
    const { stats, breaker, lastSuccessAgoMs, adjusted } = objectAt(entry, path);
    checkStats(objectAt(stats, `${path}.stats`), `${path}.stats`);
    checkBreaker(objectAt(breaker, `${path}.breaker`), `${path}.breaker`);
    if (lastSuccessAgoMs !== null) checkNumbers({ lastSuccessAgoMs }, ['lastSuccessAgoMs'], path);
    if (adjusted !== undefined) checkAdjustment(adjusted, `${path}.adjusted`);
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
    if (session.bytes !== undefined) checkNumbers(session, ['bytes'], `sessions[${i}]`);
    if (typeof session.leaving !== 'boolean')
      throw new SnapshotError(`sessions[${i}].leaving`, 'is neither true nor false');
  });
  if (snapshot.budgets !== undefined) arrayAt(snapshot.budgets, 'budgets').forEach(checkBudget);
  return given as Snapshot;
}

function checkStats(stats: Record<string, unknown>, path: string): void {
  checkCounts(stats, ['completed', 'succeeded', 'failed'], path);
  if (Number(stats.succeeded) + Number(stats.failed) > Number(stats.completed)) {
    throw new SnapshotError(`${path}.completed`, 'is less than those that succeeded or failed');
  }
  for (const name of ['bytesUp', 'bytesDown'])
    if (stats[name] !== undefined) checkNumbers(stats, [name], path);
  if (stats.emaLatencyMs !== null) checkNumbers(stats, ['emaLatencyMs'], path);
  arrayAt(stats.minutes, `${path}.minutes`).forEach((count, i) => {
    if (!isCount(count)) throw new SnapshotError(`${path}.minutes[${i}]`, NO_COUNT);
  });
}

function checkBudget(entry: unknown, i: number): void {
  const path = `budgets[${i}]`;
  const budget = objectAt(entry, path);
  checkNumbers(budget, ['used', 'ageMs'], path);
  if (budget.unit !== 'bytes' && budget.unit !== 'cost')
    throw new SnapshotError(`${path}.unit`, 'is neither bytes nor cost');
  for (const name of ['tag', 'source']) if (budget[name] !== null) checkTexts(budget, [name], path);
  if (budget.windowSeconds !== null) checkNumbers(budget, ['windowSeconds'], path);
}
