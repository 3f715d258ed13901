import { type MetricSample, metricFamily } from '../core/metrics-text.js';
import type { ProxyReport } from '../core/report.js';
import type { ApiContext } from './api-context.js';
import { isHealthy } from './pool-health.js';
import { busiest } from './pool-stats.js';

/**
 * The engine in the text format of Prometheus, 0.0.4; with a cache, its figures as well. The proxies with the most
 * requests have lines of their own, labelled with their ids: bounded, and nothing in it is a credential.
 */
export function metricsText({
  rotator,
  traffic,
  whirl,
}: Pick<ApiContext, 'rotator' | 'traffic' | 'whirl'>): string {
  const { active, sessions, proxies, size } = rotator.stats();
  const healthy = rotator.pool.list(isHealthy).length;
  const named = busiest(proxies);
  const each = (value: (proxy: ProxyReport) => number | null): MetricSample[] =>
    named.flatMap((proxy) => {
      const figure = value(proxy);
      return figure === null ? [] : [[{ proxy: proxy.proxyId }, figure] as const];
    });
  return [
    metricFamily('proxywhirl_proxies', 'gauge', 'Proxies in the pool.', [
      [{ state: 'healthy' }, healthy],
      [{ state: 'unhealthy' }, size - healthy],
    ]),
    metricFamily(
      'proxywhirl_requests_total',
      'counter',
      'Attempts that ended, by the verdict that was charged.',
      [...traffic.verdicts].map(([verdict, count]) => [{ verdict }, count]),
    ),
    metricFamily('proxywhirl_requests_active', 'gauge', 'Attempts under way.', [[{}, active]]),
    metricFamily('proxywhirl_sessions', 'gauge', 'Sessions that are bound to a proxy.', [[{}, sessions]]),
    metricFamily('proxywhirl_panic', 'gauge', 'Whether most of the pool fails at once.', [
      [{}, Number(rotator.inPanic)],
    ]),
    metricFamily('proxywhirl_uptime_seconds', 'gauge', 'Since the API was made.', [
      [{}, traffic.uptimeSeconds],
    ]),
    metricFamily(
      'proxywhirl_proxy_succeeded_total',
      'counter',
      'Attempts of a proxy that succeeded.',
      each(({ succeeded }) => succeeded),
    ),
    metricFamily(
      'proxywhirl_proxy_failed_total',
      'counter',
      'Attempts of a proxy that failed by its fault.',
      each(({ failed }) => failed),
    ),
    metricFamily(
      'proxywhirl_proxy_active',
      'gauge',
      'Attempts of a proxy under way.',
      each((proxy) => proxy.active),
    ),
    metricFamily(
      'proxywhirl_proxy_latency_milliseconds',
      'gauge',
      'Average latency of the successes of a proxy.',
      each(({ emaLatencyMs }) => emaLatencyMs),
    ),
    whirl.cache?.metrics() ?? '',
  ].join('');
}
