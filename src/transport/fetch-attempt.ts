import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Clock, Timer } from '../core/clock.js';
import { urlHost } from '../core/host.js';
import type { Lease } from '../core/lease.js';
import type { Outcome, Verdict } from '../core/outcome.js';
import { answerOutcome, failureOutcome, proxyPage, TELLING_MS } from './attempt-outcome.js';
import { classify, isProxyPage } from './classify.js';
import type { Deadline } from './deadline.js';
import { isDocument, peek } from './document-peek.js';
import { errorCode, type FetchAttempt, FetchError, presentable } from './fetch-error.js';
import type { FetchOrder, FetchRequest } from './fetch-init.js';
import type { Judge, Judgement } from './judge.js';
import { hasNoBody } from './proxied-response.js';
import type { AbandonableOptions } from './proxy-connection.js';
import { type BodyEnd, bodyLimit, readAnswer } from './response-body.js';

/** The head of an answer and its body; the lease is settled when the body ends, or before where that cannot matter. */
export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  /** Null where there is none by definition. */
  readonly body: ReadableStream<Uint8Array> | null;
  readonly verdict: Verdict;
  /** Which rule found the verdict; null = none. */
  readonly rule: string | null;
  readonly firstByteMs: number;
}

/** No answer, or none that counts. */
export interface AttemptFailure {
  readonly error: Error;
  /** Null where there is an answer. */
  readonly code: string | null;
  readonly verdict: Verdict;
  readonly elapsedMs: number;
  /** Whether a byte of the request may have reached anybody who acts on it. */
  readonly written: boolean;
  /** It took longer than this proxy usually does. */
  readonly tooSlow: boolean;
  /** One that another proxy may better: this one was turned away, or answered itself. */
  readonly answer: Answer | null;
}

/** What one attempt needs. */
export interface AttemptParts {
  readonly request: FetchRequest;
  readonly order: Pick<FetchOrder, 'maxBytes' | 'phases' | 'addressOf'>;
  readonly lease: Lease;
  readonly dispatcher: Dispatcher;
  readonly deadline: Deadline;
  readonly clock: Clock;
  readonly judge: Judge;
  /** How long this proxy is worth waiting for, in ms; null = as long as the phases allow. */
  readonly patienceMs: number | null;
  /** Aborted when another attempt of the call has answered. */
  readonly lost: AbortSignal;
  /** Of the call; grows with it. */
  readonly attempts: readonly FetchAttempt[];
  /** Called once, when the lease is settled and nothing of the answer is still to come. */
  readonly ended: () => void;
}

/** Why we cut an attempt ourselves. */
const cutErrors = {
  slow: { code: 'PROXY_SLOW', why: 'longer than this proxy usually takes' },
  silent: { code: 'FIRST_BYTE_TIMEOUT', why: 'longer than allowed' },
  lost: { code: 'HEDGE_LOST', why: 'and another proxy has answered' },
} as const;
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
  #silence: Timer | undefined;
  #cut: keyof typeof cutErrors | null = null;
  #written = false;
  #ended = false;

  constructor(parts: AttemptParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#plainHttp = parts.request.url.protocol === 'http:';
  }

  async send(): Promise<Answer | AttemptFailure> {
    const { request, dispatcher, deadline, patienceMs, lost } = this.#parts;
    const { signal, timers } = deadline;
    signal.addEventListener('abort', this.#abort, { once: true });
    lost.addEventListener('abort', this.#lose, { once: true });
    const slow = patienceMs === null ? undefined : timers.setTimeout(() => this.#giveUp('slow'), patienceMs);
    let data: Dispatcher.ResponseData;
    try {
      if (signal.aborted) this.#abort();
      data = await dispatcher.request(this.#options(request));
    } finally {
      timers.clearTimeout(slow);
      timers.clearTimeout(this.#silence);
      signal.removeEventListener('abort', this.#abort);
      lost.removeEventListener('abort', this.#lose);
    }
    return this.#answer(data);
  }

  fail(error: unknown): AttemptFailure {
    const elapsedMs = this.#elapsed();
    const cause = this.#presentable(error);
    const outcome = failureOutcome(error, this.#parts.lease.proxy, this.#blame(error, elapsedMs), cause);
    return this.#failed(cause, outcome, this.#written, elapsedMs);
  }

  #options(request: FetchRequest): Dispatcher.RequestOptions & AbandonableOptions {
    const { url, method, headers, body } = request;
    const { lease, order } = this.#parts;
    const address = order.addressOf?.(url, lease.proxy) ?? null;
    return {
      sessionId: lease.sessionId,
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: method as Dispatcher.HttpMethod,
      headers: Object.fromEntries(headers),
      ...(address !== null && atAddress(address, url, headers)),
      // Undici takes an async iterable as it is, only its types do not say so. A Readable would be spent by a
      // connection that fails.
      body: body.take() as Readable | Uint8Array | null,
      signal: this.#stop.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
      onWriting: () => {
        this.#written = true;
        const { timers } = this.#parts.deadline;
        timers.clearTimeout(this.#silence);
        this.#silence = timers.setTimeout(() => this.#giveUp('silent'), this.#parts.order.phases.firstByteMs);
      },
    };
  }

  async #answer(data: Dispatcher.ResponseData): Promise<Answer | AttemptFailure> {
    const { order, deadline, lease, attempts } = this.#parts;
    const { statusCode: status, body: raw } = data;
    const firstByteMs = this.#elapsed();
    if (isProxyPage(status, this.#plainHttp)) {
      raw.on('error', () => {}).destroy();
      const { error, outcome, forwarded } = proxyPage(lease.proxy, status);
      return this.#failed(error, outcome, forwarded, firstByteMs);
    }
    const headers = toHeaders(data.headers);
    const bodyless = hasNoBody(this.#parts.request.method, status);
    if (!bodyless && Number(headers.get('content-length') ?? 0) > order.maxBytes) {
      raw.on('error', () => {}).destroy();
      this.#settle(answerOutcome(this.#judge(status, headers), status, firstByteMs));
      throw bodyLimit(order.maxBytes, attempts);
    }
    let outcome: Outcome | null = null;
    let end: BodyEnd | null = null;
    const settle = (): void => {
      if (outcome === null || end === null) return;
      const good = outcome.verdict === 'success';
      if (good && end === 'aborted') this.#settle({ verdict: 'neutral', status });
      // The one who broke it off may be the proxy or the target, but the answer is none.
      else this.#settle(good && end === 'broken' ? { verdict: 'ambiguous', status } : outcome);
    };
    const encoding =
      bodyless || headers.get('content-length') === '0' ? null : headers.get('content-encoding');
    const limits = { maxBytes: order.maxBytes, idleMs: order.phases.idleMs, attempts };
    const streamed = readAnswer(raw, encoding, limits, deadline, (how) => {
      end = how;
      settle();
    });
    const { text, body } = await this.#look(bodyless ? null : streamed, status, headers);
    const judgement = this.#judge(status, headers, text);
    outcome = answerOutcome(judgement, status, firstByteMs);
    // How its body ends makes no difference to these, and a ban is to be known at once.
    if (judgement.verdict !== 'success') lease.settle(outcome);
    settle();
    const statusText = /^[\t\x20-\x7e\x80-\xff]*$/.test(data.statusText ?? '') ? (data.statusText ?? '') : '';
    const { verdict, rule } = judgement;
    const answer = { status, statusText, headers, verdict, rule, firstByteMs, body };
    if (!judgement.elsewhere) return answer;
    const error = new Error(`The answer does not count (rule ${rule})`);
    return { error, code: null, verdict, elapsedMs: firstByteMs, written: true, tooSlow: false, answer };
  }

  /** The beginning of a document, and the body with nothing missing. */
  async #look(
    body: ReadableStream<Uint8Array> | null,
    status: number,
    headers: Headers,
  ): Promise<{ text?: string; body: ReadableStream<Uint8Array> | null }> {
    const { deadline, judge, lost } = this.#parts;
    if (body === null || !isDocument(status, headers, judge.readsAll)) return { body };
    const peeked = await peek(body, deadline.timers, lost);
    if (!lost.aborted) return peeked;
    peeked.body.cancel().catch(() => {});
    this.#cut = 'lost';
    throw new Error('Another attempt has answered');
  }

  #judge(status: number, headers: Headers, body?: string): Judgement {
    const { judge, lease, request } = this.#parts;
    const { href: url, host } = request.url;
    const reply = {
      status,
      headers: (name: string) => headers.get(name),
      url,
      body,
      plainHttp: this.#plainHttp,
    };
    return judge.answer(reply, { host: lease.host ?? host, proxyId: lease.proxy.id });
  }

  #blame(error: unknown, elapsedMs: number): Verdict {
    const { reason } = this.#parts.deadline;
    if (reason === 'aborted') return 'neutral';
    if (reason === 'deadline') return elapsedMs >= TELLING_MS ? 'ambiguous' : 'neutral';
    if (this.#cut !== null) return this.#cut === 'lost' ? 'neutral' : 'ambiguous';
    if (isCallersFault(error)) return 'neutral';
    // The dispatcher was closed by us, for a proxy that left the pool.
    if (gone.has(errorCode(error))) return 'neutral';
    return classify({ phase: this.#written ? 'navigation' : 'start', plainHttp: this.#plainHttp, error });
  }

  #presentable(error: unknown): Error {
    if (this.#cut === null) return presentable(error);
    const { code, why } = cutErrors[this.#cut];
    return Object.assign(new Error(`No answer for ${Math.round(this.#elapsed())} ms, ${why}`), { code });
  }

  #failed(error: Error, outcome: Outcome, written: boolean, elapsedMs: number): AttemptFailure {
    const verdict = this.#settle(outcome);
    const tooSlow = this.#cut === 'slow';
    return { error, code: errorCode(error), verdict, elapsedMs, written, tooSlow, answer: null };
  }

  /** Returns what was charged. */
  #settle(outcome: Outcome): Verdict {
    const verdict = this.#parts.lease.settle(outcome);
    if (!this.#ended) this.#parts.ended();
    this.#ended = true;
    return verdict;
  }

  #elapsed(): number {
    return this.#parts.clock.now() - this.#startedAt;
  }

  readonly #abort = (): void => this.#stop.abort();

  readonly #lose = (): void => this.#giveUp('lost');

  #giveUp(why: keyof typeof cutErrors): void {
    this.#cut = why;
    this.#abort();
  }
}

/** The same request to an address that stands for the name; through a tunnel, since proxies make a `Host` of a URL. */
function atAddress(
  address: string,
  { protocol, port, host, hostname }: URL,
  headers: Headers,
): Pick<Dispatcher.RequestOptions & AbandonableOptions, 'origin' | 'servername' | 'tunnel' | 'headers'> {
  return {
    origin: `${protocol}//${urlHost(address)}${port === '' ? '' : `:${port}`}`,
    servername: hostname,
    tunnel: true,
    headers: { ...Object.fromEntries(headers), host },
  };
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
