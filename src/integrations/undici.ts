import { Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { ClosedError } from '../errors.js';
import { ProxyDispatchers } from '../transport/dispatcher.js';
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
import { type ClientEngine, type EngineHost, engineOf, onEngineClose } from './client-engine.js';
import { Exchange } from './undici-exchange.js';
import { olderHandler } from './undici-handler.js';

export type { ClientContext } from './client-context.js';
export type { EngineHost } from './client-engine.js';

/** Options of {@link whirlDispatcher}. */
export interface WhirlDispatcherOptions extends ClientContext {
  /** From the written request to the head of its answer, in ms, where the request says nothing. @default 15_000 */
  readonly firstByteMs?: number | undefined;
  /** The longest silence within a body, in ms, where the request says nothing. @default 10_000 */
  readonly idleMs?: number | undefined;
  /** TLS with `https:` targets. @default certificates are verified by Node's list */
  readonly tls?: TlsSettings | undefined;
  /** TLS with proxies of protocol `https`. @default certificates are verified by Node's list */
  readonly proxyTls?: TlsSettings | undefined;
  /** Makes it undici's and Node's global dispatcher until it is closed. @default false */
  readonly global?: boolean | undefined;
}

const rules: OptionRules = {
  firstByteMs: wholeMs,
  idleMs: wholeMs,
  tls: settings,
  proxyTls: settings,
  global: flag,
};
const defaults = { firstByteMs: 15_000, idleMs: 10_000 };

/**
 * A dispatcher for undici's `request`, `stream`, `fetch` and the rest, and for Node's own `fetch`: each request takes a
 * proxy of the pool, by kept connections and one attempt, and its outcome comes back. It composes with undici's
 * interceptors; each attempt of a retry and each step of a redirect is a request of its own. It never goes direct.
 *
 * @example
 * const dispatcher = whirlDispatcher(whirl);
 * await request('https://example.com/', { dispatcher });
 * @throws OptionsError
 */
export function whirlDispatcher(host: EngineHost, options: WhirlDispatcherOptions = {}): WhirlDispatcher {
  checkOptions(options, rules);
  const { sessionId, country, tags, global, ...rest } = options;
  const dispatcher = new WhirlDispatcher(new Connections(engineOf(host), rest), { sessionId, country, tags });
  if (global === true) dispatcher.install();
  return dispatcher;
}

/** What dispatchers with different sessions share. */
class Connections {
  readonly engine: ClientEngine;
  readonly dispatchers: ProxyDispatchers;
  readonly limits: { readonly headersTimeout: number; readonly bodyTimeout: number };
  readonly #stops: readonly (() => void)[];
  closed = false;
  #restore: (() => void) | null = null;

  constructor(engine: ClientEngine, options: Omit<WhirlDispatcherOptions, keyof ClientContext | 'global'>) {
    const { firstByteMs, idleMs, tls, proxyTls } = options;
    this.engine = engine;
    this.dispatchers = new ProxyDispatchers({ tls, proxyTls, meter: new WireMeter(engine.rotator) });
    this.limits = {
      headersTimeout: firstByteMs ?? defaults.firstByteMs,
      bodyTimeout: idleMs ?? defaults.idleMs,
    };
    this.#stops = [
      onEngineClose(engine, () => this.end(true)),
      engine.rotator.on('pool', ({ proxyId, change }) => {
        if (change === 'removed') this.dispatchers.drop(proxyId);
      }),
    ];
  }

  install(dispatcher: Dispatcher): void {
    const before = getGlobalDispatcher();
    setGlobalDispatcher(dispatcher);
    this.#restore ??= () => {
      if (getGlobalDispatcher() === dispatcher) setGlobalDispatcher(before);
    };
  }

  async end(now: boolean): Promise<void> {
    this.closed = true;
    this.#restore?.();
    this.#restore = null;
    await (now ? this.dispatchers.destroy() : this.dispatchers.close());
    for (const stop of this.#stops) stop();
  }
}

/** See {@link whirlDispatcher}. */
export class WhirlDispatcher extends Dispatcher {
  readonly #connections: Connections;
  readonly #context: ClientContext;

  /** @internal */
  constructor(connections: Connections, context: ClientContext) {
    super();
    this.#connections = connections;
    this.#context = context;
  }

  /**
   * The same connections, for another session, country or set of tags. Closing one of them closes all.
   * @throws OptionsError
   */
  with(context: ClientContext): WhirlDispatcher {
    checkOptions(context);
    return new WhirlDispatcher(this.#connections, { ...this.#context, ...context });
  }

  /** Makes it the global dispatcher until it is closed. */
  install(): void {
    this.#connections.install(this);
  }

  /** Errors that a proxy causes arrive as TunnelError; there is PoolEmptyError and NoCandidateError as well. */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { engine, dispatchers, limits, closed } = this.#connections;
    const older = olderHandler(handler);
    if (closed) {
      older.onError?.(new ClosedError());
      return false;
    }
    const url = new URL(options.path, options.origin);
    const context = acquireContext(this.#context, url.href);
    const parts = { engine, dispatchers, context, options: withLimits(options, limits), handler: older };
    new Exchange(parts, url).start();
    return true;
  }

  /** Lets the requests in flight end. */
  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | void {
    return told(this.#connections.end(false), callback);
  }

  /** Ends the requests in flight with an error. */
  override destroy(error?: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    return told(this.#connections.end(true), typeof error === 'function' ? error : callback);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }
}

/** Undici has 300 s for both, which a silent proxy would use up. */
function withLimits(
  options: Dispatcher.DispatchOptions,
  limits: Connections['limits'],
): Dispatcher.DispatchOptions {
  return {
    ...options,
    headersTimeout: options.headersTimeout ?? limits.headersTimeout,
    bodyTimeout: options.bodyTimeout ?? limits.bodyTimeout,
  };
}

function told(ending: Promise<void>, callback: (() => void) | undefined): Promise<void> | void {
  if (callback === undefined) return ending;
  ending.then(callback, callback);
}
