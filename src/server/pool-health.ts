import type { PooledProxy } from '../core/pool.js';
import type { ApiContext } from './api-context.js';

/** How the pool does: `unhealthy` when nothing can be sent, `degraded` when it is less than half of what it should be. */
export type PoolState = 'healthy' | 'degraded' | 'unhealthy';

export interface PoolFigures {
  readonly total: number;
  readonly healthy: number;
  readonly unhealthy: number;
  /** 0 to 100; 0 for an empty pool. */
  readonly healthyPercentage: number;
  readonly state: PoolState;
}

/** Whether a proxy is one that requests are sent to. */
export function isHealthy({ health, drained, disabled }: PooledProxy): boolean {
  return !drained && !disabled && (health === 'closed' || health === 'warming' || health === 'half-open');
}

/** Share of healthy proxies below which the pool is degraded, in percent. */
const DEGRADED_BELOW = 50;

export function poolFigures({ rotator, whirl }: Pick<ApiContext, 'rotator' | 'whirl'>): PoolFigures {
  const { size: total } = rotator.pool;
  const healthy = rotator.pool.list(isHealthy).length;
  const healthyPercentage = total === 0 ? 0 : Math.round((healthy / total) * 10_000) / 100;
  const limps =
    healthyPercentage < DEGRADED_BELOW ||
    rotator.inPanic ||
    (whirl.cache?.figures().tiers.some(({ degraded }) => degraded) ?? false);
  const state = healthy === 0 ? 'unhealthy' : limps ? 'degraded' : 'healthy';
  return { total, healthy, unhealthy: total - healthy, healthyPercentage, state };
}
