import { type Proxy, withMetadata } from '../core/proxy.js';
import type { RejectedLine } from '../errors.js';

/** Some proxies of a list, as `importProxies` gives them. */
export interface WarmBatch {
  readonly proxies: readonly Proxy[];
  readonly rejected: readonly RejectedLine[];
}

/** What is warmed: a TieredCache. */
export interface WarmTarget {
  put(proxies: readonly Proxy[]): Promise<unknown>;
  setTtl(seconds: number, source: string): void;
  /** False when a tier could not take all of it. */
  flush(): Promise<boolean>;
}

/** An AbortSignal: these types need none of Node's. */
export interface WarmSignal {
  throwIfAborted(): void;
}

export interface WarmOptions {
  /** Kept with each entry, and what `ttlSeconds` is for. @default 'import' */
  readonly source?: string | undefined;
  /** Time to live of these entries in seconds, 60 or more. @default that of the cache */
  readonly ttlSeconds?: number | undefined;
  /** Told after each batch. */
  readonly onProgress?:
    | ((progress: { readonly stored: number; readonly rejected: number }) => void)
    | undefined;
  /** Ends it with the reason of the signal; what was stored stays. */
  readonly signal?: WarmSignal | undefined;
}

export interface WarmReport {
  /** Entries that were stored; a proxy that came again in a later batch counts again. */
  readonly stored: number;
  /** False when a tier could not take all of them yet; the event `degraded` says why. */
  readonly kept: boolean;
  readonly rejectedCount: number;
  /** The first hundred, with their line numbers. */
  readonly rejected: readonly RejectedLine[];
}

const KEPT_REJECTED = 100;

/**
 * Fills a cache from a list, a batch at a time: what is known of a proxy that is there already is kept. Bad lines are
 * skipped, counted and named.
 * @throws CacheValidationError for a time to live that breaks its rule, before anything is read
 */
export async function warmCache(
  cache: WarmTarget,
  batches: AsyncIterable<WarmBatch>,
  options: WarmOptions = {},
): Promise<WarmReport> {
  const { source = 'import', ttlSeconds, onProgress, signal } = options;
  if (ttlSeconds !== undefined) cache.setTtl(ttlSeconds, source);
  const rejected: RejectedLine[] = [];
  let rejectedCount = 0;
  let stored = 0;
  for await (const batch of batches) {
    signal?.throwIfAborted();
    if (batch.proxies.length > 0)
      await cache.put(batch.proxies.map((proxy) => withMetadata(proxy, { source })));
    stored += batch.proxies.length;
    rejectedCount += batch.rejected.length;
    rejected.push(...batch.rejected.slice(0, KEPT_REJECTED - rejected.length));
    onProgress?.({ stored, rejected: rejectedCount });
  }
  return { stored, kept: await cache.flush(), rejectedCount, rejected };
}
