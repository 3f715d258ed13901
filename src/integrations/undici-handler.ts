import { type Dispatcher, util } from 'undici';

type Handler = Dispatcher.DispatchHandler;

/**
 * A handler of undici's older interface for any handler. The older one hands out the means to abort before there is a
 * connection, and that is what a silent proxy makes necessary.
 */
export function olderHandler(handler: Handler): Handler {
  return typeof handler.onConnect === 'function' || handler.onRequestStart === undefined
    ? handler
    : new OlderHandler(handler);
}

class OlderHandler implements Handler {
  readonly #inner: Handler;
  #controller = new Controller(() => {});

  constructor(inner: Handler) {
    this.#inner = inner;
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#controller = new Controller(abort);
    this.#inner.onRequestStart?.(this.#controller, {});
  }

  onUpgrade(...[status, headers, socket]: Parameters<NonNullable<Handler['onUpgrade']>>): void {
    this.#inner.onRequestUpgrade?.(this.#controller, status, parsed(headers), socket);
  }

  onHeaders(
    ...[status, headers, resume, statusText]: Parameters<NonNullable<Handler['onHeaders']>>
  ): boolean {
    this.#controller.resumes = resume;
    this.#inner.onResponseStart?.(this.#controller, status, parsed(headers), statusText);
    return !this.#controller.paused;
  }

  onData(chunk: Buffer): boolean {
    this.#inner.onResponseData?.(this.#controller, chunk);
    return !this.#controller.paused;
  }

  onComplete(trailers: string[] | null): void {
    this.#inner.onResponseEnd?.(this.#controller, trailers === null ? {} : parsed(trailers));
  }

  onError(error: Error): void {
    this.#inner.onResponseError?.(this.#controller, error);
  }
}

class Controller implements Dispatcher.DispatchController {
  resumes: () => void = () => {};
  readonly #abort: (reason?: Error) => void;
  #paused = false;
  #reason: Error | null = null;

  constructor(abort: (reason?: Error) => void) {
    this.#abort = abort;
  }

  get aborted(): boolean {
    return this.#reason !== null;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get reason(): Error | null {
    return this.#reason;
  }

  abort(reason: Error): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#abort(reason);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.resumes();
  }
}

function parsed(headers: Buffer[] | string[] | null): Record<string, string | string[]> {
  return headers === null ? {} : util.parseHeaders(headers);
}
