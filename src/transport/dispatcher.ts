import { LRUCache } from 'lru-cache';
import type { Dispatcher } from 'undici';
import type { Proxy } from '../core/proxy.js';
import { ClosedError } from '../errors.js';
import { type DispatcherStats, ProxyDispatcher, type ProxyDispatcherOptions } from './proxy-dispatcher.js';

/** Options of {@link ProxyDispatchers}. */
export interface ProxyDispatchersOptions extends ProxyDispatcherOptions {
  /** Proxies with a dispatcher at the same time; the one unused for longest gives way. @default 1_000 */
  readonly maxDispatchers?: number | undefined;
}

/** {@link DispatcherStats} of the dispatchers that are there now. */
export interface ProxyDispatchersStats extends DispatcherStats {
  readonly dispatchers: number;
}

const defaultMaxDispatchers = 1_000;

/** One keep-alive dispatcher per proxy. */
export class ProxyDispatchers {
  readonly #options: ProxyDispatchersOptions;
  readonly #byProxy: LRUCache<string, ProxyDispatcher>;
  /** Gave way, and still have requests in flight. */
  readonly #leaving = new Map<ProxyDispatcher, Promise<void>>();
  #closed = false;

  constructor(options: ProxyDispatchersOptions = {}) {
    this.#options = options;
    this.#byProxy = new LRUCache({
      max: options.maxDispatchers ?? defaultMaxDispatchers,
      dispose: (dispatcher) => this.#letGo(dispatcher),
    });
  }

  /**
   * The dispatcher of this proxy (by its id, and so by its credentials). Ask for it with every request: one that gave
   * way ends what it has begun and takes nothing new.
   * @throws ClosedError after close() or destroy().
   */
  dispatcherFor(proxy: Proxy): Dispatcher {
    if (this.#closed) throw new ClosedError();
    const present = this.#byProxy.get(proxy.id);
    if (present !== undefined) return present;
    const made = new ProxyDispatcher(proxy, this.#options);
    this.#byProxy.set(proxy.id, made);
    return made;
  }

  /** For a proxy that was removed: what is in flight ends, idle connections close. */
  drop(proxyId: string): void {
    this.#byProxy.delete(proxyId);
  }

  stats(): ProxyDispatchersStats {
    const sum = { dispatchers: this.#byProxy.size, open: 0, opened: 0, requests: 0 };
    for (const dispatcher of [...this.#byProxy.values(), ...this.#leaving.keys()]) {
      const { open, opened, requests } = dispatcher.stats;
      sum.open += open;
      sum.opened += opened;
      sum.requests += requests;
    }
    return sum;
  }

  /** Resolves when all requests have ended and all connections are closed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#byProxy.clear();
    await Promise.all(this.#leaving.values());
  }

  /** Ends the requests in flight with an error. */
  async destroy(): Promise<void> {
    this.#closed = true;
    const all = [...this.#byProxy.values(), ...this.#leaving.keys()];
    await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
    await this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #letGo(dispatcher: ProxyDispatcher): void {
    const gone = (): void => {
      this.#leaving.delete(dispatcher);
    };
    this.#leaving.set(dispatcher, dispatcher.close().then(gone, gone));
  }
}
