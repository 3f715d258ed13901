import type { Timers } from '../core/clock.js';
import type { Lease } from '../core/lease.js';
import type { AcquireContext } from '../core/selection-rules.js';
import { targetOf } from '../core/target.js';
import { NoCandidateError, PoolEmptyError } from '../errors.js';
import type { Deadline } from './deadline.js';
import { type Answer, isCallersFault, isFailure } from './fetch-attempt.js';
import type { FetchEngine } from './fetch-engine.js';
import { FetchError } from './fetch-error.js';
import type { FetchOrder, FetchRequest } from './fetch-init.js';
import { Flights, type Landed } from './flights.js';
import { type Flight, firstAnswer } from './hedge.js';
import { type ProxiedResponse, proxiedResponse } from './proxied-response.js';
import { followRedirect, isRedirect } from './redirect.js';

/** An answer and the lease that it came with. */
interface Given {
  readonly lease: Lease;
  readonly answer: Answer;
}

/** How long the rest of a redirect's body may take to free its connection. */
const DISCARD_MS = 1_000;

/** Redirects and attempts of one call. */
export class FetchCall {
  readonly #engine: FetchEngine;
  readonly #order: FetchOrder;
  readonly #deadline: Deadline;
  readonly #startedAt: number;
  readonly #flights: Flights;
  /** Proxies that failed this call; it does not go back to them. */
  readonly #failed = new Set<string>();
  #lastError: Error | undefined;
  /** The last answer that another proxy might better: handed out when none does. */
  #kept: Given | null = null;
  #hedged = false;
  /** Attempts that failed. */
  #failures = 0;
  #answered = false;
  /** Of the last answer. */
  #carrier: { readonly lease: Lease; readonly url: URL } | null = null;

  constructor(engine: FetchEngine, order: FetchOrder, deadline: Deadline, startedAt: number) {
    this.#engine = engine;
    this.#order = order;
    this.#deadline = deadline;
    this.#startedAt = startedAt;
    this.#flights = new Flights(engine, order, deadline, () => this.#endWhenDone());
  }

  async run(): Promise<ProxiedResponse> {
    this.#engine.failover.begin();
    this.#engine.hedging.begin();
    let { request } = this.#order;
    for (let hops = 0; ; hops++) {
      const answer = await this.#answer(request);
      const next = await this.#next(request, answer, hops);
      if (next === null) return this.#response(request, answer, hops);
      discard(answer.body, this.#deadline.timers);
      request = next;
    }
  }

  async #answer(request: FetchRequest): Promise<Answer> {
    let given: Given;
    try {
      given = await this.#try(request);
      this.#keep(null);
    } catch (error) {
      // Where no proxy brought a better answer, the one that there is says more than an error.
      if (this.#kept === null || !(error instanceof FetchError && error.code === 'PW_FETCH_EXHAUSTED')) {
        this.#keep(null);
        throw error;
      }
      given = this.#kept;
      this.#kept = null;
    }
    this.#carrier = { lease: given.lease, url: request.url };
    return given.answer;
  }

  /** Instead of the one before. */
  #keep(given: Given | null): void {
    discard(this.#kept?.answer.body ?? null, this.#deadline.timers);
    this.#kept = given;
  }

  async #try(request: FetchRequest): Promise<Given> {
    for (;;) {
      // A call that finds the pool in panic is one more try of somebody, not three.
      const inPanic = this.#failures === 0 && this.#engine.rotator.inPanic === true;
      const landed = await this.#land(request, await this.#acquire(request));
      const { lease, result } = landed;
      if (!isFailure(result)) {
        this.#flights.note(landed);
        // While its beginning was looked at; what is left of its body has failed by itself.
        this.#throwIfCut();
        return { lease, answer: result };
      }
      this.#noteFailure(landed);
      const { error } = result;
      this.#throwIfCut();
      if (isCallersFault(error))
        throw error instanceof FetchError
          ? error
          : this.#error('PW_FETCH_INVALID', 'it breaks a rule of HTTP');
      const { failover } = this.#engine;
      const refusal =
        inPanic && this.#engine.rotator.inPanic === true
          ? 'most of the pool fails at once'
          : failover.refusal(this.#order, request, result, this.#failures);
      if (refusal !== null) throw this.#error('PW_FETCH_EXHAUSTED', refusal);
      await this.#pause(failover.backoffMs(this.#failures, this.#deadline.left));
    }
  }

  /** The result of one attempt, or of it and its hedge. */
  #land(request: FetchRequest, lease: Lease): Promise<Landed> {
    const first = this.#flights.launch(request, lease, false);
    const delayMs = this.#mayHedge(request) ? this.#engine.hedging.delayMs(lease.proxy.id) : null;
    if (delayMs === null) return first.landed;
    return firstAnswer(first, {
      timers: this.#deadline.timers,
      delayMs,
      second: () => this.#launchHedge(request, lease),
      isAnswer: ({ result }) => !isFailure(result),
      failed: (landed) => this.#noteFailure(landed),
    });
  }

  /** A session and a redirect stay on their address. */
  #mayHedge({ method }: FetchRequest): boolean {
    const { hedge, attempts, wishes } = this.#order;
    return (
      hedge &&
      !this.#hedged &&
      (method === 'GET' || method === 'HEAD') &&
      this.#failures + 2 <= attempts &&
      this.#carrier === null &&
      wishes.sessionId === undefined
    );
  }

  #launchHedge(request: FetchRequest, { proxy }: Lease): Flight<Landed> | null {
    const { rotator, hedging } = this.#engine;
    if (this.#deadline.reason !== null || !hedging.withdraw()) return null;
    this.#hedged = true;
    const exclude = new Set([...this.#failed, proxy.id]);
    try {
      const lease = rotator.acquire({ ...this.#order.wishes, url: request.url.href, exclude });
      if (!(lease instanceof Promise)) return this.#flights.launch(request, lease, true);
      // It helps nobody to wait for it.
      lease.then((late) => late.release()).catch(() => {});
    } catch {
      // There is no other proxy.
    }
    return null;
  }

  #noteFailure(landed: Landed): void {
    const { lease, result } = landed;
    this.#flights.note(landed);
    if (!isFailure(result)) return;
    this.#failed.add(lease.proxy.id);
    this.#failures += 1;
    this.#lastError = result.error;
    if (result.answer !== null) this.#keep({ lease, answer: result.answer });
  }

  async #acquire(request: FetchRequest): Promise<Lease> {
    this.#throwIfCut();
    const { rotator } = this.#engine;
    const context: AcquireContext = {
      ...this.#order.wishes,
      url: request.url.href,
      ...(this.#failed.size === 0 ? {} : { exclude: this.#failed }),
    };
    const same = this.#carrier;
    if (
      same !== null &&
      !this.#failed.has(same.lease.proxy.id) &&
      targetOf(same.url.href) === targetOf(context.url ?? '')
    ) {
      const lease = rotator.acquireCarrier?.(same.lease.proxy.id, context);
      if (lease !== undefined) return lease;
    }
    try {
      const coming = rotator.acquire(context);
      return coming instanceof Promise
        ? await this.#deadline.race(coming, (late) => void late.release())
        : coming;
    } catch (error) {
      this.#throwIfCut();
      const nobody = error instanceof NoCandidateError || error instanceof PoolEmptyError;
      if (!nobody || this.#failed.size === 0) throw error;
      throw this.#error('PW_FETCH_EXHAUSTED', 'no other proxy is left');
    }
  }

  async #next(request: FetchRequest, answer: Answer, hops: number): Promise<FetchRequest | null> {
    const { redirect, onRedirect } = this.#order;
    if (redirect === 'manual') return null;
    const location = answer.headers.get('location');
    try {
      if (redirect === 'error' && isRedirect(answer.status, location))
        throw new FetchError('PW_FETCH_REDIRECT', 'the caller wants none');
      const next = await followRedirect(request, answer.status, location, hops);
      if (next !== null) await onRedirect?.(new URL(next.url));
      return next;
    } catch (error) {
      discard(answer.body, this.#deadline.timers);
      throw error;
    }
  }

  #response(request: FetchRequest, answer: Answer, hops: number): ProxiedResponse {
    const { proxy } = this.#carrier?.lease ?? {};
    this.#answered = true;
    this.#deadline.unref();
    this.#endWhenDone();
    const { status, statusText, headers, body, verdict, rule, firstByteMs } = answer;
    return proxiedResponse(
      body,
      { status, statusText, headers, url: request.url.href, redirected: hops > 0 },
      {
        proxy: Object.freeze({ id: proxy?.id ?? '', url: proxy?.url ?? '' }),
        verdict,
        rule,
        attempts: Object.freeze([...this.#flights.attempts]),
        timings: Object.freeze({ totalMs: this.#engine.clock.now() - this.#startedAt, firstByteMs }),
      },
    );
  }

  /** The deadline holds for bodies too. */
  #endWhenDone(): void {
    if (this.#answered && this.#flights.open === 0) this.#deadline.end();
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0) return;
    try {
      await this.#deadline.sleep(ms);
    } catch {
      this.#throwIfCut();
    }
  }

  #throwIfCut(): void {
    const { reason, callerReason } = this.#deadline;
    if (reason === 'aborted')
      throw this.#error('PW_FETCH_ABORTED', 'by the signal of the caller', callerReason);
    if (reason === 'deadline')
      throw this.#error('PW_FETCH_DEADLINE', `${this.#order.deadlineMs} ms were not enough`);
  }

  #error(code: FetchError['code'], detail: string, cause: unknown = this.#lastError): FetchError {
    return new FetchError(code, detail, this.#flights.attempts, cause === undefined ? undefined : { cause });
  }
}

/** Lets a short body end, which frees its connection for the next request; cuts a long one. */
function discard(body: ReadableStream<Uint8Array> | null, timers: Timers): void {
  if (body === null) return;
  const enough = new AbortController();
  const timer = timers.setTimeout(() => enough.abort(), DISCARD_MS);
  timer.unref?.();
  body
    .pipeTo(new WritableStream(), { signal: enough.signal })
    .catch(() => {})
    .finally(() => timers.clearTimeout(timer));
}
