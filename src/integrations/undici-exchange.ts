import { type Dispatcher, util } from 'undici';
import type { Lease } from '../core/lease.js';
import type { Outcome, Verdict } from '../core/outcome.js';
import type { AcquireContext } from '../core/selection-rules.js';
import { failureOutcome, proxyPage } from '../transport/attempt-outcome.js';
import { MAX_BLOCK_BODY } from '../transport/block-page.js';
import { classify, isProxyPage } from '../transport/classify.js';
import type { ProxyDispatchers } from '../transport/dispatcher.js';
import { isDocument } from '../transport/document-peek.js';
import { errorCode, presentable } from '../transport/fetch-error.js';
import type { AbandonableOptions } from '../transport/proxy-connection.js';
import { acquireOne, type ClientEngine } from './client-engine.js';
import { judgeAnswer, textOf } from './client-outcome.js';

type Handler = Dispatcher.DispatchHandler;
type Abort = (reason?: Error) => void;

/** What one request needs. */
export interface ExchangeParts {
  readonly engine: ClientEngine;
  readonly dispatchers: ProxyDispatchers;
  readonly context: AcquireContext;
  readonly options: Dispatcher.DispatchOptions;
  /** Of the older interface. */
  readonly handler: Handler;
}

/** Nobody's fault but ours or the caller's. */
const callersFault: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);

/**
 * One request of undici through one proxy: everything is passed on, the beginning of a document is copied on its way,
 * and the lease is settled once.
 */
export class Exchange implements Handler {
  readonly #parts: ExchangeParts;
  readonly #url: URL;
  readonly #startedAt: number;
  #lease: Lease | null = null;
  #cut: Abort | null = null;
  #written = false;
  #ended = false;
  /** The caller has left, or the page is the proxy's. */
  #verdictOfCut: Outcome | null = null;
  #outcome: Outcome | null = null;
  /** Status and headers of an answer whose document is still to be looked at. */
  #waiting: { readonly status: number; readonly headers: Headers; readonly latencyMs: number } | null = null;
  readonly #seen: Buffer[] = [];
  #seenBytes = 0;

  constructor(parts: ExchangeParts, url: URL) {
    this.#parts = parts;
    this.#url = url;
    this.#startedAt = parts.engine.rotator.clock.now();
  }

  /** The caller can abort from here on. */
  start(): void {
    const { engine, context, handler } = this.#parts;
    handler.onConnect?.((reason) => this.#abort(reason));
    if (this.#ended) return;
    try {
      const coming = acquireOne(engine, context);
      if (coming instanceof Promise)
        coming.then(
          (lease) => this.#send(lease),
          (error) => this.onError(error),
        );
      else this.#send(coming);
    } catch (error) {
      this.onError(error as Error);
    }
  }

  #send(lease: Lease): void {
    if (this.#ended) {
      lease.release();
      return;
    }
    this.#lease = lease;
    const options: AbandonableOptions = {
      ...this.#parts.options,
      sessionId: lease.sessionId,
      onWriting: () => {
        this.#written = true;
      },
    };
    try {
      this.#parts.dispatchers.dispatcherFor(lease.proxy).dispatch(options, this);
    } catch (error) {
      this.#verdictOfCut ??= { verdict: 'neutral' };
      this.onError(error as Error);
    }
  }

  #abort(reason?: Error): void {
    if (this.#ended) return;
    this.#verdictOfCut ??= { verdict: 'neutral' };
    if (this.#cut !== null) this.#cut(reason);
    else this.onError(reason ?? new DOMException('The request was aborted', 'AbortError'));
  }

  /** By our own dispatcher; the caller has its own means already. */
  onConnect(abort: Abort): void {
    this.#cut = abort;
  }

  onUpgrade(...args: Parameters<NonNullable<Handler['onUpgrade']>>): void {
    this.#settle({ verdict: 'success', status: args[0], latencyMs: this.#elapsed() });
    this.#ended = true;
    this.#parts.handler.onUpgrade?.(...args);
  }

  onResponseStarted(): void {
    this.#parts.handler.onResponseStarted?.();
  }

  onHeaders(...args: Parameters<NonNullable<Handler['onHeaders']>>): boolean {
    const [status, headers] = args;
    const lease = this.#lease;
    if (status >= 200 && lease !== null) {
      if (isProxyPage(status, this.#url.protocol === 'http:')) {
        const { error, outcome } = proxyPage(lease.proxy, status);
        this.#verdictOfCut = outcome;
        this.#cut?.(error);
        return false;
      }
      this.#answered(status, toHeaders(util.parseHeaders(headers)));
    }
    return this.#parts.handler.onHeaders?.(...args) ?? true;
  }

  onData(chunk: Buffer): boolean {
    if (this.#waiting !== null && this.#seenBytes < MAX_BLOCK_BODY) {
      this.#seen.push(Buffer.from(chunk.subarray(0, MAX_BLOCK_BODY - this.#seenBytes)));
      this.#seenBytes += chunk.byteLength;
    }
    return this.#parts.handler.onData?.(chunk) ?? true;
  }

  onBodySent(chunkSize: number, totalBytesSent: number): void {
    this.#parts.handler.onBodySent?.(chunkSize, totalBytesSent);
  }

  onComplete(trailers: string[] | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#settle(this.#outcome ?? this.#judged() ?? { verdict: 'neutral' });
    this.#parts.handler.onComplete?.(trailers);
  }

  onError(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#lease !== null) this.#settle(this.#failure(error, this.#lease));
    // Parsers put what they read into their errors, and a hostile proxy could echo our credentials.
    this.#parts.handler.onError?.(errorCode(error).startsWith('HPE_') ? presentable(error) : error);
  }

  /** A document is judged when it has come, all else by its head. */
  #answered(status: number, headers: Headers): void {
    this.#waiting = { status, headers, latencyMs: this.#elapsed() };
    const { judge } = this.#parts.engine;
    if (this.#parts.options.method !== 'HEAD' && isDocument(status, headers, judge.readsAll)) return;
    this.#outcome = this.#judged();
    // How its body ends makes no difference to these, and a ban is to be known at once.
    if (this.#outcome !== null && this.#outcome.verdict !== 'success') this.#settle(this.#outcome);
  }

  #judged(): Outcome | null {
    const { engine } = this.#parts;
    const answer = this.#waiting;
    if (answer === null || this.#lease === null) return null;
    this.#waiting = null;
    const { status, headers, latencyMs } = answer;
    const body =
      this.#seenBytes === 0 ? undefined : textOf(Buffer.concat(this.#seen), headers.get('content-encoding'));
    const { href: url, protocol } = this.#url;
    const plainHttp = protocol === 'http:';
    const seen = { status, headers: (name: string) => headers.get(name), url, body, plainHttp };
    return judgeAnswer(engine.judge, this.#lease, seen, latencyMs);
  }

  #failure(error: Error, { proxy }: Lease): Outcome {
    if (this.#verdictOfCut !== null) return this.#verdictOfCut;
    const answered = this.#outcome !== null || this.#waiting !== null;
    if (answered) {
      const judged = this.#outcome ?? this.#judged();
      if (judged !== null && judged.verdict !== 'success') return judged;
      // The one who broke it off may be the proxy or the target, but the answer is none.
      return { verdict: 'ambiguous', ...(judged?.status === undefined ? {} : { status: judged.status }) };
    }
    return failureOutcome(error, proxy, this.#blame(error));
  }

  #blame(error: Error): Verdict {
    if (callersFault.has(errorCode(error))) return 'neutral';
    const phase = this.#written ? 'navigation' : 'start';
    return classify({ phase, plainHttp: this.#url.protocol === 'http:', error });
  }

  #settle(outcome: Outcome): void {
    const lease = this.#lease;
    if (lease === null || lease.settled) return;
    // A connection to a proxy that refuses our credentials is of no use to anybody.
    if (lease.settle(outcome) === 'auth') this.#parts.dispatchers.drop(lease.proxy.id);
  }

  #elapsed(): number {
    return this.#parts.engine.rotator.clock.now() - this.#startedAt;
  }
}

function toHeaders(given: Record<string, string | string[]>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given))
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  return headers;
}
