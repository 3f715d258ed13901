import { z } from '@hono/zod-openapi';
import type { ProxyReport } from '../core/report.js';
import type { ApiContext } from './api-context.js';

const count = z.int().min(0);

/** Proxies that are named in /metrics and /stats: of more, monitoring systems drown. */
const MAX_NAMED = 100;

export interface PoolStats {
  readonly requests: {
    readonly total: number;
    readonly successful: number;
    readonly failed: number;
    readonly active: number;
    readonly perSecond: number;
    readonly errorRate: number;
    readonly meanLatencyMs: number | null;
  };
  readonly sessions: number;
  readonly proxies: readonly {
    readonly proxyId: string;
    readonly health: string;
    readonly total: number;
    readonly successful: number;
    readonly failed: number;
    readonly active: number;
    readonly emaLatencyMs: number | null;
    readonly windowCount: number;
  }[];
  readonly proxiesOmitted: number;
}

const proxyStatsSchema = z
  .strictObject({
    proxyId: z.string(),
    health: z.string().describe('State of the breaker.'),
    total: count,
    successful: count,
    failed: count,
    active: count,
    emaLatencyMs: z.number().nullable().describe('Null until the first success.'),
    windowCount: count.describe('Requests started within the sliding window.'),
  })
  .openapi('ProxyStats');

export const statsSchema: z.ZodType<PoolStats> = z
  .strictObject({
    requests: z.strictObject({
      total: count,
      successful: count,
      failed: count,
      active: count,
      perSecond: z.number().min(0).describe('Over the last minute.'),
      errorRate: z
        .number()
        .min(0)
        .max(1)
        .describe('Failed of those that succeeded or failed; 0 before the first.'),
      meanLatencyMs: z
        .number()
        .nullable()
        .describe('Of the averages of the proxies, weighted by their successes; null before the first.'),
    }),
    sessions: count,
    proxies: z.array(proxyStatsSchema).max(MAX_NAMED).describe('Those with the most requests.'),
    proxiesOmitted: count.describe('Those that are not named.'),
  })
  .openapi('Stats');

export function poolStats({ rotator, traffic }: Pick<ApiContext, 'rotator' | 'traffic'>): PoolStats {
  const { started, succeeded, failed, active, sessions, proxies, size } = rotator.stats();
  const named = busiest(proxies);
  const judged = succeeded + failed;
  return {
    requests: {
      total: started,
      successful: succeeded,
      failed,
      active,
      perSecond: traffic.perSecond,
      errorRate: judged === 0 ? 0 : failed / judged,
      meanLatencyMs: meanLatency(proxies),
    },
    sessions,
    proxies: named.map((proxy) => ({
      proxyId: proxy.proxyId,
      health: proxy.health,
      total: proxy.started,
      successful: proxy.succeeded,
      failed: proxy.failed,
      active: proxy.active,
      emaLatencyMs: proxy.emaLatencyMs,
      windowCount: proxy.windowCount,
    })),
    proxiesOmitted: size - named.length,
  };
}

/** The proxies that get a line of their own, those with the most requests first. */
export function busiest(proxies: readonly ProxyReport[]): ProxyReport[] {
  return [...proxies].sort((a, b) => b.started - a.started).slice(0, MAX_NAMED);
}

function meanLatency(proxies: readonly ProxyReport[]): number | null {
  let [sum, weight] = [0, 0];
  for (const { emaLatencyMs, succeeded } of proxies) {
    if (emaLatencyMs === null) continue;
    sum += emaLatencyMs * succeeded;
    weight += succeeded;
  }
  return weight === 0 ? null : sum / weight;
}
