import type { Clock } from '../core/clock.js';
import type { Lease } from '../core/lease.js';
import type { Verdict } from '../core/outcome.js';
import { classify, type Phase } from '../transport/classify.js';
import { type CrawleeRequest, requestState, watchRequest } from './crawlee-watch.js';

/** Called once, when an attempt has ended: `verdict` is what it looks like, and the lease is still to be settled. */
export type AttemptEnd = (attempt: Attempt, verdict: Verdict, error: unknown) => void;

/** What hooks see of an answer. */
export interface Seen {
  readonly status?: number | undefined;
  /** Time to first byte in ms. */
  readonly latencyMs?: number | undefined;
  /** How long the target asked to stay away, in ms. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * One attempt of Crawlee at one request: collects what is seen of it, from the request itself and from hooks where
 * they are wired.
 */
export class Attempt {
  readonly request: CrawleeRequest;
  /** False when the request cannot be watched: then the hooks are all there is. */
  readonly watched: boolean;
  lease: Lease;
  /** Looks at the answer that Crawlee holds by now; set where hooks are wired. */
  look: (() => Seen) | undefined;
  readonly #clock: Clock;
  readonly #onEnd: AttemptEnd;
  readonly #stop: (() => void) | undefined;
  #phase: Phase = 'start';
  #navigationAt: number | null = null;
  #latencyMs: number | undefined;
  #status: number | undefined;
  #retryAfterMs: number | undefined;
  #ended = false;

  constructor(request: CrawleeRequest, lease: Lease, clock: Clock, onEnd: AttemptEnd) {
    this.request = request;
    this.lease = lease;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#stop = watchRequest(request, {
      onState: (state) => this.#onState(state),
      onError: (error) => this.end(error),
    });
    this.watched = this.#stop !== undefined;
  }

  get plainHttp(): boolean {
    return this.request.url.startsWith('http:');
  }

  /** The request leaves now. The last call counts: hooks know better than the state, which is set before them. */
  navigating(): void {
    if (this.#phase !== 'start' && this.#phase !== 'navigation') return;
    this.#phase = 'navigation';
    this.#navigationAt = this.#clock.now();
  }

  /** The head of the answer is here. What a hook has measured counts over the time between two states. */
  answered(seen: Seen = {}): void {
    if (this.#phase === 'start' || this.#phase === 'navigation') {
      this.#phase = 'answered';
      if (this.#navigationAt !== null) this.#latencyMs = this.#clock.now() - this.#navigationAt;
    }
    this.#status = seen.status ?? this.#status;
    this.#retryAfterMs = seen.retryAfterMs ?? this.#retryAfterMs;
    this.#latencyMs = seen.latencyMs ?? this.#latencyMs;
  }

  /** Ends the attempt; without an error it was a success if an answer came. Further calls do nothing. */
  end(error?: unknown): void {
    if (!this.#finish()) return;
    // Crawlee's own first hook may have refused the answer before ours saw it.
    if (this.#phase === 'answered' && this.#status === undefined) this.#status = this.look?.().status;
    const status = this.#status;
    const { plainHttp } = this;
    const verdict = classify({
      phase: this.#phase,
      plainHttp,
      ...(error !== undefined && { error }),
      ...(status !== undefined && { status }),
    });
    this.#onEnd(this, verdict, error);
  }

  /** Ends it without a result: a newer attempt took its place, or the engine closes. */
  abandon(): void {
    if (this.#finish()) this.#onEnd(this, 'neutral', undefined);
  }

  /** Settles the lease; returns what was charged. */
  settle(verdict: Verdict, error?: unknown): Verdict {
    return this.lease.settle({
      verdict,
      ...(error !== undefined && { error }),
      ...(this.#status !== undefined && { status: this.#status }),
      ...(this.#latencyMs !== undefined && { latencyMs: this.#latencyMs }),
      ...(this.#retryAfterMs !== undefined && { retryAfterMs: this.#retryAfterMs }),
    });
  }

  /** True the first time. */
  #finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#stop?.();
    return true;
  }

  #onState(state: number): void {
    if (state === requestState.beforeNav) this.navigating();
    else if (state === requestState.afterNav) this.answered();
    else if (state === requestState.requestHandler && this.#phase === 'answered') this.#phase = 'handler';
    // The user's code runs and nothing was sent (`skipNavigation`): what it throws is none of the proxy's business.
    else if (state === requestState.requestHandler && this.#phase === 'start') this.abandon();
    else if (state === requestState.done) this.end();
  }
}
