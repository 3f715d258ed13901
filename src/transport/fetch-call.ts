import type { Clock } from '../core/clock.js';
import type { Lease } from '../core/lease.js';
import type { AcquireContext } from '../core/selection-rules.js';
import { targetOf } from '../core/target.js';
import { NoCandidateError, PoolEmptyError } from '../errors.js';
import type { Deadline } from './deadline.js';
import type { ProxyDispatchers } from './dispatcher.js';
import type { Failover } from './failover.js';
import { type Answer, attempt, isCallersFault, isFailure } from './fetch-attempt.js';
import { type FetchAttempt, FetchError } from './fetch-error.js';
import type { FetchOrder, FetchRequest } from './fetch-init.js';
import type { LatencyRecord } from './latency-record.js';
import { type ProxiedResponse, proxiedResponse } from './proxied-response.js';
import { followRedirect, isRedirect } from './redirect.js';

/** What a fetch asks of the engine. */
export interface LeaseSource {
  acquire(context: AcquireContext): Lease | Promise<Lease>;
  /** A lease on the proxy that led to a redirect, so that the next step comes from the same address. */
  acquireCarrier?(proxyId: string, context: AcquireContext): Lease | undefined;
}

/** What all calls of one fetch share. */
export interface FetchEngine {
  readonly rotator: LeaseSource;
  readonly dispatchers: ProxyDispatchers;
  readonly clock: Clock;
  readonly failover: Failover;
  /** Null = no adaptive timeouts. */
  readonly latencies: LatencyRecord | null;
  /** Requests under way by proxy; a proxy without any has no entry. */
  readonly inFlight: Map<string, number>;
}

/** How long the rest of a redirect's body may take to free its connection. */
const DISCARD_MS = 1_000;

/** Redirects and attempts of one call. */
export class FetchCall {
  readonly #engine: FetchEngine;
  readonly #order: FetchOrder;
  readonly #deadline: Deadline;
  readonly #startedAt: number;
  readonly #attempts: FetchAttempt[] = [];
  /** Proxies that failed this call; it does not go back to them. */
  readonly #failed = new Set<string>();
  #lastError: Error | undefined;
  /** Attempts that failed. */
  #failures = 0;
  /** Leases that are not settled yet. */
  #open = 0;
  #answered = false;
  /** Of the last answer. */
  #carrier: { readonly lease: Lease; readonly url: URL } | null = null;

  constructor(engine: FetchEngine, order: FetchOrder, deadline: Deadline, startedAt: number) {
    this.#engine = engine;
    this.#order = order;
    this.#deadline = deadline;
    this.#startedAt = startedAt;
  }

  async run(): Promise<ProxiedResponse> {
    this.#engine.failover.begin();
    let { request } = this.#order;
    for (let hops = 0; ; hops++) {
      const answer = await this.#answer(request);
      const next = await this.#next(request, answer, hops);
      if (next === null) return this.#response(request, answer, hops);
      discard(answer.body);
      request = next;
    }
  }

  async #answer(request: FetchRequest): Promise<Answer> {
    for (;;) {
      const lease = await this.#acquire(request);
      const { id } = lease.proxy;
      const result = await this.#attempt(request, lease);
      if (!isFailure(result)) {
        this.#carrier = { lease, url: request.url };
        this.#attempts.push({
          proxyId: id,
          verdict: result.verdict,
          elapsedMs: result.firstByteMs,
          code: null,
        });
        return result;
      }
      const { error, verdict, elapsedMs, code } = result;
      this.#failed.add(id);
      this.#failures += 1;
      this.#lastError = error;
      this.#attempts.push({ proxyId: id, verdict, elapsedMs, code });
      this.#throwIfCut();
      if (isCallersFault(error))
        throw error instanceof FetchError
          ? error
          : this.#error('PW_FETCH_INVALID', 'it breaks a rule of HTTP');
      const { failover } = this.#engine;
      const refusal = failover.refusal(this.#order, request, result, this.#failures);
      if (refusal !== null) throw this.#error('PW_FETCH_EXHAUSTED', refusal);
      await this.#pause(failover.backoffMs(this.#failures, this.#deadline.left));
    }
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

  async #attempt(request: FetchRequest, lease: Lease): ReturnType<typeof attempt> {
    const { dispatchers, clock, latencies, inFlight } = this.#engine;
    const { proxy } = lease;
    const others = inFlight.get(proxy.id) ?? 0;
    // An upload takes the time that it takes.
    const patienceMs = request.body.once ? null : (latencies?.timeoutFor(proxy.id, others) ?? null);
    let dispatcher: ReturnType<ProxyDispatchers['dispatcherFor']>;
    try {
      dispatcher = dispatchers.dispatcherFor(proxy);
    } catch (error) {
      lease.release();
      throw error;
    }
    inFlight.set(proxy.id, others + 1);
    this.#open += 1;
    const ended = (): void => {
      const left = (inFlight.get(proxy.id) ?? 1) - 1;
      if (left > 0) inFlight.set(proxy.id, left);
      else inFlight.delete(proxy.id);
      this.#open -= 1;
      this.#endWhenDone();
    };
    const result = await attempt({
      request,
      order: this.#order,
      lease,
      dispatcher,
      deadline: this.#deadline,
      clock,
      patienceMs,
      attempts: this.#attempts,
      ended,
    });
    if (!isFailure(result)) {
      if (result.verdict === 'success') latencies?.add(proxy.id, result.firstByteMs);
    } else if (result.tooSlow) latencies?.add(proxy.id, result.elapsedMs);
    return result;
  }

  async #next(request: FetchRequest, answer: Answer, hops: number): Promise<FetchRequest | null> {
    const { redirect } = this.#order;
    if (redirect === 'manual') return null;
    const location = answer.headers.get('location');
    try {
      if (redirect === 'error' && isRedirect(answer.status, location))
        throw new FetchError('PW_FETCH_REDIRECT', 'the caller wants none');
      return await followRedirect(request, answer.status, location, hops);
    } catch (error) {
      discard(answer.body);
      throw error;
    }
  }

  #response(request: FetchRequest, answer: Answer, hops: number): ProxiedResponse {
    const { proxy } = this.#carrier?.lease ?? {};
    this.#answered = true;
    this.#deadline.unref();
    this.#endWhenDone();
    const { status, statusText, headers, body, firstByteMs } = answer;
    return proxiedResponse(
      body,
      { status, statusText, headers, url: request.url.href, redirected: hops > 0 },
      {
        proxy: Object.freeze({ id: proxy?.id ?? '', url: proxy?.url ?? '' }),
        attempts: Object.freeze([...this.#attempts]),
        timings: Object.freeze({ totalMs: this.#engine.clock.now() - this.#startedAt, firstByteMs }),
      },
    );
  }

  /** The deadline holds for bodies too. */
  #endWhenDone(): void {
    if (this.#answered && this.#open === 0) this.#deadline.end();
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
    return new FetchError(code, detail, this.#attempts, cause === undefined ? undefined : { cause });
  }
}

/** Lets a short body end, which frees its connection for the next request; cuts a long one. */
function discard(body: ReadableStream<Uint8Array> | null): void {
  if (body === null) return;
  const enough = new AbortController();
  const timer = setTimeout(() => enough.abort(), DISCARD_MS);
  timer.unref();
  body
    .pipeTo(new WritableStream(), { signal: enough.signal })
    .catch(() => {})
    .finally(() => clearTimeout(timer));
}
