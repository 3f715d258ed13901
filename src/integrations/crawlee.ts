import { LRUCache } from 'lru-cache';
import { hash64 } from '../core/identity.js';
import type { Lease } from '../core/lease.js';
import type { Verdict } from '../core/outcome.js';
import { type Proxy, proxyUrl } from '../core/proxy.js';
import type { Rotator } from '../core/rotator.js';
import type { AcquireContext } from '../core/selection-rules.js';
import { isSessionId } from '../core/sessions.js';
import { isUnexpectedContent } from '../transport/classify.js';
import { Attempt } from './crawlee-attempt.js';
import { type CrawleeHooks, crawleeHooks, wireHooks } from './crawlee-hooks.js';
import type { CrawleeRequest } from './crawlee-watch.js';

/** What Crawlee reads of a proxy; `url` holds the credentials, as its clients need them. */
export interface CrawleeProxyInfo {
  sessionId?: string;
  url: string;
  username?: string;
  password: string;
  hostname: string;
  port: number;
  proxyTier?: number;
}

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
}

/** What is remembered of a request between its attempts. */
interface RequestHistory {
  readonly failedOn: Set<string>;
  freeRetries: number;
  /** An attempt whose lease waits for what another proxy brings. */
  suspect: Attempt | null;
}

/** What is told of a proxy, prepared once. */
interface KnownProxy {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** Unique number of the URL: Crawlee 3 keeps one browser per tier, so the named proxy is the real one. */
  readonly tier: number;
}

/** Verdicts after which the same proxy is no good for the same request. */
const FAILED_REQUEST: ReadonlySet<Verdict> = new Set(['proxy', 'auth', 'banned', 'ambiguous']);
/** Requests between two attempts whose history is kept; one costs about 200 bytes. */
const MAX_HISTORIES = 50_000;
/** Errors after which Crawlee never retries: there is no retry to give back. */
const FINAL_ERRORS = /^(?:NonRetryable|Critical|MissingRoute|BrowserLaunch)/;

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
  /** By proxy id. A weak map would cost each garbage collection a walk over all proxies. */
  readonly #known = new Map<string, KnownProxy>();
  /** URL as browsers report it -> proxy id; a browser names the proxy it was launched with by its URL. */
  readonly #carriers = new Map<string, string>();
  /** Known proxies that are not among the carriers yet: reading a URL costs several choices, and only browsers ask. */
  readonly #unlisted = new Set<string>();
  #lastTier = 0;

  constructor(parts: CrawleeAdapterParts) {
    this.#parts = parts;
    parts.rotator.on('pool', ({ proxyId, change }) => {
      if (change === 'removed') this.#forget(proxyId);
    });
    this.hooks = crawleeHooks({
      attemptOf: (request) => this.#attempts.get(request),
      carriedBy: (attempt, url) => this.#carriedBy(attempt, url),
    });
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
    if (request === undefined) lease.release();
    else this.#attend(request, lease);
    return this.#describe(lease.proxy, sessionId, browserAffinity);
  }

  async newUrl(session?: string | number | object, options?: object): Promise<string | undefined> {
    if (options !== undefined || typeof session === 'object')
      return (await this.newProxyInfo(session, options))?.url;
    // Nobody will report anything about it.
    const pending = this.#parts.acquire(
      this.#context(session === undefined ? session : String(session), undefined),
    );
    const lease = pending instanceof Promise ? await pending : pending;
    lease?.release();
    return lease === null ? undefined : this.#know(lease.proxy).url;
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
    return { ...wireHooks(options, this.hooks), proxyConfiguration };
  }

  /** Ends all attempts without a result. */
  close(): void {
    for (const attempt of [...this.#open]) attempt.abandon();
    this.#histories.clear();
  }

  #context(sessionId: string | undefined, request: CrawleeRequest | undefined): AcquireContext {
    // Built key by key: spreading what may be absent costs more than the choice itself.
    const context: { -readonly [Key in keyof AcquireContext]: AcquireContext[Key] } = {};
    if (sessionId !== undefined) {
      context.sessionId = isSessionId(sessionId) ? sessionId : `x-${hash64(sessionId)}`;
    }
    if (request !== undefined) {
      context.url = request.url;
      const history = this.#histories.get(keyOf(request));
      if (history !== undefined) context.avoid = history.failedOn;
    }
    return context;
  }

  #attend(request: CrawleeRequest, lease: Lease): void {
    this.#attempts.get(request)?.abandon();
    const attempt = new Attempt(request, lease, this.#parts.rotator.clock, (ended, verdict, error) =>
      this.#onEnd(ended, verdict, error),
    );
    this.#attempts.set(request, attempt);
    this.#open.add(attempt);
  }

  #onEnd(attempt: Attempt, guess: Verdict, error: unknown): void {
    this.#open.delete(attempt);
    const key = keyOf(attempt.request);
    const history = this.#histories.get(key) ?? {
      failedOn: new Set(),
      freeRetries: this.#parts.freeRetries,
      suspect: null,
    };
    if (guess === 'neutral' && attempt.plainHttp && isUnexpectedContent(error)) {
      if (this.#suspect(attempt, history)) this.#histories.set(key, history);
      return;
    }
    const verdict = attempt.settle(guess, error);
    if (verdict === 'success') {
      history.suspect?.settle('proxy');
      this.#histories.delete(key);
    } else if (FAILED_REQUEST.has(verdict)) {
      history.failedOn.add(attempt.lease.proxy.id);
      this.#histories.set(key, history);
      const { request } = attempt;
      if (
        (verdict === 'proxy' || verdict === 'auth') &&
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
    if (first !== null || history.freeRetries === 0) {
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
    this.#listCarriers();
    const carrier = this.#carriers.get(normalizeUrl(url));
    const { lease, request } = attempt;
    if (carrier === undefined || carrier === lease.proxy.id || lease.settled) return;
    const real = this.#parts.rotator.acquireCarrier(carrier, { url: request.url });
    if (real === undefined) return;
    lease.release();
    attempt.lease = real;
  }

  #describe(proxy: Proxy, sessionId: string | undefined, withTier: boolean): CrawleeProxyInfo {
    const { url, username, password, tier } = this.#know(proxy);
    const info: CrawleeProxyInfo = {
      url,
      username,
      password,
      hostname: proxy.host,
      port: proxy.port,
    };
    if (sessionId !== undefined) info.sessionId = sessionId;
    if (withTier) info.proxyTier = tier;
    return info;
  }

  #listCarriers(): void {
    for (const id of this.#unlisted) this.#carriers.set(normalizeUrl(this.#known.get(id)?.url ?? ''), id);
    this.#unlisted.clear();
  }

  #forget(proxyId: string): void {
    const known = this.#known.get(proxyId);
    if (known === undefined) return;
    this.#known.delete(proxyId);
    if (this.#unlisted.delete(proxyId)) return;
    this.#carriers.delete(normalizeUrl(known.url));
  }

  #know(proxy: Proxy): KnownProxy {
    let known = this.#known.get(proxy.id);
    if (known === undefined) {
      known = {
        url: proxyUrl(proxy),
        username: proxy.username ?? '',
        password: proxy.password?.reveal() ?? '',
        tier: ++this.#lastTier,
      };
      this.#known.set(proxy.id, known);
      this.#unlisted.add(proxy.id);
    }
    return known;
  }
}

/**
 * Gives the retry back that Crawlee is about to count, through the request's public counters: the number of retries
 * allowed is the crawler's own and cannot be seen from here. While Crawlee's errorHandler runs, `retryCount` is one
 * lower. False when Crawlee will not retry anyway.
 */
function giveBackRetry(request: CrawleeRequest, error: unknown): boolean {
  const name = (error as Error | undefined)?.constructor?.name ?? '';
  if (request.noRetry === true || FINAL_ERRORS.test(name)) return false;
  request.retryCount -= 1;
  if (name === 'SessionError') request.sessionRotationCount = (request.sessionRotationCount ?? 0) - 1;
  return true;
}

function keyOf(request: CrawleeRequest): string {
  return request.id ?? request.uniqueKey ?? request.url;
}

function normalizeUrl(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url;
}
