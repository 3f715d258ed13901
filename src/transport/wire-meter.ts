import type { Socket } from 'node:net';
import type { Proxy } from '../core/proxy.js';

/** Who is told what connections carry; the engine is one. */
export interface TrafficSink {
  carried(proxy: Proxy, bytesUp: number, bytesDown: number, sessionId?: string): void;
}

/** How long what an open connection has carried may stay untold, in ms. */
const TELL_MS = 1_000;

/**
 * Counts what connections to proxies carry, at the TCP socket: TLS with the proxy and with the target, CONNECT and SOCKS
 * are in it. Nobody listens to the data: the socket counts by itself and is asked when a request ends, when the
 * connection closes, and once a second in between.
 */
export class WireMeter {
  readonly #sink: TrafficSink;
  readonly #open = new Set<Wire>();
  #timer: NodeJS.Timeout | undefined;

  constructor(sink: TrafficSink) {
    this.#sink = sink;
  }

  /** Counts for `sessionId`, until somebody else uses the connection. */
  follow(proxy: Proxy, socket: Socket, sessionId: string | undefined): Wire {
    const wire = new Wire(this.#sink, proxy, socket, sessionId);
    this.#open.add(wire);
    this.#timer ??= setInterval(this.#tell, TELL_MS).unref();
    socket.once('close', () => {
      wire.count();
      this.#open.delete(wire);
      if (this.#open.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
    return wire;
  }

  readonly #tell = (): void => {
    for (const wire of this.#open) wire.count();
  };
}

/** One connection to a proxy, and how much of what it has carried was told. */
export class Wire {
  readonly #sink: TrafficSink;
  readonly #proxy: Proxy;
  readonly #socket: Socket;
  #sessionId: string | undefined;
  #up = 0;
  #down = 0;

  constructor(sink: TrafficSink, proxy: Proxy, socket: Socket, sessionId: string | undefined) {
    this.#sink = sink;
    this.#proxy = proxy;
    this.#socket = socket;
    this.#sessionId = sessionId;
  }

  /** A request begins: what is carried from now on counts for its session. */
  use(sessionId: string | undefined): void {
    if (sessionId === this.#sessionId) return;
    this.count();
    this.#sessionId = sessionId;
  }

  /** Tells what was carried since the last time. */
  count(): void {
    const { bytesRead, bytesWritten } = this.#socket;
    const up = bytesWritten - this.#up;
    const down = bytesRead - this.#down;
    if (up <= 0 && down <= 0) return;
    this.#up = bytesWritten;
    this.#down = bytesRead;
    this.#sink.carried(this.#proxy, up, down, this.#sessionId);
  }
}
