import type { BudgetReport } from './budgets.js';
import type { BreakerState } from './health.js';
import type { Member } from './pool.js';
import type { StatsFigures } from './stats.js';

/** Figures of one proxy, without its credentials. */
export interface ProxyReport extends StatsFigures {
  readonly proxyId: string;
  readonly url: string;
  /** State of the breaker. */
  readonly health: BreakerState['state'];
}

/** Figures of the engine: sums, and a line per proxy. */
export interface RotatorReport {
  readonly strategy: string;
  readonly size: number;
  readonly sessions: number;
  readonly started: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly active: number;
  /** Of the proxies that are in the pool. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** In the order of the option. */
  readonly budgets: readonly BudgetReport[];
  readonly proxies: readonly ProxyReport[];
}

export function report(
  strategy: string,
  members: readonly Member[],
  sessions: number,
  budgets: readonly BudgetReport[],
  now: number,
): RotatorReport {
  const proxies = members.map((member) => ({
    proxyId: member.id,
    url: member.proxy.url,
    health: member.health,
    ...member.stats.figures(now),
  }));
  const sum = (figure: 'started' | 'succeeded' | 'failed' | 'active' | 'bytesUp' | 'bytesDown'): number =>
    proxies.reduce((total, proxy) => total + proxy[figure], 0);
  return {
    strategy,
    size: proxies.length,
    sessions,
    started: sum('started'),
    succeeded: sum('succeeded'),
    failed: sum('failed'),
    active: sum('active'),
    bytesUp: sum('bytesUp'),
    bytesDown: sum('bytesDown'),
    budgets,
    proxies,
  };
}
