import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Lease } from '../core/lease.js';
import type { Outcome, Verdict } from '../core/outcome.js';
import { failureOutcome, proxyPage, TELLING_MS } from '../transport/attempt-outcome.js';
import { classify, isProxyPage } from '../transport/classify.js';
import { Deadline } from '../transport/deadline.js';
import { isDocument } from '../transport/document-peek.js';
import { FetchError } from '../transport/fetch-error.js';
import { TunnelError } from '../transport/tunnel-error.js';
import type { Wire } from '../transport/wire-meter.js';
import type { ClientEngine } from './client-engine.js';
import { judgeAnswer } from './client-outcome.js';
import type { GotOptions } from './got-options.js';

/** What is watched, and by whom. */
export interface GotWatch {
  readonly engine: ClientEngine;
  readonly options: Pick<GotOptions, 'url' | 'method'>;
  readonly lease: Lease;
  /** In ms from now. */
  readonly deadlineMs: number;
  /** What counts the bytes of a connection; undefined where it is none of ours. */
  readonly wireOf: (socket: Socket) => Wire | undefined;
  /** Told of a proxy that refuses our credentials. */
  readonly refused: (proxyId: string) => void;
}

/** The part of got's promise and of its stream that is used. */
export interface GotResult extends PromiseLike<unknown> {
  on(event: string, listener: (value: unknown) => void): unknown;
  once(event: string, listener: (value: unknown) => void): unknown;
  cancel?(): void;
  destroy?(error?: Error): unknown;
}

interface GotResponse {
  readonly statusCode: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly url: string;
  readonly body?: unknown;
  readonly rawBody?: Uint8Array;
  readonly timings?: { readonly start?: number; readonly response?: number };
}

/** Waits for the promise, but no longer than the deadline, and settles the lease. */
export async function watchPromise(watch: GotWatch, running: GotResult): Promise<unknown> {
  const attempt = new GotAttempt(watch);
  const deadline = new Deadline(watch.engine.rotator.clock, watch.deadlineMs);
  running.on('request', (request) => attempt.sent(request as ClientRequest));
  running.on('response', (response) => attempt.answered(response as GotResponse));
  try {
    const result = await deadline.race(Promise.resolve(running), () => {});
    const page = attempt.proxyPage();
    if (page !== null) throw page;
    attempt.settle(attempt.judged(result));
    return result;
  } catch (error) {
    if (deadline.reason === null) {
      attempt.fail(error);
      throw error;
    }
    running.cancel?.();
    throw attempt.late();
  } finally {
    deadline.end();
  }
}

/** Settles the lease when the stream ends, however it does; what flows through it is not looked at. */
export function watchStream(watch: GotWatch, stream: GotResult): void {
  const attempt = new GotAttempt(watch);
  const deadline = new Deadline(watch.engine.rotator.clock, watch.deadlineMs);
  deadline.signal.addEventListener('abort', () => stream.destroy?.(attempt.late()), { once: true });
  stream.on('request', (request) => attempt.sent(request as ClientRequest));
  stream.on('response', (response) => {
    attempt.answered(response as GotResponse);
    const page = attempt.proxyPage();
    if (page !== null) stream.destroy?.(page);
  });
  const settled = (outcome: Outcome): void => {
    deadline.end();
    attempt.settle(outcome);
  };
  // Got does not close every stream that has ended.
  stream.once('end', () => settled(attempt.judged()));
  stream.once('error', (error) => {
    deadline.end();
    attempt.fail(error);
  });
  // Destroyed by its reader.
  stream.once('close', () => settled({ verdict: 'neutral' }));
}

class GotAttempt {
  readonly #watch: GotWatch;
  readonly #startedAt: number;
  readonly #url: string;
  readonly #plainHttp: boolean;
  #response: GotResponse | null = null;
  #latencyMs = 0;
  #wire: Wire | undefined;

  constructor(watch: GotWatch) {
    this.#watch = watch;
    this.#startedAt = watch.engine.rotator.clock.now();
    this.#url = String(watch.options.url ?? '');
    this.#plainHttp = this.#url.startsWith('http:');
  }

  /** A request, or one more after a redirect; it has its connection a moment later. */
  sent(request: ClientRequest): void {
    const { wireOf, lease } = this.#watch;
    request.once('socket', (socket) => {
      this.#wire = wireOf(socket);
      this.#wire?.use(lease.sessionId);
    });
  }

  answered(response: GotResponse): void {
    this.#response = response;
    const { start, response: first } = response.timings ?? {};
    const timed = start === undefined || first === undefined ? 0 : first - start;
    // Got counts in whole ms.
    this.#latencyMs = timed > 0 ? timed : Math.min(1, this.#elapsed());
  }

  /** The error, where the answer is the proxy's own page: it is settled then. */
  proxyPage(): Error | null {
    const response = this.#response;
    if (response === null || !isProxyPage(response.statusCode, this.#plainHttp)) return null;
    const { error, outcome } = proxyPage(this.#watch.lease.proxy, response.statusCode);
    this.settle(outcome);
    return error;
  }

  /** The outcome of the answer; with its text where it was read. */
  judged(result?: unknown): Outcome {
    const response = (isResponse(result) ? result : this.#response) as GotResponse | null;
    if (response === null) return { verdict: 'neutral' };
    const { engine, lease } = this.#watch;
    const { statusCode: status, headers, url } = response;
    const given = new Headers();
    const type = headers['content-type'];
    if (typeof type === 'string') given.set('content-type', type);
    const document = isDocument(status, given, engine.judge.readsAll);
    const body = document ? textOfBody(response, result) : undefined;
    const finalUrl = url === this.#url ? undefined : url;
    const seen = { status, headers, url: this.#url, finalUrl, body, plainHttp: this.#plainHttp };
    return judgeAnswer(engine.judge, lease, seen, this.#latencyMs);
  }

  fail(error: unknown): void {
    if (this.#watch.lease.settled) return;
    const { response } = (error ?? {}) as { response?: GotResponse };
    const name = (error as Error | undefined)?.name ?? '';
    const answer = isResponse(response) ? response : this.#response;
    // The answer is there; got, or its user, made an error of it.
    if (answer !== null && /^(?:HTTPError|ParseError|MaxRedirectsError)$/.test(name)) {
      this.settle(this.judged(answer));
      return;
    }
    this.settle(failureOutcome(error, this.#watch.lease.proxy, this.#blame(error, name)));
  }

  /** The deadline passed. */
  late(): Error {
    const error = new FetchError('PW_FETCH_DEADLINE', `no result within ${this.#watch.deadlineMs} ms`);
    this.settle({ verdict: this.#elapsed() >= TELLING_MS ? 'ambiguous' : 'neutral', error });
    return error;
  }

  settle(outcome: Outcome): void {
    const { lease, refused } = this.#watch;
    if (lease.settled) return;
    this.#wire?.count();
    const bytes = this.#wire === undefined ? this.#bodyBytes() : undefined;
    if (lease.settle(bytes === undefined ? outcome : { ...outcome, bytes }) === 'auth')
      refused(lease.proxy.id);
  }

  /** Of the answer as it came, where that is known: all that got shows of connections of its own. */
  #bodyBytes(): number | undefined {
    const { headers, rawBody } = this.#response ?? {};
    const length = headers?.['content-length'];
    return length === undefined || this.#watch.options.method === 'HEAD'
      ? rawBody?.byteLength
      : Number(length);
  }

  #blame(error: unknown, name: string): Verdict {
    if (name === 'CancelError') return 'neutral';
    const tunnel = tunnelErrorIn(error);
    if (tunnel !== undefined) return tunnel.verdict;
    const phase = this.#response === null ? 'navigation' : 'answered';
    return classify({ phase, plainHttp: this.#plainHttp, error });
  }

  #elapsed(): number {
    return this.#watch.engine.rotator.clock.now() - this.#startedAt;
  }
}

function tunnelErrorIn(error: unknown): TunnelError | undefined {
  if (error instanceof TunnelError) return error;
  const { cause } = (error ?? {}) as { cause?: unknown };
  return cause instanceof TunnelError ? cause : undefined;
}

function isResponse(value: unknown): value is GotResponse {
  return typeof value === 'object' && value !== null && 'statusCode' in value && 'headers' in value;
}

function textOfBody(response: GotResponse, result: unknown): string | undefined {
  if (typeof result === 'string') return result;
  const { body, rawBody } = response;
  if (typeof body === 'string') return body;
  return rawBody instanceof Uint8Array ? Buffer.from(rawBody).toString() : undefined;
}
