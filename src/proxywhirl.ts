import { randomBytes } from 'node:crypto';
import type { ProxyConfiguration } from '@crawlee/core';
import { EngineCache, type ProxyCache } from './cache/engine-cache.js';
import type { Rotator } from './core/rotator.js';
import { createRotator } from './create-rotator.js';
import { ClosedError, OptionsError } from './errors.js';
import { createMonitor, type HealthChecks, type Monitor } from './health/monitor.js';
import type { MonitorSettings } from './health/monitor-settings.js';
import { closeClients, shareEngine } from './integrations/client-engine.js';
import { CrawleeAdapter, type CrawleeProxyConfiguration } from './integrations/crawlee.js';
import type { CrawleeHooks } from './integrations/crawlee-hooks.js';
import type { CrawleeProxyInfo } from './integrations/crawlee-proxies.js';
import { type PatientAcquire, patientAcquire } from './integrations/patience.js';
import { type ProxyWhirlOptions, resolveOptions } from './options.js';
import { EngineSources, type ProxySources } from './sources/engine-sources.js';
import { importProxies } from './sources/import.js';
import { readSources } from './sources/shorthand.js';
import type { Source } from './sources/source.js';
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
  /** What is kept for the next run; null without the option `cache`. */
  readonly cache: ProxyCache | null;
  /** Loads the option `sources` on demand, and tells of each load. */
  readonly sources: ProxySources;
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
   * Resolves when the pool is ready for its first request: with `cache`, when it has what earlier runs left, at the
   * latest after 5 s; with `sources`, when then each was loaded or has failed once, at the latest after 20 s; with
   * `health.check`, when then one proxy has passed its check, or all have had theirs. Requests wait by themselves for
   * the first, and for the second while there is no proxy at all.
   */
  ready(): Promise<void>;
  /** Resolves when everything learned so far is kept, or the cache has said by `degraded` that it cannot be. */
  flush(): Promise<void>;
  /**
   * Ends all attempts without a result, and all checks; nothing is acquired any more. Keeps what was learned, for which
   * it takes 10 s at most. May be called twice.
   */
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
    cache: caching,
    sources: given,
    ...engine
  } = resolveOptions(options);
  const sourceList = readSources(given);
  const rotator = createRotator(engine);
  // A list of nothing but comments.
  if (rotator.pool.size === 0 && sourceList.length === 0)
    throw new OptionsError([{ path: 'proxies', rule: 'must hold at least one proxy' }]);
  const judge = new Judge({
    clock: rotator.clock,
    wallNow: Date.now,
    classify,
    onSuspect: (suspect) => rotator.tell('suspect', suspect),
    onClassifyError: (error) => rotator.tell('classify-error', { error }),
  });
  const cache =
    caching === undefined
      ? null
      : new EngineCache({
          rotator,
          settings: caching,
          env: process.env,
          randomBytes,
          now: Date.now,
          clock: rotator.clock,
          timers: nodeTimers,
          readList: (path, signal) => importProxies(path, { signal }),
          sourceTtlSeconds: cacheTtls(sourceList),
        });
  const random = engine.random ?? Math.random;
  const sources = new EngineSources({
    pool: rotator.pool,
    sources: sourceList,
    clock: rotator.clock,
    timers: nodeTimers,
    random,
    memory: cache,
  });
  const supply: Supply = () => {
    const loading = cache?.loading ?? null;
    return loading === null ? sources.firstProxies : loading.then(() => sources.firstProxies);
  };
  const closing = new AbortController();
  const patient = patientAcquire(rotator, { onEmpty, waitMs, signal: closing.signal });
  const acquire: PatientAcquire = (context) => {
    const coming = supply();
    return coming === null ? patient(context) : coming.then(() => patient(context));
  };
  shareEngine({ rotator, judge, acquire });
  const adapter = new CrawleeAdapter({
    rotator,
    acquire,
    browserAffinity,
    freeRetries,
    adaptiveTimeouts,
    onBlocked,
    judge,
    timers: nodeTimers,
    persist: cache === null ? null : () => cache.flush(),
  });
  const sending = { judge, random, settings: { hedge } };
  const whirl = new Whirl({ rotator, adapter, closing, sending, health, cache, sources, supply });
  // Crawlee 3 types the option with its class, whose protected members a duck type cannot have; at run time it asks
  // for two methods and nothing else.
  return whirl as unknown as ProxyWhirl;
}

/** What the first requests wait for: what earlier runs left and, while there is no proxy, the first list. */
type Supply = () => Promise<unknown> | null;

/** A time to live of less than a minute is about the pool alone: a list is read anew by each run then. */
function cacheTtls(sources: readonly Source[]): Record<string, number> {
  return Object.fromEntries(
    sources.flatMap(({ name, settings: { ttlSeconds } }) => (ttlSeconds >= 60 ? [[name, ttlSeconds]] : [])),
  );
}

interface WhirlParts {
  readonly rotator: Rotator;
  readonly adapter: CrawleeAdapter;
  readonly closing: AbortController;
  readonly sending: Sending;
  readonly health: MonitorSettings;
  readonly cache: EngineCache | null;
  readonly sources: EngineSources;
  readonly supply: Supply;
}

/** How requests are sent. */
type Sending = Pick<FetchParts, 'judge' | 'random' | 'settings'>;

interface Transport {
  readonly fetch: ProxiedFetch;
  readonly dispatchers: ProxyDispatchers;
}

/** Loaded when it is used: who only crawls with Crawlee need not wait for undici. */
async function openTransport(rotator: Rotator, sending: Sending): Promise<Transport> {
  const [{ createFetch }, { ProxyDispatchers }, { WireMeter }] = await Promise.all([
    import('./transport/fetch.js'),
    import('./transport/dispatcher.js'),
    import('./transport/wire-meter.js'),
  ]);
  const dispatchers = new ProxyDispatchers({ meter: new WireMeter(rotator) });
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
  readonly cache: EngineCache | null;
  readonly sources: EngineSources;
  readonly hooks: CrawleeHooks;
  readonly #adapter: CrawleeAdapter;
  readonly #closing: AbortController;
  readonly #sending: Sending;
  readonly #supply: Supply;
  /** The background checks have begun, if there are any. */
  readonly #checking: Promise<void>;
  #transport: Promise<Transport> | null = null;

  constructor({ rotator, adapter, closing, sending, health, cache, sources, supply }: WhirlParts) {
    this.rotator = rotator;
    this.cache = cache;
    this.sources = sources;
    this.#supply = supply;
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
      settings: health,
    });
    this.#checking = health.check === undefined ? Promise.resolve() : this.#startChecks();
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
    await this.#supply();
    return transport.fetch(url, init);
  }

  async ready(): Promise<void> {
    await this.cache?.loading;
    await this.sources.starting;
    await this.#checking;
    await this.health.ready();
  }

  async flush(): Promise<void> {
    await this.cache?.flush();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.rotator.close();
    this.#adapter.close();
    await closeClients(this.rotator);
    await this.health.stop();
    await this.sources.close();
    await this.cache?.close();
    const transport = await this.#transport;
    await transport?.dispatchers.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #startChecks(): Promise<void> {
    const coming = this.#supply();
    if (coming !== null) await coming;
    if (!this.#closing.signal.aborted) this.health.start();
  }

  async #open(): Promise<Transport> {
    if (this.#closing.signal.aborted) throw new ClosedError();
    this.#transport ??= openTransport(this.rotator, this.#sending);
    return this.#transport;
  }
}
