import type { SourceError } from './source-error.js';

/** Event name -> payload. Payloads hold names, counts and errors, never a URL, a path or a credential. */
export interface SourceEvents {
  /** A source was loaded. */
  source: {
    readonly name: string;
    /** False: it said that its list is what it was. */
    readonly changed: boolean;
    /** How many came to the pool. */
    readonly added: number;
    /** How many left it or were drained; those whose time ran out between two loads count with the next one. */
    readonly removed: number;
    /** How many the list names that were there. */
    readonly kept: number;
    /** Lines that are no proxy. */
    readonly rejected: number;
  };
  /** A load failed; what the source gave before stays. */
  'source-error': {
    readonly name: string;
    readonly error: SourceError;
    /** In a row. */
    readonly failures: number;
    /** Until the next load, in ms. */
    readonly retryInMs: number;
  };
  /** A listener threw. */
  'listener-error': { readonly event: string; readonly error: unknown };
}

type Name = keyof SourceEvents;
type Listener<N extends Name> = (payload: SourceEvents[N]) => void;

/** A synchronous emitter. A listener that throws breaks nothing. */
export class SourceEmitter {
  readonly #listeners = new Map<Name, Set<Listener<never>>>();

  on<N extends Name>(name: N, listener: Listener<N>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener as Listener<never>));
    return () => void listeners.delete(listener as Listener<never>);
  }

  emit<N extends Name>(name: N, payload: SourceEvents[N]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as Listener<N>)(payload);
      } catch (error) {
        if (name !== 'listener-error') this.emit('listener-error', { event: name, error });
      }
    }
  }
}
