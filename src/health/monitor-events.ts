import type { ProbeResult } from './probe.js';

/** Why proxies are checked. */
export type CheckReason = 'round' | 'probe' | 'call';

/** Event name -> payload. Payloads hold ids and results, never a credential. */
export interface MonitorEvents {
  /**
   * One of `total` checks ended that were begun together: a `round`, those whose open time was over (`probe`), or a
   * `call` of `check()`. `result` is null where there was nothing to check any more.
   */
  progress: {
    readonly reason: CheckReason;
    readonly done: number;
    readonly total: number;
    readonly result: ProbeResult | null;
  };
  /** A round ended: so many proxies needed a check, and so many of them passed. */
  round: { readonly checked: number; readonly passed: number };
  /** A proxy failed so many checks in a row that it gets nothing new. */
  down: { readonly proxyId: string };
  /** A proxy that was down passed so many checks in a row that it serves again. */
  up: { readonly proxyId: string };
  /** A round could not go on; the next one begins in its time. */
  error: { readonly error: unknown };
}

type Name = keyof MonitorEvents;
type Listener<N extends Name> = (payload: MonitorEvents[N]) => void;

/** A synchronous emitter; a listener that throws is reported as an `error`, and breaks nothing. */
export class MonitorEmitter {
  readonly #listeners = new Map<Name, Set<Listener<never>>>();

  on<N extends Name>(name: N, listener: Listener<N>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener as Listener<never>));
    return () => void listeners.delete(listener as Listener<never>);
  }

  emit<N extends Name>(name: N, payload: MonitorEvents[N]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as Listener<N>)(payload);
      } catch (error) {
        if (name !== 'error') this.emit('error', { error });
      }
    }
  }
}
