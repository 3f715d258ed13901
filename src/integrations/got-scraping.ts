import type { Agent } from 'node:http';
import type { TransformHeadersAgent } from 'got-scraping';
import type { Lease } from '../core/lease.js';
import { proxyUrl } from '../core/proxy.js';
import type { TlsSettings } from '../transport/secure-socket.js';
import { WireMeter } from '../transport/wire-meter.js';
import {
  acquireContext,
  type ClientContext,
  checkOptions,
  flag,
  type OptionRules,
  settings,
  wholeMs,
} from './client-context.js';
import { acquireOne, type ClientEngine, type EngineHost, engineOf, onEngineClose } from './client-engine.js';
import { AgentPool } from './got-agents.js';
import { browserHeaders, hintLanguage } from './got-headers.js';
import type { GotOptions } from './got-options.js';
import { type GotResult, type GotWatch, watchPromise, watchStream } from './got-watch.js';

export type { ClientContext } from './client-context.js';
export type { EngineHost } from './client-engine.js';

/** Options of {@link whirlGot}. */
export interface WhirlGotOptions extends ClientContext {
  /**
   * Keeps connections open and uses them again, by agents over our own tunnels: HTTP/1.1, got-scraping's order of headers
   * and its TLS settings. Without it each request is got-scraping's own, HTTP/2 included, and costs a new connection.
   * SOCKS proxies, which got-scraping cannot use, always go this way.
   * @default false
   */
  readonly keepAlive?: boolean | undefined;
  /**
   * Where got-scraping makes the headers of a browser, `Accept-Language` is that of the proxy's country, so that a proxy
   * in Germany asks for German; a request that names it, or `headerGeneratorOptions.locales`, keeps its own.
   * @default true
   */
  readonly localeHints?: boolean | undefined;
  /** The longest that a request may take where got's `timeout.request` says nothing, in ms. @default 60_000 */
  readonly deadlineMs?: number | undefined;
  /** TLS with proxies of protocol `https`, where connections are ours. @default certificates are verified by Node's list */
  readonly proxyTls?: TlsSettings | undefined;
}

/** A handler of got; it gives back what the next one gives, a promise or a stream. */
export type GotHandler = <Options, Result>(
  options: Options,
  next: (options: Options) => Result,
) => Result | Promise<Awaited<Result>>;

const rules: OptionRules = { keepAlive: flag, localeHints: flag, deadlineMs: wholeMs, proxyTls: settings };
const DEADLINE_MS = 60_000;
/** Got's own limit goes first where it works; it does not while a proxy is silent about ALPN. In ms. */
const GRACE_MS = 100;

/**
 * Options for `gotScraping.extend()`: each request, promise or stream, takes a proxy of the pool, and its outcome comes
 * back. `context: { sessionId, country, tags }` of a request goes before the options here. Retries of got itself (off in
 * got-scraping) stay with the proxy of their request. Nothing goes direct.
 * Where there is no proxy to choose, a promise is rejected and `stream()` throws.
 *
 * @example
 * const got = gotScraping.extend(whirlGot(whirl, { keepAlive: true }));
 * const { body } = await got('https://example.com/', { context: { sessionId: 'cart-1' } });
 * @throws OptionsError
 */
export function whirlGot(host: EngineHost, options: WhirlGotOptions = {}): { handlers: GotHandler[] } {
  checkOptions(options, rules);
  const client = new GotClient(engineOf(host), options);
  const handle: GotHandler = (given, next) => client.handle(given, next);
  return { handlers: [handle] };
}

class GotClient {
  readonly #engine: ClientEngine;
  readonly #options: WhirlGotOptions;
  readonly #agents: AgentPool;

  constructor(engine: ClientEngine, options: WhirlGotOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#agents = new AgentPool(options.proxyTls, new WireMeter(engine.rotator));
    onEngineClose(engine, async () => this.#agents.close());
    engine.rotator.on('pool', ({ proxyId, change }) => {
      if (change === 'removed') this.#agents.drop(proxyId);
    });
  }

  handle<O, R>(given: O, next: (options: O) => R): R | Promise<Awaited<R>> {
    // Got's own class of options, of which one type for all versions does not exist.
    const options = given as unknown as GotOptions;
    const watched = (lease: Lease): GotWatch => ({
      engine: this.#engine,
      options,
      lease,
      deadlineMs:
        options.timeout.request === undefined
          ? (this.#options.deadlineMs ?? DEADLINE_MS)
          : options.timeout.request + GRACE_MS,
      wireOf: (socket) => this.#agents.wireOf(socket),
      refused: this.#refused,
    });
    if (options.isStream) {
      // A stream is wanted at once: there is no waiting for a proxy.
      const lease = this.#engine.rotator.acquire(this.#contextOf(options));
      const stream = this.#send(lease, given, next);
      watchStream(watched(lease), stream as GotResult);
      return stream;
    }
    let running: GotResult | null = null;
    let cancelled = false;
    const run = async (): Promise<unknown> => {
      const lease = await acquireOne(this.#engine, this.#contextOf(options));
      running = this.#send(lease, given, next) as GotResult;
      if (cancelled) running.cancel?.();
      return watchPromise(watched(lease), running);
    };
    const cancel = (): void => {
      cancelled = true;
      running?.cancel?.();
    };
    return cancellable(run(), cancel) as Promise<Awaited<R>>;
  }

  #send<O, R>(lease: Lease, given: O, next: (options: O) => R): R {
    try {
      this.#prepare(given as unknown as GotOptions, lease);
      return next(given);
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  readonly #refused = (proxyId: string): void => this.#agents.drop(proxyId);

  #contextOf(options: GotOptions): ReturnType<typeof acquireContext> {
    const { sessionId, country, tags } = options.context as ClientContext;
    const own: ClientContext = {
      sessionId: sessionId ?? this.#options.sessionId,
      country: country ?? this.#options.country,
      tags: tags ?? this.#options.tags,
    };
    checkOptions(own);
    return acquireContext(own, options.url === undefined ? undefined : String(options.url));
  }

  #prepare(options: GotOptions, { proxy }: Lease): void {
    const { keepAlive, localeHints } = this.#options;
    if (localeHints !== false) hintLanguage(options, proxy.geo);
    if (keepAlive !== true && (proxy.protocol === 'http' || proxy.protocol === 'https')) {
      options.context = { ...options.context, proxyUrl: proxyUrl(proxy) };
      return;
    }
    const { http, https } = this.#agents.agentsFor(proxy);
    options.headers = browserHeaders(options);
    // Got-scraping would ask the target itself, without a proxy, whether it speaks HTTP/2.
    options.context = { ...options.context, proxyUrl: undefined, useHeaderGenerator: false };
    options.http2 = false;
    const ordered = orderingOf(options.agent.https);
    options.agent = { http: ordered(http), https: ordered(https) };
  }
}

/** Got puts its own `cancel` onto what a handler gives back, and there it does not work. */
function cancellable<T>(promise: Promise<T>, cancel: () => void): Promise<T> {
  return Object.defineProperty(promise, 'cancel', { get: () => cancel, set() {} });
}

/** Got-scraping's wrapper, which writes headers in the order of a browser; taken from its own agent. */
function orderingOf(wrapped: unknown): (agent: Agent) => Agent {
  const { constructor: Wrapper } = (wrapped ?? {}) as { constructor?: unknown };
  if (typeof Wrapper !== 'function' || typeof wrapped !== 'object' || wrapped === null)
    return (agent) => agent;
  if (!('transformRequest' in wrapped)) return (agent) => agent;
  return (agent) => new (Wrapper as new (agent: Agent) => TransformHeadersAgent<Agent> & Agent)(agent);
}
