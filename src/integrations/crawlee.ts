import { LRUCache } from 'lru-cache';
import type { Timers } from '../core/clock.js';
import { hash64 } from '../core/identity.js';
import type { Lease } from '../core/lease.js';
import type { Verdict } from '../core/outcome.js';
import { isSocks } from '../core/protocol.js';
import type { Rotator } from '../core/rotator.js';
import type { AcquireContext } from '../core/selection-rules.js';
import { isSessionId } from '../core/sessions.js';
import { isUnexpectedContent } from '../transport/classify.js';
import type { Judge } from '../transport/judge.js';
import { Attempt, type AttemptEnd } from './crawlee-attempt.js';
import { Examiner, type OnBlocked } from './crawlee-examiner.js';
import { type CrawleeHooks, crawleeHooks, type HookTargets, wireHooks } from './crawlee-hooks.js';
import type { ChosenProxy } from './crawlee-http-client.js';
import { PersistState } from './crawlee-persist.js';
import { type CrawleeProxyInfo, KnownProxies } from './crawlee-proxies.js';
import { giveBackRetry, givenBack } from './crawlee-retries.js';
import { AdaptiveTimeouts } from './crawlee-timeouts.js';
import type { CrawleeRequest } from './crawlee-watch.js';

/** The members by which Crawlee 3 and 4 know a proxy configuration. */
export interface CrawleeProxyConfiguration {
  isManInTheMiddle: boolean;
  newProxyInfo(session?: string | number | object, options?: object): Promise<CrawleeProxyInfo | undefined>;
  newUrl(session?: string | number | object, options?: object): Promise<string | undefined>;
}

export interface CrawleeAdapterParts {
  readonly rotator: Rotator;
  /** Chooses, and does what was asked for when nothing can be chosen; null = go direct. */
  readonly acquire: (context: AcquireContext) => Lease | Promise<Lease | null>;
  readonly browserAffinity: boolean;
  readonly freeRetries: number;
  readonly adaptiveTimeouts: boolean;
  readonly onBlocked: OnBlocked;
  readonly judge: Judge;
  readonly timers: Timers;
  /** Keeps what was learned, when Crawlee says that state is to be kept; null = there is nothing to do. */
  readonly persist: (() => Promise<unknown>) | null;
}

/** What is remembered of a request between its attempts. */
interface RequestHistory {
  readonly failedOn: Set<string>;
  freeRetries: number;
  /** An attempt whose lease waits for what another proxy brings. */
  suspect: Attempt | null;
}

/** Verdicts after which the same proxy is no good for the same request. */
const FAILED_REQUEST: ReadonlySet<Verdict> = new Set(['proxy', 'auth', 'banned', 'ambiguous']);
/** Requests between two attempts whose history is kept; one costs about 200 bytes. */
const MAX_HISTORIES = 50_000;

/**
 * The engine as Crawlee's `proxyConfiguration`: makes a context of what Crawlee says, hands over the proxy, and turns
 * what it sees of the attempt into an outcome. All that depends on the version of Crawlee is in this folder's
 * crawlee files.
 */
export class CrawleeAdapter {
  readonly hooks: CrawleeHooks;
  readonly #parts: CrawleeAdapterParts;
  readonly #attempts = new WeakMap<object, Attempt>();
  readonly #open = new Set<Attempt>();
  readonly #histories = new LRUCache<string, RequestHistory>({
    // `max` would reserve the memory of all of them when it is made.
    maxSize: MAX_HISTORIES,
    sizeCalculation: () => 1,
    dispose: ({ suspect }) => void suspect?.settle('neutral'),
  });
  readonly #known: KnownProxies;
  readonly #targets: HookTargets;

  constructor(parts: CrawleeAdapterParts) {
    this.#parts = parts;
    this.#known = new KnownProxies(parts.rotator);
    const timeouts = parts.adaptiveTimeouts ? new AdaptiveTimeouts(parts.rotator, parts.timers) : null;
    parts.rotator.on('pool', ({ proxyId, change }) => {
      if (change !== 'removed') return;
      this.#known.forget(proxyId);
      timeouts?.forget(proxyId);
    });
    this.#targets = {
      attemptOf: (request) => this.#attempts.get(request),
      carriedBy: (attempt, url) => this.#carriedBy(attempt, url),
      examiner: new Examiner(parts.onBlocked, parts.timers),
      timeouts,
      persist: parts.persist === null ? null : new PersistState(parts.persist),
      http: {
        judge: parts.judge,
        clock: parts.rotator.clock,
        leaseOf: (proxyUrl, url) => {
          const id = this.#known.carrierAt(proxyUrl);
          return id === undefined ? undefined : parts.rotator.acquireCarrier(id, { url });
        },
        choose: (sessionId, url) => this.#choose(sessionId, url),
        faultOf: (lease, url) => this.#known.faultOf(lease.proxy, url, lease.startedAt),
      },
    };
    this.hooks = crawleeHooks(this.#targets);
  }

  /**
   * Crawlee 3 calls it once per attempt with the session id and the live request; Crawlee 4 once per session with
   * nothing. A session keeps its proxy until that proxy fails.
   * @throws PoolEmptyError, NoCandidateError (the attempt fails; it never goes direct unless that was asked for)
   */
  async newProxyInfo(
    session?: string | number | object,
    options?: object,
    browserAffinity: boolean = this.#parts.browserAffinity,
  ): Promise<CrawleeProxyInfo | undefined> {
    const given = typeof session === 'object' ? session : options;
    const request = (given as { request?: CrawleeRequest } | undefined)?.request;
    const sessionId = session === undefined || typeof session === 'object' ? undefined : String(session);
    const pending = this.#parts.acquire(this.#context(sessionId, request));
    const lease = pending instanceof Promise ? await pending : pending;
    if (lease === null) return undefined;
    const { proxy } = lease;
    const bridge = isSocks(proxy.protocol) ? await this.#bridgeTo(lease) : undefined;
    if (request === undefined) lease.release();
    else this.#attend(request, lease);
    return this.#known.describe(proxy, sessionId, browserAffinity, bridge);
  }

  async newUrl(session?: string | number | object, options?: object): Promise<string | undefined> {
    if (options !== undefined || typeof session === 'object')
      return (await this.newProxyInfo(session, options))?.url;
    // Nobody will report anything about it.
    const chosen = await this.#choose(session === undefined ? session : String(session), undefined);
    chosen?.lease.release();
    return chosen?.proxyUrl;
  }

  /** The options of any crawler, with this proxy configuration and the hooks; the user's own stay, in their order. */
  wire<T extends object>(options: T, configuration: CrawleeProxyConfiguration): T {
    const { useIncognitoPages, experimentalContainers } =
      (options as { launchContext?: { useIncognitoPages?: boolean; experimentalContainers?: boolean } })
        .launchContext ?? {};
    // Incognito pages carry their own proxy: a browser for each would only cost memory.
    const perPage = useIncognitoPages === true || experimentalContainers === true;
    const proxyConfiguration: CrawleeProxyConfiguration = perPage
      ? {
          isManInTheMiddle: configuration.isManInTheMiddle,
          newProxyInfo: (session, more) => this.newProxyInfo(session, more, false),
          newUrl: (session, more) => this.newUrl(session, more),
        }
      : configuration;
    return { ...wireHooks(options, this.#targets), proxyConfiguration };
  }

  /** Ends all attempts without a result. */
  close(): void {
    this.#targets.persist?.close();
    for (const attempt of [...this.#open]) attempt.abandon();
    this.#histories.clear();
    this.#known.close();
  }

  /** Null = go direct. */
  async #choose(sessionId: string | undefined, url: string | undefined): Promise<ChosenProxy | null> {
    const context = this.#context(sessionId, undefined);
    const pending = this.#parts.acquire(url === undefined ? context : { ...context, url });
    const lease = pending instanceof Promise ? await pending : pending;
    if (lease === null) return null;
    const bridge = isSocks(lease.proxy.protocol) ? await this.#bridgeTo(lease) : undefined;
    return { lease, proxyUrl: this.#known.urlOf(lease.proxy, bridge) };
  }

  #context(sessionId: string | undefined, request: CrawleeRequest | undefined): AcquireContext {
    // Built key by key: spreading what may be absent costs more than the choice itself.
    const context: { -readonly [Key in keyof AcquireContext]: AcquireContext[Key] } = {};
    if (sessionId !== undefined) {
      context.sessionId = isSessionId(sessionId) ? sessionId : `x-${hash64(sessionId)}`;
    }
    if (request !== undefined) {
      context.url = request.url;
      // The same URL in another run: what it went through then is over.
      if (this.#histories.size > 0 && request.errorMessages?.length === 0)
        this.#histories.delete(keyOf(request));
      const history = this.#histories.get(keyOf(request));
      if (history !== undefined) context.avoid = history.failedOn;
    }
    return context;
  }

  #attend(request: CrawleeRequest, lease: Lease): void {
    this.#attempts.get(request)?.abandon();
    const { rotator, judge } = this.#parts;
    const onEnd: AttemptEnd = (ended, verdict, error) => this.#onEnd(ended, verdict, error);
    const attempt = new Attempt(request, lease, rotator.clock, onEnd, judge);
    if (isSocks(lease.proxy.protocol)) {
      attempt.upstreamFault = () => this.#known.faultOf(attempt.lease.proxy, request.url, lease.startedAt);
    }
    this.#attempts.set(request, attempt);
    this.#open.add(attempt);
  }

  async #bridgeTo(lease: Lease): Promise<string> {
    try {
      return await this.#known.bridgeTo(lease.proxy);
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  #onEnd(attempt: Attempt, guess: Verdict, error: unknown): void {
    this.#open.delete(attempt);
    const key = keyOf(attempt.request);
    const history = this.#histories.get(key) ?? {
      failedOn: new Set(),
      freeRetries: this.#parts.freeRetries - givenBack(attempt.request),
      suspect: null,
    };
    if (guess === 'neutral' && attempt.plainHttp && isUnexpectedContent(error)) {
      if (this.#suspect(attempt, history)) this.#histories.set(key, history);
      return;
    }
    const wasCut = error !== undefined && attempt.wasCut();
    const verdict = attempt.settle(guess, error);
    const tookMs = wasCut ? attempt.patience?.ms : verdict === 'success' ? attempt.navigationMs : null;
    // With the limit at which it was cut, a proxy that became slower gets more time.
    if (tookMs != null) attempt.patience?.learn(attempt.lease.proxy.id, tookMs);
    if (verdict === 'success') {
      history.suspect?.settle('proxy');
      this.#histories.delete(key);
    } else if (FAILED_REQUEST.has(verdict)) {
      history.failedOn.add(attempt.lease.proxy.id);
      this.#histories.set(key, history);
      const { request } = attempt;
      if (
        (verdict === 'proxy' || verdict === 'auth' || wasCut || attempt.refused) &&
        history.freeRetries > 0 &&
        giveBackRetry(request, error)
      ) {
        history.freeRetries -= 1;
      }
    }
  }

  /**
   * An answer that may be the proxy's own page: the request goes once more through another proxy, and that answer
   * decides. True when it is undecided.
   */
  #suspect(attempt: Attempt, history: RequestHistory): boolean {
    const first = history.suspect;
    if (first !== null || history.freeRetries <= 0) {
      // Two proxies brought the same: it is what the target serves.
      first?.settle('neutral');
      attempt.settle('neutral');
      return false;
    }
    history.suspect = attempt;
    history.freeRetries -= 1;
    history.failedOn.add(attempt.lease.proxy.id);
    attempt.request.noRetry = false;
    attempt.request.retryCount -= 1;
    return true;
  }

  #carriedBy(attempt: Attempt, url: string): void {
    const carrier = this.#known.carrierAt(url);
    const { lease, request } = attempt;
    if (carrier === undefined || carrier === lease.proxy.id || lease.settled) return;
    const real = this.#parts.rotator.acquireCarrier(carrier, { url: request.url });
    if (real === undefined) return;
    lease.release();
    attempt.lease = real;
  }
}

function keyOf(request: CrawleeRequest): string {
  return request.id ?? request.uniqueKey ?? request.url;
}
