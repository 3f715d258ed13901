import type { Dispatcher } from 'undici';
import { Stop, type StopSignal } from './stop-signal.js';

type Abort = (reason?: Error) => void;

/**
 * Lets a request be aborted from the moment it is dispatched. Undici hands out the means only when it writes the
 * request, so that a signal has no effect while a connection is made: for as long as a silent proxy likes.
 *
 * Handlers of undici's older interface, which `request`, `stream` and `fetch` use.
 */
export class EarlyAbort implements Dispatcher.DispatchHandler {
  readonly #inner: Dispatcher.DispatchHandler;
  readonly #abandon = new Stop();
  #abortWritten: Abort | null = null;
  #ended = false;

  constructor(inner: Dispatcher.DispatchHandler) {
    this.#inner = inner;
  }

  /** Aborted when nobody waits for the request any more; its connection need not be made then. */
  get abandoned(): StopSignal {
    return this.#abandon;
  }

  /** Before the dispatch. */
  begin(): void {
    this.#inner.onConnect?.((reason) => {
      if (this.#ended) return;
      if (this.#abortWritten !== null) return this.#abortWritten(reason);
      const why = reason ?? new DOMException('The request was aborted', 'AbortError');
      this.#abandon.abort(why);
      this.onError(why);
    });
  }

  /** May come twice, when a request is repeated on a fresh connection. */
  onConnect(abort: Abort): void {
    this.#abortWritten = abort;
    if (this.#ended) abort(this.#abandon.reason as Error);
  }

  onUpgrade(...args: Parameters<NonNullable<Dispatcher.DispatchHandler['onUpgrade']>>): void {
    this.#ended = true;
    this.#inner.onUpgrade?.(...args);
  }

  onResponseStarted(): void {
    this.#inner.onResponseStarted?.();
  }

  onHeaders(...args: Parameters<NonNullable<Dispatcher.DispatchHandler['onHeaders']>>): boolean {
    return this.#inner.onHeaders?.(...args) ?? true;
  }

  onData(chunk: Buffer): boolean {
    return this.#inner.onData?.(chunk) ?? true;
  }

  onBodySent(chunkSize: number, totalBytesSent: number): void {
    this.#inner.onBodySent?.(chunkSize, totalBytesSent);
  }

  onComplete(trailers: string[] | null): void {
    this.#ended = true;
    this.#inner.onComplete?.(trailers);
  }

  onError(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#inner.onError?.(error);
  }
}
