import type { EvictionCause } from './tier.js';

/** Event name -> payload. Entries are named by their key, the id of the proxy; no credential is ever part of it. */
export interface CacheEvents {
  hit: { readonly key: string; readonly tier: string };
  miss: { readonly key: string };
  stored: { readonly key: string };
  deleted: { readonly key: string };
  promoted: { readonly key: string; readonly tier: string };
  evicted: { readonly key: string; readonly cause: EvictionCause };
  /** A tier (or `keys`, the key source, or `load`, reading all at the start) failed, and is passed over. */
  degraded: { readonly tier: string; readonly error: Error };
  recovered: { readonly tier: string };
  /** Something to know of that breaks nothing, such as damage that was set aside, or credentials not persisted. */
  warning: { readonly message: string; readonly error?: Error };
  /** What earlier runs left was read: so many proxies joined the pool, and of so many something was known. */
  loaded: { readonly added: number; readonly restored: number };
}

type Name = keyof CacheEvents;
type Listener<N extends Name> = (payload: CacheEvents[N]) => void;

/** A synchronous emitter. What a listener throws is dropped: it must break neither a write nor a request. */
export class CacheEmitter {
  readonly #listeners = new Map<Name, Set<Listener<never>>>();

  on<N extends Name>(name: N, listener: Listener<N>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener as Listener<never>));
    return () => void listeners.delete(listener as Listener<never>);
  }

  emit<N extends Name>(name: N, payload: CacheEvents[N]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as Listener<N>)(payload);
      } catch {
        // Who observes the cache is not told about itself.
      }
    }
  }
}
