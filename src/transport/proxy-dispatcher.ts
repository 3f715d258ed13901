import type { LookupFunction } from 'node:net';
import { Agent, type Client, Dispatcher, Pool } from 'undici';
import { urlHost } from '../core/host.js';
import type { Proxy } from '../core/proxy.js';
import { absoluteForm } from './absolute-form.js';
import { EarlyAbort } from './early-abort.js';
import { type AbandonableOptions, type OpenConnection, ProxyConnection } from './proxy-connection.js';
import type { TlsSettings } from './secure-socket.js';
import { openProxyConnection, openTunnel, type Tunnel, type TunnelLimits } from './tunnel.js';
import type { WireMeter } from './wire-meter.js';

/** How a {@link ProxyDispatcher} connects. */
export interface ProxyDispatcherOptions {
  /** Connections to one origin through one proxy; for `http:` targets of an http proxy, to the proxy. @default 8 */
  readonly connections?: number | undefined;
  /** How long an idle connection is kept, in ms. @default 10_000 */
  readonly idleMs?: number | undefined;
  readonly limits?: Partial<TunnelLimits> | undefined;
  /** TLS with `https:` targets. */
  readonly tls?: TlsSettings | undefined;
  /** TLS with proxies of protocol `https`. */
  readonly proxyTls?: TlsSettings | undefined;
  /** @default dns.lookup */
  readonly lookup?: LookupFunction | undefined;
  /** Counts the bytes of all connections. @default nobody does */
  readonly meter?: WireMeter | undefined;
}

/** What went through a dispatcher since it was made. */
export interface DispatcherStats {
  /** Connections that are open now. */
  readonly open: number;
  /** Connections that were opened. */
  readonly opened: number;
  readonly requests: number;
}

const defaults = { connections: 8, idleMs: 10_000 };

/**
 * Undici over one proxy, with kept connections and HTTP/1.1: tunnels for `https:` targets, for everything through
 * SOCKS and for upgrades; absolute form for the rest. It never connects to a target itself.
 */
export class ProxyDispatcher extends Dispatcher {
  readonly #proxy: Proxy;
  readonly #options: ProxyDispatcherOptions;
  readonly #tunnels: Agent;
  readonly #forward: Pool | null;
  /** Undici does not wait for these when it is destroyed. */
  readonly #opening = new Set<AbortController>();
  #open = 0;
  #opened = 0;
  #requests = 0;

  constructor(proxy: Proxy, options: ProxyDispatcherOptions = {}) {
    super();
    this.#proxy = proxy;
    this.#options = options;
    const { connections = defaults.connections, idleMs = defaults.idleMs } = options;
    const kept: Client.Options = { keepAliveTimeout: idleMs, keepAliveMaxTimeout: idleMs };
    const pool = (origin: string | URL, open: OpenConnection): Pool =>
      new Pool(origin, {
        ...kept,
        connections,
        factory: (to) => new ProxyConnection(to, kept, open),
      });
    this.#tunnels = new Agent({ ...kept, factory: (origin) => pool(origin, this.#openTunnel) });
    this.#forward =
      proxy.protocol === 'http' || proxy.protocol === 'https'
        ? pool(`http://${urlHost(proxy.host)}:${proxy.port}`, this.#openForward)
        : null;
  }

  get stats(): DispatcherStats {
    return { open: this.#open, opened: this.#opened, requests: this.#requests };
  }

  /** Errors that a proxy causes arrive as TunnelError, all others as undici has them. */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.#requests += 1;
    // The newer interface asks for a controller with its first call; such handlers wait for undici's.
    if (handler.onRequestStart !== undefined) return this.#route(options, handler);
    const abortable = new EarlyAbort(handler);
    abortable.begin();
    return this.#route({ ...options, abandoned: abortable.abandoned }, abortable);
  }

  #route(options: AbandonableOptions, handler: Dispatcher.DispatchHandler): boolean {
    const target = new URL(options.origin ?? '');
    const forwards =
      target.protocol === 'http:' && !options.upgrade && !options.tunnel && options.method !== 'CONNECT';
    if (!forwards || this.#forward === null)
      return this.#tunnels.dispatch({ ...options, origin: target.origin }, handler);
    return this.#forward.dispatch(absoluteForm(options, target, this.#proxy), handler);
  }

  readonly #openTunnel: OpenConnection = async (origin, servername, opening, sessionId) => {
    const secure = origin.protocol === 'https:';
    const { limits, lookup, proxyTls, tls, meter } = this.#options;
    return this.#keep(
      opening,
      openTunnel({
        proxy: this.#proxy,
        host: origin.hostname,
        port: Number(origin.port) || (secure ? 443 : 80),
        ...(secure ? { tls: { ...(servername === undefined ? {} : { servername }), ...tls } } : {}),
        limits,
        lookup,
        proxyTls,
        meter,
        sessionId,
        signal: opening.signal,
      }),
    );
  };

  readonly #openForward: OpenConnection = async (_origin, _servername, opening, sessionId) => {
    const { limits, lookup, proxyTls, meter } = this.#options;
    const { signal } = opening;
    const dial = { proxy: this.#proxy, limits, lookup, proxyTls, meter, sessionId, signal };
    return this.#keep(opening, openProxyConnection(dial));
  };

  async #keep(opening: AbortController, coming: Promise<Tunnel>): Promise<Tunnel> {
    this.#opening.add(opening);
    try {
      const tunnel = await coming;
      this.#open += 1;
      this.#opened += 1;
      tunnel.socket.once('close', () => {
        this.#open -= 1;
      });
      return tunnel;
    } finally {
      this.#opening.delete(opening);
    }
  }

  /** Lets the requests in flight end. */
  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | void {
    const closed = Promise.all([this.#tunnels.close(), this.#forward?.close()]).then(() => {});
    if (callback === undefined) return closed;
    closed.then(callback, callback);
  }

  /** Ends the requests in flight with an error. */
  override destroy(error?: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    const done = typeof error === 'function' ? error : callback;
    const why = typeof error === 'function' ? null : (error ?? null);
    for (const opening of this.#opening) opening.abort();
    const destroyed = Promise.all([this.#tunnels.destroy(why), this.#forward?.destroy(why)]).then(() => {});
    if (done === undefined) return destroyed;
    destroyed.then(done, done);
  }
}
