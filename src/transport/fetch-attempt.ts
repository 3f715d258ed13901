import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Clock } from '../core/clock.js';
import type { Lease } from '../core/lease.js';
import type { Outcome, Verdict } from '../core/outcome.js';
import { classify, isProxyPage } from './classify.js';
import type { Deadline } from './deadline.js';
import { errorCode, type FetchAttempt, FetchError, presentable } from './fetch-error.js';
import type { FetchOrder, FetchRequest } from './fetch-init.js';
import { hasNoBody } from './proxied-response.js';
import type { AbandonableOptions } from './proxy-connection.js';
import { type BodyEnd, bodyLimit, readAnswer } from './response-body.js';
import { parseHttpDate, parseRetryAfter } from './retry-after.js';
import { TunnelError } from './tunnel-error.js';

/** The head of an answer and its body; the lease is settled when the body ends. */
export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  /** Null where there is none by definition. */
  readonly body: ReadableStream<Uint8Array> | null;
  readonly verdict: Verdict;
  readonly firstByteMs: number;
}

/** No answer, or none that counts. */
export interface AttemptFailure {
  readonly error: Error;
  readonly code: string;
  readonly verdict: Verdict;
  readonly elapsedMs: number;
  /** Whether a byte of the request may have reached anybody who acts on it. */
  readonly written: boolean;
  /** It took longer than this proxy usually does. */
  readonly tooSlow: boolean;
}

/** What one attempt needs. */
export interface AttemptParts {
  readonly request: FetchRequest;
  readonly order: Pick<FetchOrder, 'maxBytes' | 'phases'>;
  readonly lease: Lease;
  readonly dispatcher: Dispatcher;
  readonly deadline: Deadline;
  readonly clock: Clock;
  /** How long this proxy is worth waiting for, in ms; null = as long as the phases allow. */
  readonly patienceMs: number | null;
  /** Of the call; grows with it. */
  readonly attempts: readonly FetchAttempt[];
  /** Called once, when the lease was settled. */
  readonly ended: () => void;
}

/** A deadline that cuts a shorter attempt says more about the deadline than about the proxy. */
const TELLING_MS = 1_000;
/** Answers of a forward proxy that did not forward: 407, and 597 of proxy-chain for its own upstream. */
const notForwarded: ReadonlySet<number> = new Set([407, 597]);
const gone: ReadonlySet<string> = new Set(['UND_ERR_DESTROYED', 'UND_ERR_CLOSED']);

/** One request through one proxy. Never rejects: what goes wrong is its result. */
export async function attempt(parts: AttemptParts): Promise<Answer | AttemptFailure> {
  const run = new AttemptRun(parts);
  try {
    return await run.send();
  } catch (error) {
    return run.fail(error);
  }
}

export function isFailure(result: Answer | AttemptFailure): result is AttemptFailure {
  return 'error' in result;
}

class AttemptRun {
  readonly #parts: AttemptParts;
  readonly #startedAt: number;
  readonly #plainHttp: boolean;
  readonly #stop = new AbortController();
  #silence: NodeJS.Timeout | undefined;
  #cut: 'slow' | 'silent' | null = null;
  #written = false;
  #ended = false;

  constructor(parts: AttemptParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#plainHttp = parts.request.url.protocol === 'http:';
  }

  async send(): Promise<Answer | AttemptFailure> {
    const { request, dispatcher, deadline, patienceMs } = this.#parts;
    const { signal } = deadline;
    signal.addEventListener('abort', this.#abort, { once: true });
    const slow = patienceMs === null ? undefined : setTimeout(() => this.#giveUp('slow'), patienceMs);
    try {
      if (signal.aborted) this.#abort();
      return this.#answer(await dispatcher.request(this.#options(request)));
    } finally {
      clearTimeout(slow);
      clearTimeout(this.#silence);
      signal.removeEventListener('abort', this.#abort);
    }
  }

  fail(error: unknown): AttemptFailure {
    const elapsedMs = this.#elapsed();
    const cause = this.#presentable(error);
    const { retryAfterMs } = error instanceof TunnelError ? error : {};
    const outcome: Outcome = {
      verdict: this.#blame(error, elapsedMs),
      error: cause,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
    return this.#failed(cause, outcome, this.#written, elapsedMs);
  }

  #options(request: FetchRequest): Dispatcher.RequestOptions & AbandonableOptions {
    const { url, method, headers, body } = request;
    return {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: method as Dispatcher.HttpMethod,
      headers: Object.fromEntries(headers),
      // Undici takes an async iterable as it is, only its types do not say so. A Readable would be spent by a
      // connection that fails.
      body: body.take() as Readable | Uint8Array | null,
      signal: this.#stop.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
      onWriting: () => {
        this.#written = true;
        clearTimeout(this.#silence);
        this.#silence = setTimeout(() => this.#giveUp('silent'), this.#parts.order.phases.firstByteMs);
      },
    };
  }

  #answer(data: Dispatcher.ResponseData): Answer | AttemptFailure {
    const { request, order, deadline } = this.#parts;
    const { statusCode: status, body: raw } = data;
    const firstByteMs = this.#elapsed();
    if (isProxyPage(status, this.#plainHttp)) {
      raw.on('error', () => {}).destroy();
      const outcome = { verdict: classify({ phase: 'answered', plainHttp: true, status }), status };
      return this.#failed(this.#pageError(status), outcome, !notForwarded.has(status), firstByteMs);
    }
    const headers = toHeaders(data.headers);
    const retryAfterMs = readRetryAfter(headers);
    const verdict = classify({ phase: 'answered', plainHttp: this.#plainHttp, status });
    const outcome: Outcome = {
      verdict,
      status,
      latencyMs: firstByteMs,
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    };
    const settle = (end: BodyEnd): void => {
      // The one who broke it off may be the proxy or the target, but the answer is none.
      const spoilt = end === 'broken' && verdict === 'success';
      this.#settle(spoilt ? { verdict: 'ambiguous', status } : outcome);
    };
    const bodyless = hasNoBody(request.method, status);
    if (!bodyless && Number(headers.get('content-length') ?? 0) > order.maxBytes) {
      raw.on('error', () => {}).destroy();
      settle('left');
      throw bodyLimit(order.maxBytes, this.#parts.attempts);
    }
    const limits = { maxBytes: order.maxBytes, idleMs: order.phases.idleMs, attempts: this.#parts.attempts };
    const encoding =
      bodyless || headers.get('content-length') === '0' ? null : headers.get('content-encoding');
    const body = readAnswer(raw, encoding, limits, deadline, settle);
    const statusText = /^[\t\x20-\x7e\x80-\xff]*$/.test(data.statusText ?? '') ? (data.statusText ?? '') : '';
    return { status, statusText, headers, verdict, firstByteMs, body: bodyless ? null : body };
  }

  #blame(error: unknown, elapsedMs: number): Verdict {
    const { reason } = this.#parts.deadline;
    if (reason === 'aborted') return 'neutral';
    if (reason === 'deadline') return elapsedMs >= TELLING_MS ? 'ambiguous' : 'neutral';
    if (this.#cut !== null) return 'ambiguous';
    if (error instanceof TunnelError) return error.verdict;
    if (isCallersFault(error)) return 'neutral';
    // The dispatcher was closed by us, for a proxy that left the pool.
    if (gone.has(errorCode(error))) return 'neutral';
    return classify({ phase: this.#written ? 'navigation' : 'start', plainHttp: this.#plainHttp, error });
  }

  #presentable(error: unknown): Error {
    if (this.#cut === null) return presentable(error);
    const why = this.#cut === 'slow' ? 'longer than this proxy usually takes' : 'longer than allowed';
    return Object.assign(new Error(`No answer for ${Math.round(this.#elapsed())} ms, ${why}`), {
      code: this.#cut === 'slow' ? 'PROXY_SLOW' : 'FIRST_BYTE_TIMEOUT',
    });
  }

  #failed(error: Error, outcome: Outcome, written: boolean, elapsedMs: number): AttemptFailure {
    const verdict = this.#settle(outcome);
    const tooSlow = this.#cut === 'slow';
    return { error, code: errorCode(error), verdict, elapsedMs, written, tooSlow };
  }

  /** Returns what was charged. */
  #settle(outcome: Outcome): Verdict {
    const verdict = this.#parts.lease.settle(outcome);
    if (!this.#ended) this.#parts.ended();
    this.#ended = true;
    return verdict;
  }

  #pageError(status: number): Error {
    if (!notForwarded.has(status))
      return Object.assign(new Error(`The proxy answered in place of the target (status ${status})`), {
        code: 'PROXY_PAGE',
      });
    const fault = { code: 'PW_PROXY_AUTH', verdict: 'auth', proxyStatus: status } as const;
    return new TunnelError(this.#parts.lease.proxy, 'handshake', fault);
  }

  #elapsed(): number {
    return this.#parts.clock.now() - this.#startedAt;
  }

  readonly #abort = (): void => this.#stop.abort();

  #giveUp(why: 'slow' | 'silent'): void {
    this.#cut = why;
    this.#abort();
  }
}

/** Whether another proxy can do nothing about it. */
export function isCallersFault(error: unknown): boolean {
  return (
    error instanceof FetchError || ['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'].includes(errorCode(error))
  );
}

function toHeaders(given: Dispatcher.ResponseData['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) headers.append(name, one);
  return headers;
}

/** A date is best read against the target's own clock. */
function readRetryAfter(headers: Headers): number | null {
  const now = Date.now();
  return parseRetryAfter(headers.get('retry-after'), parseHttpDate(headers.get('date'), now) ?? now);
}
