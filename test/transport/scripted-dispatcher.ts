import { Dispatcher } from 'undici';
import type { Timers } from '../../src/core/clock.js';
import { EarlyAbort } from '../../src/transport/early-abort.js';
import type { AbandonableOptions } from '../../src/transport/proxy-connection.js';

/** What becomes of one request, in ms after the step before. */
export type Script =
  /** No connection, ever. */
  | { readonly kind: 'unconnected' }
  /** No connection. */
  | { readonly kind: 'refused'; readonly afterMs: number; readonly error: Error }
  /** The request is written; then nothing comes. */
  | { readonly kind: 'silent'; readonly connectMs: number }
  | { readonly kind: 'lost'; readonly connectMs: number; readonly afterMs: number; readonly error: Error }
  | ScriptedAnswer;

interface ScriptedAnswer {
  readonly kind: 'answer';
  readonly connectMs: number;
  readonly afterMs: number;
  readonly status: number;
  readonly headers: readonly string[];
  readonly chunks: readonly { readonly afterMs: number; readonly bytes: number }[];
  /** Null = the body stalls. */
  readonly end: { readonly afterMs: number; readonly error: Error | null } | null;
}

/** One request as a dispatcher got it. */
export interface Dispatched {
  readonly proxyId: string;
  readonly method: string;
  readonly path: string;
  /** How often its first byte was written. */
  written: number;
}

/**
 * A transport without a network: its scripts run on the timers of a test. It does what ours does for whoever sends
 * through it: a request can be left while its connection is made, and is told of before it is written.
 */
export class ScriptedDispatcher extends Dispatcher {
  /** Requests that have not ended. */
  open = 0;
  readonly #proxyId: string;
  readonly #timers: Timers;
  readonly #next: (request: Dispatched) => Script;

  constructor(proxyId: string, timers: Timers, next: (request: Dispatched) => Script) {
    super();
    this.#proxyId = proxyId;
    this.#timers = timers;
    this.#next = next;
  }

  override dispatch(options: AbandonableOptions, inner: Dispatcher.DispatchHandler): boolean {
    const { method, path } = options;
    const request: Dispatched = { proxyId: this.#proxyId, method, path, written: 0 };
    const handler = new EarlyAbort(inner);
    this.open += 1;
    const run = new ScriptRun(this.#timers, handler, () => {
      this.open -= 1;
    });
    handler.abandoned.addEventListener('abort', () => run.end(), { once: true });
    handler.begin();
    run.start(this.#next(request), () => {
      request.written += 1;
      options.onWriting?.();
    });
    return true;
  }
}

class ScriptRun {
  readonly #timers: Timers;
  readonly #handler: EarlyAbort;
  readonly #ended: () => void;
  #over = false;
  #timer: ReturnType<Timers['setTimeout']> | undefined;
  /** Goes on when the reader wants more. */
  #resume: (() => void) | null = null;

  constructor(timers: Timers, handler: EarlyAbort, ended: () => void) {
    this.#timers = timers;
    this.#handler = handler;
    this.#ended = ended;
  }

  start(script: Script, write: () => void): void {
    if (script.kind === 'unconnected') return;
    if (script.kind === 'refused') {
      this.#after(script.afterMs, () => this.#fail(script.error));
      return;
    }
    this.#after(script.connectMs, () => {
      write();
      this.#handler.onConnect((reason) => this.#fail(reason ?? new Error('aborted')));
      if (script.kind === 'lost') this.#after(script.afterMs, () => this.#fail(script.error));
      if (script.kind === 'answer') this.#after(script.afterMs, () => this.#answer(script));
    });
  }

  end(): void {
    this.#timers.clearTimeout(this.#timer);
    if (this.#over) return;
    this.#over = true;
    this.#ended();
  }

  #answer(script: ScriptedAnswer): void {
    const headers = script.headers.map((text) => Buffer.from(text));
    this.#handler.onHeaders(script.status, headers, () => this.#resume?.(), 'Scripted');
    this.#send(script, 0);
  }

  #send(script: ScriptedAnswer, from: number): void {
    const { chunks, end } = script;
    const chunk = chunks[from];
    if (chunk !== undefined)
      this.#after(chunk.afterMs, () => {
        const next = (): void => this.#send(script, from + 1);
        if (this.#handler.onData(Buffer.alloc(chunk.bytes, 'x'))) return next();
        this.#resume = () => {
          this.#resume = null;
          next();
        };
      });
    else if (end !== null)
      this.#after(end.afterMs, () => {
        if (end.error !== null) return this.#fail(end.error);
        this.end();
        this.#handler.onComplete([]);
      });
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.end();
    this.#handler.onError(error);
  }

  #after(ms: number, then: () => void): void {
    if (this.#over) return;
    this.#timer = this.#timers.setTimeout(then, ms);
  }
}
