import type { Clock } from '../core/clock.js';
import type { Lease } from '../core/lease.js';
import type { AcquireContext } from '../core/selection-rules.js';
import type { ProxyDispatchers } from './dispatcher.js';
import type { Failover } from './failover.js';
import type { Hedging } from './hedge.js';
import type { Judge } from './judge.js';
import type { LatencyRecord } from './latency-record.js';

/** What a fetch asks of the engine. */
export interface LeaseSource {
  acquire(context: AcquireContext): Lease | Promise<Lease>;
  /** A lease on the proxy that led to a redirect, so that the next step comes from the same address. */
  acquireCarrier?(proxyId: string, context: AcquireContext): Lease | undefined;
  /** Whether most of the pool fails at once. */
  readonly inPanic?: boolean;
}

/** What all calls of one fetch share. */
export interface FetchEngine {
  readonly rotator: LeaseSource;
  readonly dispatchers: Pick<ProxyDispatchers, 'dispatcherFor' | 'drop'>;
  readonly clock: Clock;
  readonly failover: Failover;
  readonly judge: Judge;
  readonly hedging: Hedging;
  readonly latencies: LatencyRecord;
  readonly adaptiveTimeout: boolean;
  /** Requests under way by proxy; a proxy without any has no entry. */
  readonly inFlight: Map<string, number>;
}
