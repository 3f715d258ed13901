import { LRUCache } from 'lru-cache';
import { SessionIdError, SessionNotFoundError } from '../errors.js';
import type { Clock } from './clock.js';

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
}

interface Binding {
  proxyId: string;
  /** True when the proxy failed the session: the next request moves it. */
  leaving: boolean;
  createdAt: number;
  lastUsedAt: number;
  requestCount: number;
}

const SESSION_ID = /^[A-Za-z0-9._~-]{1,128}$/;

/** Session id -> proxy. Sliding idle timeout, optional absolute age, bounded; expiry is checked when touched. */
export class Sessions {
  readonly #settings: SessionSettings;
  readonly #clock: Clock;
  readonly #bindings: LRUCache<string, Binding>;

  constructor(settings: SessionSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#bindings = new LRUCache({ max: settings.maxSessions });
  }

  get size(): number {
    return this.#bindings.size;
  }

  /** The session, or undefined when there is none or it has expired. Does not count as use. */
  find(id: string): Session | undefined {
    const binding = this.#live(id);
    return binding && this.#describe(id, binding);
  }

  /** @throws SessionNotFoundError */
  get(id: string): Session {
    const session = this.find(id);
    if (session === undefined) throw new SessionNotFoundError();
    return session;
  }

  /** Where the session is bound to, and whether it must leave. Does not count as use. */
  binding(id: string): { readonly proxyId: string; readonly leaving: boolean } | undefined {
    return this.#live(id);
  }

  /** The proxy failed the session: its next request goes elsewhere. */
  leave(id: string, proxyId: string): void {
    const binding = this.#live(id);
    if (binding?.proxyId === proxyId) binding.leaving = true;
  }

  /**
   * Counts one request of the session on `proxyId`, binding or moving it as needed.
   * @throws SessionIdError
   */
  use(id: string, proxyId: string): void {
    const now = this.#clock.now();
    const binding = this.#live(id);
    if (binding === undefined) {
      assertSessionId(id);
      this.#bindings.set(id, { proxyId, leaving: false, createdAt: now, lastUsedAt: now, requestCount: 1 });
      return;
    }
    binding.proxyId = proxyId;
    binding.leaving = false;
    binding.lastUsedAt = now;
    binding.requestCount += 1;
    this.#bindings.get(id); // marks it as recently used
  }

  /** Ends the session; false when there was none. */
  close(id: string): boolean {
    return this.#bindings.delete(id);
  }

  /** Ends all expired sessions and returns how many there were. */
  sweep(): number {
    const before = this.#bindings.size;
    for (const id of [...this.#bindings.keys()]) this.#live(id);
    return before - this.#bindings.size;
  }

  *list(): IterableIterator<Session> {
    for (const [id, binding] of this.#bindings.entries()) {
      if (this.#expiresAt(binding) > this.#clock.now()) yield this.#describe(id, binding);
    }
  }

  #live(id: string): Binding | undefined {
    const binding = this.#bindings.peek(id);
    if (binding === undefined) return undefined;
    if (this.#expiresAt(binding) > this.#clock.now()) return binding;
    this.#bindings.delete(id);
    return undefined;
  }

  #expiresAt({ createdAt, lastUsedAt }: Binding): number {
    const { idleTimeoutSeconds, maxAgeSeconds } = this.#settings;
    const idle = lastUsedAt + idleTimeoutSeconds * 1000;
    return maxAgeSeconds === null ? idle : Math.min(idle, createdAt + maxAgeSeconds * 1000);
  }

  #describe(id: string, binding: Binding): Session {
    const { proxyId, createdAt, lastUsedAt, requestCount } = binding;
    return { id, proxyId, createdAt, lastUsedAt, requestCount, expiresAt: this.#expiresAt(binding) };
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
