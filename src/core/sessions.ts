import { SessionIdError, SessionNotFoundError } from '../errors.js';
import type { Clock } from './clock.js';
import { SessionTable } from './session-table.js';

export interface SessionSettings {
  /** A session ends when it was idle for so long, in seconds. */
  readonly idleTimeoutSeconds: number;
  /** A session ends at this age in seconds, however busy; null = never. */
  readonly maxAgeSeconds: number | null;
  /** Sessions that are kept; beyond, the least recently used ends. */
  readonly maxSessions: number;
}

/** A caller's id bound to a proxy. Times are monotonic ms of the engine's clock. */
export interface Session {
  readonly id: string;
  readonly proxyId: string;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly expiresAt: number;
  readonly requestCount: number;
  /** Sent to its proxies and received from them. */
  readonly bytes: number;
}

/** A session that another run has left. */
type RestoredSession = Omit<Session, 'expiresAt' | 'bytes'> & { readonly bytes?: number };

const SESSION_ID = /^[A-Za-z0-9._~-]{1,128}$/;

/** Expired sessions that one request ends in passing: more than it can add, so that they never pile up. */
const ENDED_IN_PASSING = 2;

/**
 * Session id -> proxy. Sliding idle timeout, optional absolute age, bounded. Expiry is exact for whoever asks for a
 * session; the memory of those that nobody asks for is given back in passing, see {@link Sessions.endIdle}.
 */
export class Sessions {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #maxAgeMs: number;
  readonly #table: SessionTable;

  constructor({ idleTimeoutSeconds, maxAgeSeconds, maxSessions }: SessionSettings, clock: Clock) {
    this.#clock = clock;
    this.#idleMs = idleTimeoutSeconds * 1000;
    this.#maxAgeMs = (maxAgeSeconds ?? Number.POSITIVE_INFINITY) * 1000;
    this.#table = new SessionTable(maxSessions);
  }

  /** Sessions that are kept. Some of them may have expired since the last request; after `sweep()` none has. */
  get size(): number {
    return this.#table.size;
  }

  /** The session, or undefined when there is none or it has expired. Does not count as use. */
  find(id: string): Session | undefined {
    const row = this.#live(id, this.#clock.now());
    return row === 0 ? undefined : this.#describe(row);
  }

  /** @throws SessionNotFoundError */
  get(id: string): Session {
    const session = this.find(id);
    if (session === undefined) throw new SessionNotFoundError();
    return session;
  }

  /**
   * Where the session is bound to, and whether it must leave. Does not count as use.
   * @param now for who has asked the clock already; asking costs more than finding the session
   */
  binding(
    id: string,
    now: number = this.#clock.now(),
  ): { readonly proxyId: string; readonly leaving: boolean } | undefined {
    const row = this.#live(id, now);
    return row === 0 ? undefined : { proxyId: this.#table.proxyId(row), leaving: this.#table.isLeaving(row) };
  }

  /** The proxy failed the session: its next request goes elsewhere. */
  leave(id: string, proxyId: string): void {
    const row = this.#live(id, this.#clock.now());
    if (row !== 0 && this.#table.proxyId(row) === proxyId) this.#table.leave(row);
  }

  /**
   * Counts one request of the session on `proxyId`, binding or moving it as needed.
   * @throws SessionIdError
   */
  use(id: string, proxyId: string, now: number = this.#clock.now()): void {
    const row = this.#live(id, now);
    if (row !== 0) {
      this.#table.use(row, proxyId, now);
      return;
    }
    assertSessionId(id);
    this.#table.insert(id, proxyId, now, now, 1);
  }

  /** Counts what was carried for the session; nothing where it has ended. Does not count as use. */
  carry(id: string, bytes: number): void {
    const row = this.#table.find(id);
    if (row !== 0) this.#table.addBytes(row, bytes);
  }

  /**
   * Binds a session as it was bound earlier. Times are monotonic ms. It counts as the newest, so sessions are
   * restored in the order of `list()`.
   */
  restore({ id, proxyId, createdAt, lastUsedAt, requestCount, bytes = 0 }: RestoredSession): void {
    assertSessionId(id);
    this.close(id);
    this.#table.addBytes(this.#table.insert(id, proxyId, createdAt, lastUsedAt, requestCount), bytes);
  }

  /** Ends the session; false when there was none. */
  close(id: string): boolean {
    const row = this.#table.find(id);
    if (row === 0) return false;
    this.#table.delete(row);
    return true;
  }

  /** Ends all expired sessions and returns how many there were. Looks at each session. */
  sweep(): number {
    const now = this.#clock.now();
    const before = this.#table.size;
    for (let row = this.#table.oldest, newer = 0; row !== 0; row = newer) {
      newer = this.#table.newerThan(row);
      if (this.#expiresAt(row) <= now) this.#table.delete(row);
    }
    return before - this.#table.size;
  }

  /**
   * Ends a few of those that have expired, if the least recently used one has: called with every request, it costs one
   * comparison while there is none. Who expired by age but was used of late is met here when it would have been idle
   * for long enough.
   */
  endIdle(now: number): void {
    for (let left = ENDED_IN_PASSING; left > 0; left--) {
      const { oldest } = this.#table;
      if (oldest === 0 || this.#expiresAt(oldest) > now) return;
      this.#table.delete(oldest);
    }
  }

  /** Those that have not expired, the least recently used first; on some proxies, or on all. */
  *list(only?: ReadonlySet<string>): IterableIterator<Session> {
    // Who walks it may end sessions on the way.
    const ids: string[] = [];
    for (let row = this.#table.oldest; row !== 0; row = this.#table.newerThan(row))
      if (only?.has(this.#table.proxyId(row)) !== false) ids.push(this.#table.id(row));
    for (const id of ids) {
      const row = this.#table.find(id);
      if (row !== 0 && this.#expiresAt(row) > this.#clock.now()) yield this.#describe(row);
    }
  }

  /** The row of a session that has not expired, or 0. */
  #live(id: string, now: number): number {
    const row = this.#table.find(id);
    if (row === 0 || this.#expiresAt(row) > now) return row;
    this.#table.delete(row);
    return 0;
  }

  #expiresAt(row: number): number {
    const table = this.#table;
    return Math.min(table.lastUsedAt(row) + this.#idleMs, table.createdAt(row) + this.#maxAgeMs);
  }

  #describe(row: number): Session {
    const table = this.#table;
    return {
      id: table.id(row),
      proxyId: table.proxyId(row),
      createdAt: table.createdAt(row),
      lastUsedAt: table.lastUsedAt(row),
      expiresAt: this.#expiresAt(row),
      requestCount: table.requestCount(row),
      bytes: table.bytes(row),
    };
  }
}

/** 1 to 128 of `A-Z a-z 0-9 . _ ~ -`. */
export function isSessionId(id: string): boolean {
  return SESSION_ID.test(id);
}

/** @throws SessionIdError */
export function assertSessionId(id: string): void {
  if (typeof id !== 'string' || !isSessionId(id)) throw new SessionIdError();
}
