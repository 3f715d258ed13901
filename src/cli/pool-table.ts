import type { PooledProxy } from '../core/pool.js';
import { printable } from './safe-text.js';
import { rounded } from './table.js';

/** One proxy of the pool, as `--json` shows it. No credential is part of it. */
export interface PoolRow {
  readonly proxyId: string;
  readonly url: string;
  readonly health: string;
  readonly country: string | null;
  readonly tags: readonly string[];
  readonly source: string | null;
  readonly succeeded: number;
  readonly failed: number;
  /** 0..1; null before the first request. */
  readonly successRate: number | null;
  readonly emaLatencyMs: number | null;
}

export function poolRow({ id, proxy, health, drained, stats }: PooledProxy): PoolRow {
  const { succeeded, failed, emaLatencyMs } = stats;
  return {
    proxyId: id,
    url: proxy.url,
    health: drained ? 'drained' : health,
    country: proxy.geo?.countryCode ?? null,
    tags: proxy.tags,
    source: proxy.source ?? null,
    succeeded,
    failed,
    successRate: succeeded + failed === 0 ? null : succeeded / (succeeded + failed),
    emaLatencyMs,
  };
}

export const poolTableHead: readonly string[] = [
  'id',
  'proxy',
  'health',
  'country',
  'tags',
  'source',
  'ok',
  'failed',
  'success',
  'EMA ms',
];

export function poolCells(row: PoolRow): string[] {
  return [
    row.proxyId,
    row.url,
    row.health,
    row.country ?? '-',
    printable(row.tags.join(',')),
    row.source ?? '-',
    String(row.succeeded),
    String(row.failed),
    row.successRate === null ? '-' : `${rounded(row.successRate * 100)} %`,
    rounded(row.emaLatencyMs),
  ];
}
