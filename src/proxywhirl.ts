import type { ProxyConfiguration } from '@crawlee/core';
import type { Rotator } from './core/rotator.js';
import { createRotator } from './create-rotator.js';
import { ClosedError, OptionsError } from './errors.js';
import { createMonitor, type HealthChecks, type Monitor } from './health/monitor.js';
import type { MonitorSettings } from './health/monitor-settings.js';
import { CrawleeAdapter, type CrawleeProxyConfiguration } from './integrations/crawlee.js';
import type { CrawleeHooks } from './integrations/crawlee-hooks.js';
import type { CrawleeProxyInfo } from './integrations/crawlee-proxies.js';
import { patientAcquire } from './integrations/patience.js';
import { type ProxyWhirlOptions, resolveOptions } from './options.js';
import type { ProxyDispatchers } from './transport/dispatcher.js';
import type { FetchParts, ProxiedFetch } from './transport/fetch.js';
import type { ProxiedInit } from './transport/fetch-init.js';
import { Judge } from './transport/judge.js';
import { nodeTimers } from './transport/node-timers.js';
import type { ProxiedResponse } from './transport/proxied-response.js';

/**
 * Crawlee's `proxyConfiguration`, and the engine behind it. Everything works with nothing but
 * `{ proxyConfiguration: proxywhirl({...}) }`; `wire()` or `hooks` make outcomes and latencies precise.
 */
export interface ProxyWhirl extends ProxyConfiguration {
  readonly rotator: Rotator;
  /** Checks on demand, and what they and those that `health.check` makes in the background show. */
  readonly health: HealthChecks;
  /** Hooks to put into a crawler's options by hand where `wire()` does not fit. */
  readonly hooks: CrawleeHooks;
  /** The crawler's options with this proxy configuration and the hooks; your own hooks and handlers stay, in order. */
  wire<T extends object>(options: T): T;
  /**
   * One request through the pool: several proxies are tried within one deadline, a POST reaches a target at most once,
   * and nothing ever goes direct, whatever `onEmpty` says. Undici is loaded at the first call.
   * @throws FetchError, PoolEmptyError, NoCandidateError
   */
  fetch(url: string | URL, init?: ProxiedInit): Promise<ProxiedResponse>;
  /**
   * Resolves when the pool is ready for its first request. With `health.check` that is when one proxy has passed its
   * check, or all have had theirs; without, at once.
   */
  ready(): Promise<void>;
  /** Resolves when everything learned so far is where it shall be kept. */
  flush(): Promise<void>;
  /** Ends all attempts without a result, and all checks; nothing is acquired any more. May be called twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes the engine and its Crawlee adapter.
 *
 * @example
 * new CheerioCrawler({ proxyConfiguration: proxywhirl({ proxies: ['http://user:pass@203.0.113.7:8000'] }) })
 * @throws OptionsError that names every option, line and rule that is wrong, and never a credential
 */
export function proxywhirl(options: ProxyWhirlOptions): ProxyWhirl {
  const {
    onEmpty,
    waitMs,
    browserAffinity,
    freeRetries,
    adaptiveTimeouts,
    onBlocked,
    hedge,
    health,
    classify,
    ...engine
  } = resolveOptions(options);
  const rotator = createRotator(engine);
  // A list of nothing but comments.
  if (rotator.pool.size === 0)
    throw new OptionsError([{ path: 'proxies', rule: 'must hold at least one proxy' }]);
  const judge = new Judge({
    clock: rotator.clock,
    wallNow: Date.now,
    classify,
    onSuspect: (suspect) => rotator.tell('suspect', suspect),
    onClassifyError: (error) => rotator.tell('classify-error', { error }),
  });
  const closing = new AbortController();
  const acquire = patientAcquire(rotator, { onEmpty, waitMs, signal: closing.signal });
  const adapter = new CrawleeAdapter({
    rotator,
    acquire,
    browserAffinity,
    freeRetries,
    adaptiveTimeouts,
    onBlocked,
    judge,
    timers: nodeTimers,
  });
  const sending = { judge, random: engine.random ?? Math.random, settings: { hedge } };
  const whirl = new Whirl(rotator, adapter, closing, sending, health);
  // Crawlee 3 types the option with its class, whose protected members a duck type cannot have; at run time it asks
  // for two methods and nothing else.
  return whirl as unknown as ProxyWhirl;
}

/** How requests are sent. */
type Sending = Pick<FetchParts, 'judge' | 'random' | 'settings'>;

interface Transport {
  readonly fetch: ProxiedFetch;
  readonly dispatchers: ProxyDispatchers;
}

/** Loaded when it is used: who only crawls with Crawlee need not wait for undici. */
async function openTransport(rotator: Rotator, sending: Sending): Promise<Transport> {
  const [{ createFetch }, { ProxyDispatchers }] = await Promise.all([
    import('./transport/fetch.js'),
    import('./transport/dispatcher.js'),
  ]);
  const dispatchers = new ProxyDispatchers();
  rotator.on('pool', ({ proxyId, change }) => {
    if (change === 'removed') dispatchers.drop(proxyId);
  });
  return { dispatchers, fetch: createFetch({ rotator, dispatchers, clock: rotator.clock, ...sending }) };
}

class Whirl implements CrawleeProxyConfiguration {
  /** Crawlee accepts any certificate through this configuration when true. */
  isManInTheMiddle = false;
  readonly rotator: Rotator;
  readonly health: Monitor;
  readonly hooks: CrawleeHooks;
  readonly #adapter: CrawleeAdapter;
  readonly #closing: AbortController;
  readonly #sending: Sending;
  #transport: Promise<Transport> | null = null;

  constructor(
    rotator: Rotator,
    adapter: CrawleeAdapter,
    closing: AbortController,
    sending: Sending,
    settings: MonitorSettings,
  ) {
    this.rotator = rotator;
    this.hooks = adapter.hooks;
    this.#adapter = adapter;
    this.#closing = closing;
    this.#sending = sending;
    const dispatchers = async (): Promise<ProxyDispatchers> => (await this.#open()).dispatchers;
    this.health = createMonitor({
      rotator,
      dispatchers,
      clock: rotator.clock,
      random: sending.random,
      settings,
    });
    if (settings.check !== undefined) this.health.start();
  }

  newProxyInfo(session?: string | number | object, options?: object): Promise<CrawleeProxyInfo | undefined> {
    return this.#adapter.newProxyInfo(session, options);
  }

  newUrl(session?: string | number | object, options?: object): Promise<string | undefined> {
    return this.#adapter.newUrl(session, options);
  }

  wire<T extends object>(options: T): T {
    return this.#adapter.wire(options, this);
  }

  async fetch(url: string | URL, init?: ProxiedInit): Promise<ProxiedResponse> {
    const transport = await this.#open();
    return transport.fetch(url, init);
  }

  ready(): Promise<void> {
    return this.health.ready();
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#closing.abort();
    this.rotator.close();
    this.#adapter.close();
    await this.health.stop();
    const transport = await this.#transport;
    await transport?.dispatchers.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(): Promise<Transport> {
    if (this.#closing.signal.aborted) throw new ClosedError();
    this.#transport ??= openTransport(this.rotator, this.#sending);
    return this.#transport;
  }
}
