import { z } from '@hono/zod-openapi';
import type { ProxyGeo } from '../core/geo.js';
import type { PooledProxy } from '../core/pool.js';
import { isHealthy } from './pool-health.js';
import type { ProxyTimes } from './proxy-times.js';

const count = z.int().min(0);

export const protocolSchema: z.ZodEnum<{
  http: 'http';
  https: 'https';
  socks4: 'socks4';
  socks4a: 'socks4a';
  socks5: 'socks5';
  socks5h: 'socks5h';
}> = z.enum(['http', 'https', 'socks4', 'socks4a', 'socks5', 'socks5h']);

export const proxyStatusSchema: z.ZodEnum<{
  healthy: 'healthy';
  unhealthy: 'unhealthy';
  drained: 'drained';
  disabled: 'disabled';
}> = z.enum(['healthy', 'unhealthy', 'drained', 'disabled']);

export const geoSchema: z.ZodType<ProxyGeo> = z
  .strictObject({
    countryCode: z.string().length(2).optional().describe('ISO 3166-1 alpha-2.'),
    countryName: z.string().max(128).optional(),
    region: z.string().max(128).optional(),
    city: z.string().max(128).optional(),
    latitude: z.number().min(-90).max(90).optional(),
    longitude: z.number().min(-180).max(180).optional(),
    timezone: z.string().max(64).optional(),
    asn: z.int().min(1).max(4_294_967_295).optional(),
  })
  .openapi('ProxyGeo') as z.ZodType<ProxyGeo>;

/** A proxy of the pool, as clients see it. */
export interface ProxyResource {
  id: string;
  url: string;
  protocol: z.output<typeof protocolSchema>;
  status: z.output<typeof proxyStatusSchema>;
  health: string;
  stats: {
    total: number;
    successful: number;
    failed: number;
    active: number;
    emaLatencyMs: number | null;
    windowCount: number;
  };
  geo: ProxyGeo | null;
  tags: string[];
  weight: number | null;
  source: string | null;
  createdAt: string;
  updatedAt: string;
}

export const proxySchema: z.ZodType<ProxyResource> = z
  .strictObject({
    id: z.string(),
    url: z.string().describe('Without credentials.'),
    protocol: protocolSchema,
    status: proxyStatusSchema.describe(
      '`disabled` and `drained` get nothing new; `unhealthy` gets nothing while its breaker is open.',
    ),
    health: z
      .enum(['closed', 'open', 'half-open', 'warming', 'auth-failed', 'tls-intercept'])
      .describe('State of the breaker.'),
    stats: z.strictObject({
      total: count,
      successful: count,
      failed: count,
      active: count,
      emaLatencyMs: z.number().nullable().describe('Null before the first success.'),
      windowCount: count.describe('Requests started within the sliding window.'),
    }),
    geo: geoSchema.nullable(),
    tags: z.array(z.string()),
    weight: z.number().nullable().describe('Set by an operator, for the strategy `weighted`; null = none.'),
    source: z.string().nullable().describe('Where it came from; `api` = added here, null = the options.'),
    createdAt: z.iso.datetime().describe('When it joined this pool, or this server began to look at it.'),
    updatedAt: z.iso.datetime().describe('Its last success, fault, or change by an operator.'),
  })
  .openapi('Proxy') as z.ZodType<ProxyResource>;

export const exampleProxy: ProxyResource = {
  id: 'px_0123456789abcdef',
  url: 'http://198.51.100.7:8000',
  protocol: 'http',
  status: 'healthy',
  health: 'closed',
  stats: { total: 3, successful: 3, failed: 0, active: 0, emaLatencyMs: 182.5, windowCount: 3 },
  geo: { countryCode: 'DE' },
  tags: ['residential'],
  weight: null,
  source: 'api',
  createdAt: '2026-01-02T03:04:05.678Z',
  updatedAt: '2026-01-02T03:05:00.000Z',
};

export function statusOf(member: PooledProxy): ProxyResource['status'] {
  if (member.disabled) return 'disabled';
  if (member.drained) return 'drained';
  return isHealthy(member) ? 'healthy' : 'unhealthy';
}

/** @param now monotonic ms */
export function proxyResource(member: PooledProxy, times: ProxyTimes, now: number): ProxyResource {
  const { id, proxy, stats, health, weight } = member;
  const { started, succeeded, failed, active, emaLatencyMs } = stats;
  return {
    id,
    url: proxy.url,
    protocol: proxy.protocol,
    status: statusOf(member),
    health,
    stats: {
      total: started,
      successful: succeeded,
      failed,
      active,
      emaLatencyMs,
      windowCount: stats.windowCount(now),
    },
    geo: proxy.geo === undefined ? null : { ...proxy.geo },
    tags: [...proxy.tags],
    weight: weight ?? null,
    source: proxy.source ?? null,
    ...times.of(member),
  };
}
