import { createRequire } from 'node:module';
import type { Clock } from '../core/clock.js';
import type { Lease } from '../core/lease.js';
import type { Outcome } from '../core/outcome.js';
import { failureOutcome, proxyPage } from '../transport/attempt-outcome.js';
import { MAX_BLOCK_BODY } from '../transport/block-page.js';
import { classify, isProxyPage } from '../transport/classify.js';
import type { Judge } from '../transport/judge.js';
import { judgeAnswer } from './client-outcome.js';
import { readResponse } from './crawlee-answer.js';
import type { Attempt } from './crawlee-attempt.js';

/** Marks the one request of an attempt that Crawlee's own navigation makes; a hook puts it into the options of got. */
export const OF_ATTEMPT: unique symbol = Symbol('attempt');

/** What is read of a request that Crawlee hands to its HTTP client. */
interface ClientRequest {
  readonly url: string | URL;
  readonly proxyUrl?: string | undefined;
  /** Crawlee's session. */
  readonly sessionToken?: object | undefined;
  readonly [OF_ATTEMPT]?: Attempt;
}

/** Crawlee's interface of HTTP clients (3.12 and later), as far as it matters here. */
export interface CrawleeHttpClient {
  sendRequest(request: ClientRequest): Promise<object>;
  stream(request: ClientRequest, onRedirect?: unknown): Promise<object>;
}

/** What the engine does for a client. */
export interface HttpClientTargets {
  readonly judge: Judge;
  readonly clock: Clock;
  /** A lease of the proxy with this URL; undefined where it is none of ours. */
  leaseOf(proxyUrl: string, url: string): Lease | undefined;
  /** Chooses a proxy; null = go direct, where that was asked for. */
  choose(sessionId: string | undefined, url: string): Promise<ChosenProxy | null>;
  /** Why our own tunnel failed, where there was one. */
  faultOf(lease: Lease, url: string): unknown;
}

/** A proxy for a request that has none. */
export interface ChosenProxy {
  readonly lease: Lease;
  readonly proxyUrl: string;
}

/**
 * An HTTP client of Crawlee's, seen from inside: the error as it was thrown, with its code, before Crawlee makes a text of
 * it; and a proxy for each request that Crawlee sends without one, as AdaptivePlaywrightCrawler does over HTTP.
 */
class WatchedHttpClient implements CrawleeHttpClient {
  readonly #load: () => Promise<CrawleeHttpClient>;
  #loaded: Promise<CrawleeHttpClient> | null = null;
  readonly #targets: HttpClientTargets;

  /** @param load called once, at the first request */
  constructor(load: () => Promise<CrawleeHttpClient>, targets: HttpClientTargets) {
    this.#load = load;
    this.#targets = targets;
  }

  async sendRequest(request: ClientRequest): Promise<object> {
    const client = await this.#client();
    return this.#exchange(request, (ready) => client.sendRequest(ready));
  }

  async stream(request: ClientRequest, onRedirect?: unknown): Promise<object> {
    const client = await this.#client();
    const send = (ready: ClientRequest): Promise<object> => client.stream(ready, onRedirect);
    const { [OF_ATTEMPT]: attempt, ...rest } = request;
    if (attempt === undefined || rest.proxyUrl === undefined) return this.#exchange(rest, send);
    try {
      const response = await send(rest);
      attempt.answered(readResponse(response));
      return response;
    } catch (error) {
      attempt.sendFailed(error);
      throw error;
    }
  }

  #client(): Promise<CrawleeHttpClient> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  /** A request beside the navigations: it is an attempt of its own, with a lease. */
  async #exchange(
    request: ClientRequest,
    send: (request: ClientRequest) => Promise<object>,
  ): Promise<object> {
    const url = String(request.url);
    const chosen = await this.#chosen(request, url);
    if (chosen === null) return send(request);
    const { lease, proxyUrl } = chosen;
    const { clock } = this.#targets;
    const startedAt = clock.now();
    try {
      const response = await send({ ...request, proxyUrl });
      lease.settle(this.#answered(lease, url, response, clock.now() - startedAt));
      return response;
    } catch (error) {
      lease.settle(this.#failed(lease, url, error));
      throw error;
    }
  }

  async #chosen({ proxyUrl, sessionToken }: ClientRequest, url: string): Promise<ChosenProxy | null> {
    if (proxyUrl !== undefined) {
      const lease = this.#targets.leaseOf(proxyUrl, url);
      return lease === undefined ? null : { lease, proxyUrl };
    }
    const { id } = (sessionToken ?? {}) as { id?: unknown };
    return this.#targets.choose(typeof id === 'string' ? id : undefined, url);
  }

  #answered(lease: Lease, url: string, response: object, tookMs: number): Outcome {
    const { status = 0, headers = {}, finalUrl, latencyMs = tookMs } = readResponse(response);
    const { body } = response as { body?: unknown };
    const plainHttp = url.startsWith('http:');
    if (isProxyPage(status, plainHttp)) {
      const { error, outcome } = proxyPage(lease.proxy, status);
      lease.settle(outcome);
      throw error;
    }
    const text = typeof body === 'string' ? body.slice(0, MAX_BLOCK_BODY) : undefined;
    const seen = { status, headers, finalUrl, url, plainHttp, body: text };
    return judgeAnswer(this.#targets.judge, lease, seen, latencyMs);
  }

  #failed(lease: Lease, url: string, thrown: unknown): Outcome {
    const error = this.#targets.faultOf(lease, url) ?? thrown;
    const verdict = classify({ phase: 'navigation', plainHttp: url.startsWith('http:'), error });
    return failureOutcome(error, lease.proxy, verdict);
  }
}

/**
 * A crawler's client, watched: the user's own, or the one that Crawlee would make. Undefined for what is no client, and
 * where Crawlee's core is out of our reach, as with a package manager that shows us nothing but our own dependencies.
 */
export function watchedClient(own: unknown, targets: HttpClientTargets): CrawleeHttpClient | undefined {
  if (own === undefined) return hasCrawlee() ? new WatchedHttpClient(defaultClient, targets) : undefined;
  return isClient(own) ? new WatchedHttpClient(async () => own, targets) : undefined;
}

function hasCrawlee(): boolean {
  try {
    return createRequire(import.meta.url).resolve('@crawlee/core') !== '';
  } catch {
    return false;
  }
}

/** Of the user's copy of Crawlee, which is loaded by now. */
async function defaultClient(): Promise<CrawleeHttpClient> {
  const { GotScrapingHttpClient } = await import('@crawlee/core');
  return new GotScrapingHttpClient() as unknown as CrawleeHttpClient;
}

function isClient(value: unknown): value is CrawleeHttpClient {
  const { sendRequest, stream } = (value ?? {}) as Partial<CrawleeHttpClient>;
  return typeof sendRequest === 'function' && typeof stream === 'function';
}
