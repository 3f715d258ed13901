import { z } from '@hono/zod-openapi';
import type { ApiContext } from '../api-context.js';
import { type ApiRoutes, addRoute, Reply, TextReply } from '../api-route.js';
import { metricsText } from '../metrics-text.js';
import { poolFigures } from '../pool-health.js';
import { poolStats, statsSchema } from '../pool-stats.js';
import { apiVersion } from '../version.js';

const poolState = z.enum(['healthy', 'degraded', 'unhealthy']);
const count = z.int().min(0);
const instant = z.iso.datetime();

const healthSchema = z
  .strictObject({
    status: poolState.describe(
      '`unhealthy`: no proxy can be used; `degraded`: less than half of them, or the cache limps.',
    ),
    uptimeSeconds: z.number().min(0),
    version: z.string(),
    timestamp: instant,
  })
  .openapi('Health');

const readySchema = z
  .strictObject({
    ready: z.boolean(),
    checks: z.strictObject({
      proxy_pool: z.enum(['ok', 'failed', 'draining']),
      cache: z.enum(['ok', 'degraded', 'off']).describe('A cache that is degraded takes no requests away.'),
    }),
  })
  .openapi('Readiness');

const statusSchema = z
  .strictObject({
    pool: z.strictObject({
      total: count,
      healthy: count,
      unhealthy: count,
      healthyPercentage: z.number().min(0).max(100),
      lastRotation: instant
        .nullable()
        .describe('When a request last ended through another proxy than the one before.'),
    }),
    strategy: z.string(),
    cache: z
      .strictObject({
        tiers: z.array(
          z.strictObject({
            name: z.string(),
            degraded: z.boolean(),
            entries: count,
            pendingWrites: count,
          }),
        ),
      })
      .nullable(),
    configuration: z.strictObject({ source: z.enum(['options', 'api']) }),
  })
  .openapi('Status');

/** health, readiness, status, metrics and statistics. */
export function addMonitoringRoutes(api: ApiRoutes, context: ApiContext): void {
  const { rotator, whirl, traffic, options, draining } = context;
  const timestamp = (): string => new Date(options.now()).toISOString();

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/health',
      operationId: 'getHealth',
      tag: 'Monitoring',
      summary: 'Whether the pool can serve',
      description: 'For load balancers and containers: no key is needed, and nothing is told of the pool.',
      scope: null,
      data: healthSchema,
      alsoWith: { 503: 'The pool is unhealthy.' },
      example: {
        data: {
          status: 'healthy',
          uptimeSeconds: 12.5,
          version: apiVersion,
          timestamp: '2026-01-02T03:04:05.678Z',
        },
      },
    },
    () => {
      const { state } = poolFigures(context);
      const data = {
        status: state,
        uptimeSeconds: traffic.uptimeSeconds,
        version: apiVersion,
        timestamp: timestamp(),
      };
      return new Reply(state === 'unhealthy' ? 503 : 200, data);
    },
  );

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/ready',
      operationId: 'getReady',
      tag: 'Monitoring',
      summary: 'Whether new requests may come',
      description: 'Says no as soon as the server begins to shut down. No key is needed.',
      scope: null,
      data: readySchema,
      alsoWith: { 503: 'Not ready.' },
      example: { data: { ready: true, checks: { proxy_pool: 'ok', cache: 'off' } } },
    },
    () => {
      const { healthy } = poolFigures(context);
      const ready = healthy > 0 && !draining.aborted;
      const degraded = whirl.cache?.figures().tiers.some((tier) => tier.degraded);
      return new Reply(ready ? 200 : 503, {
        ready,
        checks: {
          proxy_pool: draining.aborted
            ? ('draining' as const)
            : healthy > 0
              ? ('ok' as const)
              : ('failed' as const),
          cache:
            degraded === undefined ? ('off' as const) : degraded ? ('degraded' as const) : ('ok' as const),
        },
      });
    },
  );

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/status',
      operationId: 'getStatus',
      tag: 'Monitoring',
      summary: 'The pool, the strategy, the cache and where the configuration comes from',
      scope: 'read',
      data: statusSchema,
      example: {
        data: {
          pool: { total: 1, healthy: 1, unhealthy: 0, healthyPercentage: 100, lastRotation: null },
          strategy: 'round-robin',
          cache: null,
          configuration: { source: 'options' },
        },
      },
    },
    () => {
      const { state: _, ...figures } = poolFigures(context);
      const { lastRotation } = traffic;
      return {
        pool: {
          ...figures,
          lastRotation: lastRotation === null ? null : new Date(lastRotation).toISOString(),
        },
        strategy: rotator.strategy.name,
        cache:
          whirl.cache === null
            ? null
            : {
                tiers: whirl.cache.figures().tiers.map(({ name, degraded, size, pending }) => ({
                  name,
                  degraded,
                  entries: size,
                  pendingWrites: pending,
                })),
              },
        configuration: { source: context.config.source },
      };
    },
  );

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/stats',
      operationId: 'getStats',
      tag: 'Monitoring',
      summary: 'Figures of the traffic, and of the proxies that carried most of it',
      scope: 'read',
      data: statsSchema,
      example: {
        data: {
          requests: {
            total: 0,
            successful: 0,
            failed: 0,
            active: 0,
            perSecond: 0,
            errorRate: 0,
            meanLatencyMs: null,
          },
          sessions: 0,
          proxies: [],
          proxiesOmitted: 0,
        },
      },
    },
    () => poolStats(context),
  );

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/metrics',
      operationId: 'getMetrics',
      tag: 'Monitoring',
      summary: 'Metrics in the text format of Prometheus; as JSON with `Accept: application/json`',
      description: 'The 100 proxies with the most requests have lines of their own, by their ids.',
      scope: 'read',
      data: statsSchema,
      content: {
        'text/plain': { schema: z.string(), example: '# HELP proxywhirl_proxies Proxies in the pool.\n' },
      },
      example: {},
    },
    (_, { header }) => {
      if (/application\/json/i.test(header('accept') ?? '')) return poolStats(context);
      return new TextReply('text/plain; version=0.0.4; charset=utf-8', metricsText(context));
    },
  );
}
