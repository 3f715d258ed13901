import type { Clock, Random, Timers } from '../core/clock.js';
import { Deadline } from './deadline.js';
import type { ProxyDispatchers } from './dispatcher.js';
import { Failover } from './failover.js';
import { FetchCall } from './fetch-call.js';
import type { FetchEngine, LeaseSource } from './fetch-engine.js';
import { defaultFetchLimits, type FetchLimits, type ProxiedInit, readOrder } from './fetch-init.js';
import { Hedging } from './hedge.js';
import { Judge } from './judge.js';
import { LatencyRecord } from './latency-record.js';
import type { ProxiedResponse } from './proxied-response.js';

export interface FetchSettings extends FetchLimits {
  /** Gives up on a proxy that takes much longer than it usually does. @default true */
  readonly adaptiveTimeout: boolean;
}

/** What a fetch is made of; it owns none of it. */
export interface FetchParts {
  readonly rotator: LeaseSource;
  readonly dispatchers: Pick<ProxyDispatchers, 'dispatcherFor' | 'drop'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Judges every answer. @default one of its own, without a rule of the user's */
  readonly judge?: Judge | undefined;
  /** @default those of Node */
  readonly timers?: Timers | undefined;
  readonly settings?: Partial<FetchSettings> | undefined;
}

/**
 * One request through the pool. Resolves with the head of the answer, whatever its status; the body streams.
 * @throws FetchError, and what `acquire` throws when there is no proxy to begin with
 */
export type ProxiedFetch = (url: string | URL, init?: ProxiedInit) => Promise<ProxiedResponse>;

/**
 * A fetch that tries several proxies and goes through one in any case: without a proxy there is an error, never a
 * direct connection.
 */
export function createFetch(parts: FetchParts): ProxiedFetch {
  const { rotator, clock, random, timers, settings = {} } = parts;
  const limits: FetchLimits = { ...defaultFetchLimits, ...settings };
  const failover = new Failover(clock, random);
  const latencies = new LatencyRecord();
  const engine: FetchEngine = {
    rotator,
    dispatchers: parts.dispatchers,
    clock,
    failover,
    judge: parts.judge ?? new Judge({ clock, wallNow: Date.now, onSuspect() {} }),
    hedging: new Hedging(clock, latencies, () => rotator.inPanic === true || failover.strained),
    latencies,
    adaptiveTimeout: settings.adaptiveTimeout ?? true,
    inFlight: new Map(),
  };
  return async (url, init = {}) => {
    const startedAt = clock.now();
    const order = await readOrder(url, init, limits);
    const deadline = new Deadline(clock, order.deadlineMs, init.signal, timers);
    const call = new FetchCall(engine, order, deadline, startedAt);
    try {
      return await call.run();
    } catch (error) {
      deadline.end();
      throw error;
    }
  };
}
