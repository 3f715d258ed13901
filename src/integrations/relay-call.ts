import { findCountry } from '../core/geo.js';
import { mayServe } from '../core/health.js';
import type { Lease } from '../core/lease.js';
import type { Outcome, Verdict } from '../core/outcome.js';
import type { Rotator } from '../core/rotator.js';
import { NoCandidateError, PoolEmptyError, ProxyWhirlError } from '../errors.js';
import { failureOutcome, TELLING_MS } from '../transport/attempt-outcome.js';
import { classify } from '../transport/classify.js';
import type { ProxyDispatchers } from '../transport/dispatcher.js';
import type { Judge } from '../transport/judge.js';
import type { RetryBudget } from '../transport/retry-budget.js';
import { TunnelError } from '../transport/tunnel-error.js';
import type { WireMeter } from '../transport/wire-meter.js';
import type { RelayDoor, RelayWishes } from './relay-auth.js';
import type { LoopGuard } from './relay-loop.js';
import type { ResolvedRelayOptions } from './relay-options.js';

/** Numbers that go up only. */
export interface RelayCounts {
  /** Plain HTTP requests. */
  requests: number;
  /** CONNECT and SOCKS. */
  tunnels: number;
  /** Attempts that were followed by one through another proxy. */
  failovers: number;
}

/** What all requests of one relay share. */
export interface RelayEngine {
  readonly rotator: Rotator;
  readonly options: ResolvedRelayOptions;
  readonly door: RelayDoor;
  readonly dispatchers: ProxyDispatchers;
  /** Counts what tunnels carry. */
  readonly meter: WireMeter;
  readonly judge: Judge;
  /** For attempts of which nothing was written, and for the others. */
  readonly budgets: { readonly unwritten: RetryBudget; readonly written: RetryBudget };
  /** Null until the relay listens. */
  readonly loops: LoopGuard | null;
  readonly counts: RelayCounts;
}

/** A failed attempt. */
export interface RelayFailure {
  readonly error: unknown;
  readonly outcome: Outcome;
  /** Whether somebody else may be asked: nothing was written, or it may be written again. */
  readonly repeatable: boolean;
  /** Whether a byte of the request may have reached anybody who acts on it. */
  readonly written: boolean;
}

/** Proxies that are asked for one request although all of them refuse the connection. */
const MAX_DIALS = 10;

/** One request of a client and its attempts, each through another proxy. */
export class RelayCall {
  readonly #engine: RelayEngine;
  readonly #wishes: RelayWishes;
  readonly #url: string;
  readonly #endsAt: number;
  readonly #failed = new Set<string>();
  #counted = 0;
  #lastError: unknown = null;

  constructor(engine: RelayEngine, wishes: RelayWishes, url: string) {
    this.#engine = engine;
    this.#wishes = wishes;
    this.#url = url;
    this.#endsAt = engine.rotator.clock.now() + engine.options.deadlineMs;
    engine.budgets.unwritten.deposit();
    engine.budgets.written.deposit();
  }

  /** In ms, never negative. */
  get leftMs(): number {
    return Math.max(0, this.#endsAt - this.#engine.rotator.clock.now());
  }

  /** How long the next attempt may stay unanswered before {@link hasOther} is asked, in ms; null = until the deadline. */
  get patienceMs(): number | null {
    return this.#counted + 1 >= this.#engine.options.attempts ? null : this.leftMs / 2;
  }

  /** Whether a proxy that serves is left to ask. Walks over the pool: for when a proxy was silent for long. */
  hasOther({ proxy: { id: current } }: Lease): boolean {
    const { country } = this.#wishes;
    const code = country === undefined ? undefined : findCountry(country);
    const others = this.#engine.rotator.pool.list(
      ({ id, proxy, breaker, drained, disabled }) =>
        id !== current &&
        !this.#failed.has(id) &&
        !drained &&
        !disabled &&
        mayServe(breaker) &&
        (country === undefined || proxy.geo?.countryCode === code),
    );
    return others.length > 0;
  }

  /** @throws what the engine says when there is nobody; after a failure, that failure */
  acquire(): Lease {
    const { rotator, loops } = this.#engine;
    for (;;) {
      let lease: Lease;
      try {
        lease = rotator.acquire({
          ...this.#wishes,
          url: this.#url,
          ...(this.#failed.size === 0 ? {} : { exclude: this.#failed }),
        });
      } catch (error) {
        const nobody = error instanceof NoCandidateError || error instanceof PoolEmptyError;
        throw nobody && this.#lastError !== null ? this.#lastError : error;
      }
      if (loops?.isOwn(lease.proxy) !== true) return lease;
      // Added a moment ago; it leaves the pool in the next one.
      lease.release();
      this.#failed.add(lease.proxy.id);
    }
  }

  /**
   * Settles a failed attempt.
   * @returns whether another one follows
   */
  fail(lease: Lease, { error, outcome, repeatable, written }: RelayFailure): boolean {
    const verdict = lease.settle(outcome);
    this.#failed.add(lease.proxy.id);
    this.#lastError = error;
    if (outcome.hard !== true) this.#counted += 1;
    const { attempts } = this.#engine.options;
    if (!repeatable || verdict === 'target' || verdict === 'local' || verdict === 'neutral') return false;
    if (this.#counted >= attempts || this.#failed.size >= MAX_DIALS || this.leftMs === 0) return false;
    const { unwritten, written: again } = this.#engine.budgets;
    if (!(written ? again : unwritten).withdraw()) return false;
    this.#engine.counts.failovers += 1;
    return true;
  }

  /** The outcome of an attempt that ended with an error. */
  outcomeOf(error: unknown, lease: Lease, written: boolean): Outcome {
    return failureOutcome(error, lease.proxy, this.#blame(error, lease, written));
  }

  #blame(error: unknown, { startedAt }: Lease, written: boolean): Verdict {
    if (this.leftMs > 0 || error instanceof TunnelError)
      return classify({ phase: written ? 'navigation' : 'start', plainHttp: true, error });
    const telling = this.#engine.rotator.clock.now() - startedAt >= TELLING_MS;
    return telling ? 'ambiguous' : 'neutral';
  }
}

/** What the client is told of an error: a status, a code, and when to come back, in s; nothing that anybody else said. */
export interface RelayRefusal {
  readonly status: number;
  readonly code: string;
  readonly retryAfterS: number | null;
}

/** A second, where nobody knows better: nothing is known of when the pool will be filled. */
const RETRY_AFTER_S = 1;

export function refusalOf(error: unknown): RelayRefusal {
  if (!(error instanceof ProxyWhirlError)) return { status: 502, code: 'PW_PROXY_RESET', retryAfterS: null };
  const { code, status } = error;
  if (status !== 503 && code !== 'PW_STRATEGY_METADATA') return { status, code, retryAfterS: null };
  const dueMs = error instanceof NoCandidateError ? error.retryAfterMs : null;
  const retryAfterS = dueMs === null ? RETRY_AFTER_S : Math.max(1, Math.ceil(dueMs / 1000));
  return { status: 503, code, retryAfterS };
}
