import type { LearnedRecord } from '../core/learned-record.js';
import { checkSnapshot } from '../core/snapshot.js';
import type { KeyRing } from './crypto.js';
import type { LearnedJson } from './entry.js';

/** A record as it was kept, and when: ms since 1970. */
export interface KeptRecord {
  readonly record: LearnedRecord;
  readonly at: number;
}

const VERSION = 1;
/** Most characters of each list in one record, so that all of it stays below the limit of an entry. */
const MAX_LIST_LENGTH = 20_000;

/**
 * What the engine learned of one proxy, as the cache keeps it. A session id may be the secret of its owner, so they
 * are sealed, and left out where there is no key. Of very long lists, the oldest are left out.
 */
export function keepRecord(id: string, { record, at }: KeptRecord, ring: KeyRing | null): LearnedJson {
  const cooldowns = newestOf(record.cooldowns, (a, b) => b.remainingMs - a.remainingMs);
  const sessions = newestOf(record.sessions, (a, b) => a.idleMs - b.idleMs);
  return {
    v: VERSION,
    at,
    proxy: record.proxy,
    cooldowns,
    ...(ring !== null &&
      sessions.length > 0 && { sessions: ring.seal(JSON.stringify(sessions), placeOf(id)) }),
  };
}

/** Null when it is of another version, or not what was kept. */
export function readRecord(id: string, kept: LearnedJson, ring: KeyRing | null): KeptRecord | null {
  const { v, at, proxy, cooldowns, sessions } = kept;
  if (v !== VERSION || typeof at !== 'number' || !Number.isFinite(at)) return null;
  const record = { proxy, cooldowns, sessions: openSessions(id, sessions, ring) } as LearnedRecord;
  try {
    // Alone, so that one that is wrong does not keep all others from being restored.
    checkSnapshot({
      version: 1,
      proxies: record.proxy === null ? {} : { [id]: record.proxy },
      cooldowns: record.cooldowns.map((cooldown) => ({ ...cooldown, proxyId: id })),
      sessions: record.sessions.map((session) => ({ ...session, proxyId: id })),
    });
    return { record, at };
  } catch {
    return null;
  }
}

function openSessions(id: string, sealed: unknown, ring: KeyRing | null): unknown {
  if (typeof sealed !== 'string' || ring === null) return [];
  try {
    return JSON.parse(ring.open(sealed, placeOf(id)));
  } catch {
    // Its key is gone, or it was moved here from another record: a binding is not worth more than a new one.
    return [];
  }
}

function placeOf(id: string): { tier: string; key: string; field: string; version: number } {
  return { tier: 'engine', key: id, field: 'sessions', version: VERSION };
}

function newestOf<T>(list: readonly T[], byAge: (a: T, b: T) => number): T[] {
  let length = 0;
  return [...list].sort(byAge).filter((item) => {
    length += JSON.stringify(item).length + 1;
    return length <= MAX_LIST_LENGTH;
  });
}
