import type { Clock, Random } from '../core/clock.js';
import { Deadline } from './deadline.js';
import type { ProxyDispatchers } from './dispatcher.js';
import { Failover } from './failover.js';
import { FetchCall, type FetchEngine, type LeaseSource } from './fetch-call.js';
import { defaultFetchLimits, type FetchLimits, type ProxiedInit, readOrder } from './fetch-init.js';
import { LatencyRecord } from './latency-record.js';
import type { ProxiedResponse } from './proxied-response.js';

export interface FetchSettings extends FetchLimits {
  /** Gives up on a proxy that takes much longer than it usually does. @default true */
  readonly adaptiveTimeout: boolean;
}

/** What a fetch is made of; it owns none of it. */
export interface FetchParts {
  readonly rotator: LeaseSource;
  readonly dispatchers: ProxyDispatchers;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings?: Partial<FetchSettings> | undefined;
}

/**
 * One request through the pool. Resolves with the head of the answer, whatever its status; the body streams.
 * @throws FetchError, and what `acquire` throws when there is no proxy to begin with
 */
export type ProxiedFetch = (url: string | URL, init?: ProxiedInit) => Promise<ProxiedResponse>;

/**
 * A fetch that tries several proxies and goes through one in any case: without a proxy there is an error, never a
 * direct connection. It does not hedge.
 */
export function createFetch(parts: FetchParts): ProxiedFetch {
  const { clock, random, settings = {} } = parts;
  const limits: FetchLimits = { ...defaultFetchLimits, ...settings };
  const engine: FetchEngine = {
    rotator: parts.rotator,
    dispatchers: parts.dispatchers,
    clock,
    failover: new Failover(clock, random),
    latencies: settings.adaptiveTimeout === false ? null : new LatencyRecord(),
    inFlight: new Map(),
  };
  return async (url, init = {}) => {
    const startedAt = clock.now();
    const order = await readOrder(url, init, limits);
    const deadline = new Deadline(clock, order.deadlineMs, init.signal);
    const call = new FetchCall(engine, order, deadline, startedAt);
    try {
      return await call.run();
    } catch (error) {
      deadline.end();
      throw error;
    }
  };
}
