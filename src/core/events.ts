/**
 * Typed events. Payloads hold ids and reasons, never a credential and never a raw session id (a session id can
 * be the secret of its owner; `session` is its hash).
 */

/** A proxy was chosen for a request. */
export interface SelectedEvent {
  readonly proxyId: string;
  readonly strategy: string;
  /** The strategy's choice, a session that is bound to it, a probe of a half-open breaker, or who really carried it. */
  readonly reason: 'strategy' | 'session' | 'probe' | 'carrier';
  readonly host: string | null;
  readonly session: string | null;
}

/** A lease ended. `verdict` is the one that was charged: ambiguous evidence may have been corroborated. */
export interface SettledEvent {
  readonly proxyId: string;
  readonly strategy: string;
  readonly verdict: string;
  readonly latencyMs: number | null;
  readonly host: string | null;
  readonly session: string | null;
}

/** The breaker of a proxy changed its state. */
export interface BreakerEvent {
  readonly proxyId: string;
  readonly from: string;
  readonly to: string;
  /** How long it stays open, auth-failed or tls-intercept, in ms from now; null for other states. */
  readonly openMs: number | null;
}

/** A (proxy, host) pair cools down after a ban. */
export interface CooldownEvent {
  readonly proxyId: string;
  readonly host: string;
  readonly cooldownMs: number;
}

/** A session was bound to its first proxy, or moved because its proxy cannot serve it any more. */
export interface SessionEvent {
  readonly session: string;
  readonly proxyId: string;
  readonly previousProxyId: string | null;
  readonly reason: 'bound' | 'moved';
}

/** The strategy was swapped. */
export interface StrategyEvent {
  readonly from: string;
  readonly to: string;
}

/** The strategy could not choose, so another one did; or it threw while being told of a change. */
export interface FallbackEvent {
  readonly strategy: string;
  /** Null: there is none, and the next proxy in circular order was taken. */
  readonly fallback: string | null;
  readonly error: unknown;
}

/** Something about settings or data is odd, and the strategy made do. */
export interface WarningEvent {
  readonly strategy: string;
  readonly message: string;
}

/** So much of the pool fails at once that its proxies are not blamed for it, or one request came through again. */
export interface PanicEvent {
  readonly on: boolean;
}

/**
 * A rule that finds bans flags nearly everything that a host answers, through many proxies: it is rather the rule that
 * is wrong, and it is not believed there until its share falls.
 */
export interface SuspectEvent {
  readonly host: string;
  /** Its name, `classify` for the user's own, `handler` for what handlers say. */
  readonly rule: string;
  /** Answers of the host that count now. */
  readonly answers: number;
  /** How many of them the rule flagged. */
  readonly flagged: number;
  /** Through how many different proxies. */
  readonly proxies: number;
}

/** The option `classify` threw, or returned no verdict; the built-in rules judged the answer. */
export interface ClassifyErrorEvent {
  readonly error: unknown;
}

/** A proxy joined or left the pool. */
export interface PoolEvent {
  readonly proxyId: string;
  readonly change: 'added' | 'removed';
}

/** A budget is used up by so much; each is told once per window. */
export interface BudgetEvent {
  /** Its position in the option `budgets`, from 0. */
  readonly budget: number;
  /** Of the proxies that it is for; null = of any. */
  readonly tag: string | null;
  readonly source: string | null;
  readonly unit: 'bytes' | 'cost';
  /** At 100, nothing new goes to its proxies. */
  readonly percent: 80 | 100;
  readonly used: number;
  readonly limit: number;
  /** When it starts anew, in ms from now; null = never. */
  readonly resetMs: number | null;
}

/** An operator has disabled or enabled a proxy, or given it a weight or tags. */
export interface AdjustedEvent {
  readonly proxyId: string;
}

/** Event name -> payload. */
export interface RotatorEvents {
  selected: SelectedEvent;
  settled: SettledEvent;
  breaker: BreakerEvent;
  cooldown: CooldownEvent;
  session: SessionEvent;
  strategy: StrategyEvent;
  fallback: FallbackEvent;
  warning: WarningEvent;
  pool: PoolEvent;
  adjusted: AdjustedEvent;
  budget: BudgetEvent;
  panic: PanicEvent;
  suspect: SuspectEvent;
  'classify-error': ClassifyErrorEvent;
  /** A listener threw; the error is handed on instead of breaking the request that caused the event. */
  'listener-error': { readonly event: string; readonly error: unknown };
}

type Name = keyof RotatorEvents;
type Listener<N extends Name> = (payload: RotatorEvents[N]) => void;

/** A synchronous emitter. A listener that throws never breaks the path that emitted. */
export class Events {
  readonly #listeners: { [N in Name]?: Set<Listener<N>> } = {};

  /** Subscribes; the function that comes back unsubscribes. */
  on<N extends Name>(name: N, listener: Listener<N>): () => void {
    const listeners = this.#of(name) ?? new Set<Listener<N>>();
    (this.#listeners as Record<N, Set<Listener<N>>>)[name] = listeners;
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** True when someone listens: lets the hot path skip building a payload. */
  wants(name: Name): boolean {
    return (this.#listeners[name]?.size ?? 0) > 0;
  }

  emit<N extends Name>(name: N, payload: RotatorEvents[N]): void {
    for (const listener of this.#of(name) ?? []) {
      try {
        listener(payload);
      } catch (error) {
        if (name !== 'listener-error') this.emit('listener-error', { event: name, error });
      }
    }
  }

  #of<N extends Name>(name: N): Set<Listener<N>> | undefined {
    return this.#listeners[name] as Set<Listener<N>> | undefined;
  }
}
