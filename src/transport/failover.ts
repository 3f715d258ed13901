import type { Clock, Random } from '../core/clock.js';
import type { AttemptFailure } from './fetch-attempt.js';
import type { FetchOrder, FetchRequest } from './fetch-init.js';
import { RetryBudget } from './retry-budget.js';

/** RFC 9110, 9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'TRACE']);
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;

/** Decides whether a failed attempt is followed by another one, for all requests of one engine. */
export class Failover {
  readonly #random: Random;
  /** Nothing was written: a failover costs the target nothing. */
  readonly #unwritten: RetryBudget;
  readonly #written: RetryBudget;

  constructor(clock: Clock, random: Random) {
    this.#random = random;
    this.#unwritten = new RetryBudget(clock, { ratio: 1 });
    this.#written = new RetryBudget(clock, { ratio: 0.2 });
  }

  /** Counts a request. */
  begin(): void {
    this.#unwritten.deposit();
    this.#written.deposit();
  }

  /** Whether so many retries were needed lately that nothing else should add to the load. */
  get strained(): boolean {
    return this.#unwritten.strained || this.#written.strained;
  }

  /**
   * Null when the request may go to another proxy, else why not.
   * @param made attempts so far that failed
   */
  refusal(order: FetchOrder, request: FetchRequest, failure: AttemptFailure, made: number): string | null {
    if (made >= order.attempts) return `${made} ${made === 1 ? 'attempt was' : 'attempts were'} made`;
    if (!failure.written) return this.#unwritten.withdraw() ? null : 'the budget for failovers is spent';
    const repeatable =
      idempotent.has(request.method) || order.retryNonIdempotent || request.headers.has('idempotency-key');
    if (!repeatable) return `a ${request.method} that may have been received is not sent again`;
    if (!request.body.replayable) return 'its body cannot be sent again';
    return this.#written.withdraw() ? null : 'the budget for retries is spent';
  }

  /**
   * How long to wait before the next attempt, in ms: the first failover is free, then full jitter, so that clients
   * that failed together do not come back together.
   */
  backoffMs(made: number, leftMs: number): number {
    if (made <= 1) return 0;
    return this.#random() * Math.min(FIRST_BACKOFF_MS * 2 ** (made - 2), MAX_BACKOFF_MS, leftMs);
  }
}
