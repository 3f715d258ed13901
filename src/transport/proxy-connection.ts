import type { Socket } from 'node:net';
import { type buildConnector, Client, type Dispatcher } from 'undici';
import type { StopSignal } from './stop-signal.js';
import type { Tunnel } from './tunnel.js';
import type { Wire } from './wire-meter.js';

/** Opens one connection, unless `opening` is aborted before; `servername` is what undici wants to see in the certificate of an https target. */
export type OpenConnection = (
  origin: URL,
  servername: string | undefined,
  opening: AbortController,
  sessionId: string | undefined,
) => Promise<Tunnel>;

/** Dispatch options with the signal of a caller that has left, and one who wants to know what was sent. */
export interface AbandonableOptions extends Dispatcher.DispatchOptions {
  readonly abandoned?: StopSignal;
  /** Called right before the first byte of the request is written: until then any method may go elsewhere. */
  readonly onWriting?: () => void;
  /** For whom the bytes are counted. */
  readonly sessionId?: string | undefined;
  /** For an `http:` target as well. @default false */
  readonly tunnel?: boolean | undefined;
  readonly servername?: string | undefined;
}

/** RFC 9110, 9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'TRACE']);
const connectionLost: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/**
 * One keep-alive connection, and the next one when it has ended. A peer may close an idle connection in the very moment
 * in which it is used again. Undici repeats what was not written yet; this repeats, once and on a fresh connection,
 * what was written to one that had served before, when that is safe: an idempotent method, a body that can be sent
 * again, no byte of an answer. On a fresh connection nothing is repeated: that is no race but a fault.
 */
export class ProxyConnection extends Client {
  readonly #link: Link;

  constructor(origin: URL, options: Client.Options, open: OpenConnection) {
    const link = new Link(origin, open);
    super(origin, { ...options, pipelining: 1, allowH2: false, connect: link.connect });
    this.#link = link;
  }

  override dispatch(options: AbandonableOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { abandoned } = options;
    if (abandoned?.aborted === true) {
      handler.onError?.(abandoned.reason as Error);
      return true;
    }
    abandoned?.addEventListener('abort', () => this.#link.cancel(), { once: true });
    const again = isRepeatable(options)
      ? (guard: StaleGuard): boolean => super.dispatch(options, guard)
      : null;
    this.#link.wanted += 1;
    this.#link.sessionId = options.sessionId;
    return super.dispatch(options, new StaleGuard(handler, this.#link, again, options));
  }
}

/** Makes the connections of one {@link ProxyConnection}, and knows whether the present one has served. */
class Link {
  /** Requests that the present connection has answered. */
  served = 0;
  /** Requests that somebody still waits for. */
  wanted = 0;
  /** Of the request that came last. */
  sessionId: string | undefined;
  /** Counts the bytes of the present connection. */
  wire: Wire | null = null;
  readonly #origin: URL;
  readonly #open: OpenConnection;
  #opening: AbortController | null = null;

  constructor(origin: URL, open: OpenConnection) {
    this.#origin = origin;
    this.#open = open;
  }

  readonly connect = (
    { servername }: buildConnector.Options,
    callback: (...args: [null, Socket] | [Error, null]) => void,
  ): void => {
    this.served = 0;
    // Undici connects anew after an abort, for the very request that was aborted.
    if (this.wanted === 0) {
      queueMicrotask(() => callback(new Error('Nobody waits for this connection any more'), null));
      return;
    }
    const opening = new AbortController();
    this.#opening = opening;
    const ended = (): void => {
      if (this.#opening === opening) this.#opening = null;
    };
    this.#open(this.#origin, servername || undefined, opening, this.sessionId).then(
      ({ socket, wire }) => {
        ended();
        this.wire = wire;
        callback(null, socket);
      },
      (error: Error) => {
        ended();
        callback(error, null);
      },
    );
  };

  /** Only a connection that is being made; with one request at a time, nobody else waits for it. */
  cancel(): void {
    this.#opening?.abort();
  }
}

type Again = (guard: StaleGuard) => boolean;

/** Passes everything on, but for the loss of a connection that had served before. */
class StaleGuard implements Dispatcher.DispatchHandler {
  readonly #inner: Dispatcher.DispatchHandler;
  readonly #link: Link;
  readonly #options: AbandonableOptions;
  #again: Again | null;

  constructor(
    inner: Dispatcher.DispatchHandler,
    link: Link,
    again: Again | null,
    options: AbandonableOptions,
  ) {
    this.#inner = inner;
    this.#link = link;
    this.#again = again;
    this.#options = options;
  }

  onConnect(abort: (reason?: Error) => void): void {
    if (this.#link.served === 0) this.#again = null;
    this.#link.wire?.use(this.#options.sessionId);
    this.#options.onWriting?.();
    this.#inner.onConnect?.(abort);
  }

  onUpgrade(...args: Parameters<NonNullable<Dispatcher.DispatchHandler['onUpgrade']>>): void {
    this.#link.wanted -= 1;
    this.#inner.onUpgrade?.(...args);
  }

  onResponseStarted(): void {
    this.#again = null;
    this.#inner.onResponseStarted?.();
  }

  onHeaders(...args: Parameters<NonNullable<Dispatcher.DispatchHandler['onHeaders']>>): boolean {
    this.#again = null;
    return this.#inner.onHeaders?.(...args) ?? true;
  }

  onData(chunk: Buffer): boolean {
    return this.#inner.onData?.(chunk) ?? true;
  }

  onBodySent(chunkSize: number, totalBytesSent: number): void {
    this.#inner.onBodySent?.(chunkSize, totalBytesSent);
  }

  onComplete(trailers: string[] | null): void {
    this.#link.served += 1;
    this.#link.wanted -= 1;
    this.#link.wire?.count();
    this.#inner.onComplete?.(trailers);
  }

  onError(error: Error): void {
    const again = this.#again;
    this.#again = null;
    if (again !== null && connectionLost.has((error as NodeJS.ErrnoException).code)) {
      again(this);
      return;
    }
    this.#link.wanted -= 1;
    this.#link.wire?.count();
    this.#inner.onError?.(error);
  }
}

function isRepeatable({ method, body }: Dispatcher.DispatchOptions): boolean {
  const replayable =
    body === undefined || body === null || typeof body === 'string' || ArrayBuffer.isView(body);
  return replayable && idempotent.has(method);
}
