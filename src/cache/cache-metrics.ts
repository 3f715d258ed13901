import { type MetricSample, metricFamily } from '../core/metrics-text.js';
import type { TierFigures } from './tier.js';

/** Counters of a tiered cache since it was made. */
export interface CacheFigures {
  readonly hits: number;
  readonly misses: number;
  /** Entries that a read brought into a faster tier. */
  readonly promotions: number;
  /** Entries that a faster tier let go for want of room; the slower ones still have them. */
  readonly demotions: number;
  readonly tiers: readonly TierState[];
}

export interface TierState extends TierFigures {
  readonly name: string;
  /** True while the tier is passed over. */
  readonly degraded: boolean;
  /** Writes that wait. */
  readonly pending: number;
  /** Writes that were given up because too many waited. */
  readonly dropped: number;
}

/** Share of reads that found something, 0 to 1; null before the first read. */
export function hitRate({ hits, misses }: Pick<CacheFigures, 'hits' | 'misses'>): number | null {
  return hits + misses === 0 ? null : hits / (hits + misses);
}

/** The figures in the text format of Prometheus, 0.0.4. */
export function cacheMetricsText(figures: CacheFigures): string {
  const { tiers } = figures;
  const perTier = (value: (tier: TierState) => number): MetricSample[] =>
    tiers.map((tier) => [{ tier: tier.name }, value(tier)]);
  return [
    family('hits_total', 'counter', 'Reads that found an entry.', [[{}, figures.hits]]),
    family('misses_total', 'counter', 'Reads that found none.', [[{}, figures.misses]]),
    family('promotions_total', 'counter', 'Entries brought into a faster tier.', [[{}, figures.promotions]]),
    family('demotions_total', 'counter', 'Entries left to the slower tiers.', [[{}, figures.demotions]]),
    family(
      'tier_hits_total',
      'counter',
      'Reads that a tier answered.',
      perTier(({ hits }) => hits),
    ),
    family(
      'tier_misses_total',
      'counter',
      'Reads that a tier could not answer.',
      perTier(({ misses }) => misses),
    ),
    family(
      'tier_entries',
      'gauge',
      'Entries in a tier.',
      perTier(({ size }) => size),
    ),
    family(
      'tier_degraded',
      'gauge',
      'Whether a tier is passed over.',
      perTier(({ degraded }) => Number(degraded)),
    ),
    family(
      'tier_pending_writes',
      'gauge',
      'Writes that wait for a tier.',
      perTier(({ pending }) => pending),
    ),
    family(
      'tier_dropped_writes_total',
      'counter',
      'Writes given up.',
      perTier(({ dropped }) => dropped),
    ),
    family(
      'tier_locked_total',
      'counter',
      'Records met whose key is missing.',
      perTier(({ locked }) => locked),
    ),
    family(
      'tier_evictions_total',
      'counter',
      'Entries that left a tier, by cause.',
      tiers.flatMap(({ name, evictions }) =>
        Object.entries(evictions).map(([cause, count]): MetricSample => [{ tier: name, cause }, count]),
      ),
    ),
  ].join('');
}

function family(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: readonly MetricSample[],
): string {
  return metricFamily(`proxywhirl_cache_${name}`, type, help, samples);
}
