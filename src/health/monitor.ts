import type { Clock, Random } from '../core/clock.js';
import type { Rotator } from '../core/rotator.js';
import type { ProxyDispatchers } from '../transport/dispatcher.js';
import { awaitsProbe, isProbed, needsCheck } from './check-due.js';
import { FallRise } from './fall-rise.js';
import { MonitorEmitter, type MonitorEvents } from './monitor-events.js';
import { checkOf, type MonitorSettings, resolveSettings } from './monitor-settings.js';
import { type ProbeResult, probe } from './probe.js';
import { Slots } from './slots.js';
import { type MonitorTimer, type MonitorTimers, nodeTimers } from './timers.js';

/** What a monitor is made of; it owns none of it. */
export interface MonitorParts {
  readonly rotator: Pick<Rotator, 'pool' | 'acquireCarrier' | 'on'>;
  readonly dispatchers: ProxyDispatchers;
  readonly clock: Clock;
  readonly random: Random;
  /** @default those of Node */
  readonly timers?: MonitorTimers | undefined;
  readonly settings?: MonitorSettings | undefined;
  /** @default {@link probe} */
  readonly probe?: typeof probe | undefined;
}

/** Checks the proxies of an engine beside its traffic. */
export interface Monitor extends AsyncDisposable {
  /**
   * Begins the first round at once, and the next ones each an interval after the end of the last.
   * @throws OptionsError without a check URL
   */
  start(): void;
  /** Cuts the checks under way, which cost nobody anything; what is down because of checks serves again. */
  stop(): Promise<void>;
  /**
   * Checks these proxies now, or all of the pool; one that is being checked is not checked twice. Ids that are not in
   * the pool are passed over. The verdict of a result is the one that was charged.
   * @throws OptionsError without a check URL
   */
  check(ids?: readonly string[]): Promise<ProbeResult[]>;
  on<N extends keyof MonitorEvents>(event: N, listener: (payload: MonitorEvents[N]) => void): () => void;
}

/**
 * Checks settle through the engine like requests, so that health is judged in one place. Two things are its own:
 *
 * The latency of a check is not settled. The check URL is nearer to some proxies than to others and no target of
 * anybody, and an average of both would rank the proxies by their distance to it.
 *
 * A proxy that fails `fall` checks in a row is drained until it passes `rise` of them: the breaker alone, made for
 * traffic, would take many intervals to open. This needs another proxy that passed meanwhile; a check that nobody
 * passes says something about its target or our own network.
 */
export function createMonitor(parts: MonitorParts): Monitor {
  return new CheckMonitor(parts);
}

class CheckMonitor implements Monitor {
  readonly #parts: MonitorParts;
  readonly #settings: ReturnType<typeof resolveSettings>;
  readonly #events = new MonitorEmitter();
  readonly #slots: Slots;
  readonly #fallRise: FallRise;
  readonly #running = new Map<string, Promise<ProbeResult | null>>();
  #stopping = new AbortController();
  readonly #timers: MonitorTimers;
  #timer: MonitorTimer | null = null;
  /** Of the pool; there while rounds are made. */
  #unsubscribe: (() => void) | null = null;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.#timers = parts.timers ?? nodeTimers;
    this.#settings = resolveSettings(parts.settings);
    this.#slots = new Slots(this.#settings.concurrency);
    this.#fallRise = new FallRise(parts.rotator.pool, this.#settings, this.#events);
  }

  start(): void {
    checkOf(this.#settings);
    if (this.#unsubscribe !== null) return;
    this.#unsubscribe = this.#parts.rotator.on('pool', ({ proxyId, change }) => {
      if (change === 'removed') this.#fallRise.forget(proxyId);
    });
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) this.#timers.clearTimeout(this.#timer);
    this.#timer = null;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#stopping.abort();
    this.#stopping = new AbortController();
    this.#fallRise.reset();
    await Promise.allSettled(this.#running.values());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  on<N extends keyof MonitorEvents>(event: N, listener: (payload: MonitorEvents[N]) => void): () => void {
    return this.#events.on(event, listener);
  }

  async check(ids?: readonly string[]): Promise<ProbeResult[]> {
    checkOf(this.#settings);
    const results: ProbeResult[] = [];
    const all = ids ?? this.#parts.rotator.pool.list().map(({ id }) => id);
    await this.#checkAll([...new Set(all)], (result) => void results.push(result));
    return results;
  }

  #schedule(ms: number): void {
    this.#timer = this.#timers.setTimeout(() => void this.#round(), ms);
    this.#timer.unref?.();
  }

  async #round(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#checkAll(this.#due());
    } catch (error) {
      this.#events.emit('error', { error });
    }
    const { intervalMs } = this.#settings;
    // Engines that were started together must not check together for ever.
    if (!signal.aborted) this.#schedule(intervalMs * (0.8 + 0.4 * this.#parts.random()));
  }

  /** Those that need a check: first the ones that wait for it to serve, then the ones that waited longest. */
  #due(): string[] {
    const now = this.#parts.clock.now();
    const { intervalMs } = this.#settings;
    return this.#parts.rotator.pool
      .list((member) => needsCheck(member, this.#fallRise.get(member.id), now, intervalMs))
      .map(({ id, breaker }) => ({
        id,
        waits: awaitsProbe(breaker, now),
        at: this.#fallRise.get(id)?.at ?? 0,
      }))
      .sort((a, b) => Number(b.waits) - Number(a.waits) || a.at - b.at)
      .map(({ id }) => id);
  }

  async #checkAll(ids: readonly string[], each: (result: ProbeResult) => void = () => {}): Promise<void> {
    const { signal } = this.#stopping;
    const total = ids.length;
    const left = ids.values();
    let done = 0;
    const lane = async (): Promise<void> => {
      for (const id of left) {
        const result = await this.#once(id, signal);
        if (signal.aborted) return;
        done += 1;
        if (result !== null) each(result);
        this.#events.emit('progress', { done, total, result });
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#settings.concurrency, total) }, lane));
  }

  #once(id: string, signal: AbortSignal): Promise<ProbeResult | null> {
    const running = this.#running.get(id);
    if (running !== undefined) return running;
    const coming = this.#slots.run(() => this.#checkOne(id, signal)).finally(() => this.#running.delete(id));
    this.#running.set(id, coming);
    return coming;
  }

  async #checkOne(id: string, signal: AbortSignal): Promise<ProbeResult | null> {
    const { rotator, dispatchers, clock } = this.#parts;
    const check = checkOf(this.#settings);
    const breaker = rotator.pool.get(id)?.breaker;
    if (signal.aborted || breaker === undefined || isProbed(breaker, clock.now())) return null;
    const lease = rotator.acquireCarrier(id, { url: check.url });
    if (lease === undefined) return null;
    try {
      const run = this.#parts.probe ?? probe;
      const { timeoutMs } = this.#settings;
      const result = await run({ proxy: lease.proxy, dispatchers, check, clock, signal, timeoutMs });
      const { status, error } = result;
      const verdict = lease.settle({
        verdict: signal.aborted ? 'neutral' : result.verdict,
        ...(status === null ? {} : { status }),
        ...(error === null ? {} : { error }),
      });
      // Without rounds nobody would bring back a proxy that is down.
      if (!signal.aborted && this.#unsubscribe !== null) this.#fallRise.learn(id, verdict, clock.now());
      return { ...result, verdict };
    } finally {
      lease.release();
    }
  }
}
