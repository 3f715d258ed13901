import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { urlHost } from '../core/host.js';
import { ProxyWhirlError } from '../errors.js';
import type { ApiWhirl } from './api-context.js';
import { type ApiParts, buildApp } from './app.js';
import { NodeRequest, writeReply } from './node-front.js';
import { type ListenOptions, resolveServeOptions, type ServeOptions } from './serve-options.js';

/** The REST API on a port; see {@link serve}. */
export interface ApiServer extends AsyncDisposable {
  /** Where it listens; for `0.0.0.0` and `::` that is no address to connect to. */
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:8000`, without a path. */
  readonly url: string;
  /**
   * Takes no new work, leaves `drainMs` to the requests under way, then cuts them off: /ready answers 503 meanwhile.
   * Resolves when the port is closed and no socket is left. The engine stays open: it is not the server's.
   */
  close(): Promise<void>;
}

/** Head of a request in bytes; larger ones are answered with 431. */
const MAX_HEAD_BYTES = 16_384;
/** How often time limits are looked at, in ms. */
const CHECK_MS = 500;
/** A client that keeps its connection keeps it for so long, in ms. */
const KEEP_ALIVE_MS = 65_000;

/**
 * Serves the REST API of an engine. Beyond loopback it starts with keys only.
 * @throws OptionsError when an option is unknown or breaks its rule
 * @throws ProxyWhirlError `PW_SERVER_LISTEN` when it cannot listen
 * @example
 * const server = await serve({ whirl, keys: [{ name: 'me', key: process.env.API_KEY ?? '' }] });
 */
export async function serve(options: ServeOptions & { readonly whirl: ApiWhirl }): Promise<ApiServer> {
  const { whirl, ...rest } = options;
  const { listen, api } = resolveServeOptions(rest);
  const server = new LocalServer(buildApp(whirl, api), listen);
  await server.listen();
  return server;
}

class LocalServer implements ApiServer {
  readonly #app: ApiParts;
  readonly #options: ListenOptions;
  readonly #server: Server;
  #active = 0;
  #onIdle: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #host = '';
  #port = 0;

  constructor(app: ApiParts, options: ListenOptions) {
    this.#app = app;
    this.#options = options;
    this.#server = createServer(
      {
        insecureHTTPParser: false,
        maxHeaderSize: MAX_HEAD_BYTES,
        headersTimeout: Math.min(options.headersTimeoutMs, options.requestTimeoutMs),
        requestTimeout: options.requestTimeoutMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: CHECK_MS,
        noDelay: true,
      },
      (incoming, outgoing) => void this.#answer(incoming, outgoing),
    );
    this.#server.maxConnections = options.maxConnections;
  }

  get host(): string {
    return this.#host;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://${urlHost(this.#host)}:${this.#port}`;
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options;
    try {
      this.#server.listen({ host, port });
      await once(this.#server, 'listening');
    } catch (cause) {
      this.#app.close();
      const why = (cause as NodeJS.ErrnoException).code ?? 'unknown';
      throw new ProxyWhirlError('PW_SERVER_LISTEN', `The API cannot listen (${why}).`, { why }, { cause });
    }
    const bound = this.#server.address() as AddressInfo;
    this.#host = bound.address;
    this.#port = bound.port;
    this.#app.context.listeners.push({ address: bound.address, port: bound.port });
    if (isIP(host) !== 0) this.#app.rules.addHost(urlHost(host));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#app.drain();
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#options.drainMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
    this.#app.close();
  }

  async #answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const request = new NodeRequest(incoming, outgoing);
    this.#active += 1;
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) request.leave();
      this.#active -= 1;
      if (this.#active === 0) this.#onIdle?.();
    });
    const reply = await this.#app.handle(request);
    if (this.#closing !== null) outgoing.shouldKeepAlive = false;
    await writeReply(reply, incoming, outgoing, this.#options.requestTimeoutMs);
  }
}
