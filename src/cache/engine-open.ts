import type { Clock, Timers } from '../core/clock.js';
import type { Rotator } from '../core/rotator.js';
import type { CacheEvents } from './cache-events.js';
import type { KeyRing, RandomBytes } from './crypto.js';
import { KEY_VARIABLE, loadKeyRing } from './key-source.js';
import { openTiers, type TierSettings, type TierSurroundings } from './open-tiers.js';
import type { CacheTier, WallTime } from './tier.js';
import { TieredCache } from './tiered-cache.js';
import type { WarmBatch, WarmSignal } from './warm.js';

export interface EngineCacheSettings extends TierSettings {
  readonly ttlSeconds: number;
  readonly sweepSeconds: number;
  /** Null: a proxy that keeps failing is not evicted. */
  readonly healthThreshold: number | null;
  readonly keyFile: string | null;
}

export interface EngineCacheParts {
  readonly rotator: Rotator;
  readonly settings: EngineCacheSettings;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly randomBytes: RandomBytes;
  readonly now: WallTime;
  readonly clock: Clock;
  readonly timers: Timers;
  /** @default openTiers */
  readonly open?: (settings: TierSettings, around: TierSurroundings) => CacheTier[];
  /** Reads a list of proxies, a batch at a time. */
  readonly readList: ReadList;
  /** By the name of the source, 60 or more; those of all others live as `settings` say. @default {} */
  readonly sourceTtlSeconds?: Readonly<Record<string, number>> | undefined;
}

export type ReadList = (path: string, signal: WarmSignal | undefined) => AsyncIterable<WarmBatch>;

export interface OpenedCache {
  /** Null where there is no key, or none that can be read. */
  readonly ring: KeyRing | null;
  readonly cache: TieredCache;
}

type Tell = <N extends keyof CacheEvents>(event: N, payload: CacheEvents[N]) => void;

/** The keys and the tiers of an engine; what is wrong with the keys is told, and the cache opened without them. */
export async function openEngineCache(parts: EngineCacheParts, tell: Tell): Promise<OpenedCache> {
  const { settings, rotator, now, clock, timers, open = openTiers, sourceTtlSeconds = {} } = parts;
  const { ttlSeconds, sweepSeconds, healthThreshold } = settings;
  const ring = await openKeys(parts, tell);
  const report = (error: Error): void => tell('warning', { message: error.message, error });
  const cache = new TieredCache(
    open(settings, { now, ring, report }),
    {
      now,
      clock,
      timers,
      isOutage: () => rotator.inPanic,
      onEvent: ({ type, ...payload }) => tell(type, payload as never),
    },
    {
      ttlSeconds,
      sourceTtlSeconds,
      sweepIntervalSeconds: sweepSeconds,
      healthInvalidation: healthThreshold !== null,
      ...(healthThreshold !== null && { failureThreshold: healthThreshold }),
    },
  );
  return { ring, cache };
}

async function openKeys(
  { settings, env, randomBytes }: EngineCacheParts,
  tell: Tell,
): Promise<KeyRing | null> {
  const onManySeals = (keyId: string): void =>
    tell('warning', { message: `The key ${keyId} has sealed 2^31 texts: put a new one before it.` });
  try {
    const keyFile = settings.keyFile ?? undefined;
    const ring = await loadKeyRing({ env, keyFile, randomBytes, onManySeals });
    if (ring === null)
      tell('warning', {
        message: `No key in ${KEY_VARIABLE} or a key file: credentials and session ids are not persisted.`,
      });
    return ring;
  } catch (error) {
    tell('degraded', { tier: 'keys', error: error as Error });
    return null;
  }
}
