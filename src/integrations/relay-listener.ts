import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ProxyWhirlError } from '../errors.js';
import type { ResolvedRelayOptions } from './relay-options.js';
import { SOCKS5 } from './relay-socks.js';

/** Who serves what comes in. */
export interface RelayFronts {
  http(request: IncomingMessage, response: ServerResponse): void;
  connect(request: IncomingMessage, client: Socket, head: Buffer): void;
  socks(client: Socket, greeting: Uint8Array): void;
}

/** Head of a request; larger ones are answered with 431. */
const MAX_HEAD_BYTES = 16_384;
/** Longer than clients keep theirs, so that it is not us who closes one that is just used again, in ms. */
const KEEP_ALIVE_MS = 65_000;
/** How often time limits are looked at, in ms. */
const CHECK_MS = 500;

/** The port of a relay: HTTP and SOCKS5 told apart by their first byte. Follows its sockets to their end. */
export class RelayListener {
  readonly #server: Server;
  readonly #options: ResolvedRelayOptions;
  readonly #fronts: RelayFronts;
  readonly #sockets = new Set<Socket>();
  readonly #enterHttp: (this: Server, socket: Socket) => void;
  #closedUp = 0;
  #closedDown = 0;
  #connections = 0;

  constructor(options: ResolvedRelayOptions, fronts: RelayFronts) {
    this.#options = options;
    this.#fronts = fronts;
    this.#server = createServer(
      {
        insecureHTTPParser: false,
        requireHostHeader: true,
        maxHeaderSize: MAX_HEAD_BYTES,
        headersTimeout: options.headersTimeoutMs,
        requestTimeout: Math.max(
          options.requestTimeoutMs,
          options.requestTimeoutMs && options.headersTimeoutMs,
        ),
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: CHECK_MS,
        noDelay: true,
      },
      (request, response) => fronts.http(request, response),
    );
    // Node would drop what is beyond without a word; the size of a head is limit enough, and fields are counted.
    this.#server.maxHeadersCount = 0;
    this.#server.maxConnections = options.maxConnections;
    this.#server.on('connect', (request, socket, head) => fronts.connect(request, socket as Socket, head));
    // Its time limits hold for connections of its own port only: it listens, and HTTP is let in by hand.
    const [enter] = this.#server.listeners('connection');
    this.#enterHttp = enter as (this: Server, socket: Socket) => void;
    this.#server.removeAllListeners('connection').on('connection', (socket: Socket) => this.#accept(socket));
  }

  /** Where it listens. */
  get address(): { readonly address: string; readonly port: number } {
    return this.#server.address() as AddressInfo;
  }

  /** Connected clients. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Clients since the start, and what went to and fro, in bytes. */
  get traffic(): { readonly connections: number; readonly bytesUp: number; readonly bytesDown: number } {
    let [bytesUp, bytesDown] = [this.#closedUp, this.#closedDown];
    for (const socket of this.#sockets) {
      bytesUp += socket.bytesRead;
      bytesDown += socket.bytesWritten;
    }
    return { connections: this.#connections, bytesUp, bytesDown };
  }

  /** @throws ProxyWhirlError `PW_RELAY_LISTEN` */
  async listen(): Promise<void> {
    const { host, port } = this.#options;
    try {
      this.#server.listen({ host, port });
      await once(this.#server, 'listening');
    } catch (cause) {
      const why = (cause as NodeJS.ErrnoException).code ?? 'unknown';
      throw new ProxyWhirlError('PW_RELAY_LISTEN', `The relay cannot listen (${why}).`, { why }, { cause });
    }
  }

  /** Takes nobody new, leaves `drainMs` to those who are served, then cuts them off. */
  async close(drainMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, drainMs);
    await closed;
    clearTimeout(timer);
  }

  #accept(socket: Socket): void {
    this.#connections += 1;
    this.#sockets.add(socket);
    socket.on('error', ignore);
    const timer = setTimeout(() => socket.destroy(), this.#options.headersTimeoutMs);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      this.#closedUp += socket.bytesRead;
      this.#closedDown += socket.bytesWritten;
    });
    socket.once('readable', () => {
      clearTimeout(timer);
      const first: Buffer | null = socket.read();
      if (first !== null) socket.unshift(first);
      const code = first?.[0] ?? 0;
      if (first !== null && code === SOCKS5) this.#fronts.socks(socket, first);
      // No method begins otherwise: SOCKS4, TLS and nonsense are not answered.
      else if (isUpperCase(code)) this.#enterHttp.call(this.#server, socket);
      else socket.destroy();
    });
  }
}

function isUpperCase(code: number): boolean {
  return code >= 65 && code <= 90;
}

function ignore(): void {}
