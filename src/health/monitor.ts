import type { Clock, Random, Timer, Timers } from '../core/clock.js';
import type { Outcome } from '../core/outcome.js';
import type { Rotator } from '../core/rotator.js';
import type { ProxyDispatchers } from '../transport/dispatcher.js';
import { nodeTimers } from '../transport/node-timers.js';
import { Alarm } from './alarm.js';
import { awaitsProbe, awayUntil, isProbed, needsCheck } from './check-due.js';
import { FallRise } from './fall-rise.js';
import { type CheckReason, MonitorEmitter, type MonitorEvents } from './monitor-events.js';
import { checkOf, type MonitorSettings } from './monitor-settings.js';
import type { ProbeResult, probe } from './probe.js';
import { Slots } from './slots.js';

/** What a monitor is made of; it owns none of it. */
export interface MonitorParts {
  readonly rotator: Pick<Rotator, 'pool' | 'acquireCarrier' | 'on'>;
  /** Asked for with each check: what opens connections is loaded when it is needed. */
  readonly dispatchers: () => Promise<ProxyDispatchers>;
  readonly clock: Clock;
  readonly random: Random;
  /** @default those of Node */
  readonly timers?: Timers | undefined;
  readonly settings: MonitorSettings;
  /** @default {@link probe}, loaded at the first check */
  readonly probe?: typeof probe | undefined;
}

/** Active checks as their user sees them. */
export interface HealthChecks {
  /**
   * Checks these proxies now, or all of the pool; one that is being checked is not checked twice. Ids that are not in
   * the pool are passed over. The verdict of a result is the one that was charged.
   * @throws OptionsError without a check URL, ClosedError
   */
  check(ids?: readonly string[]): Promise<ProbeResult[]>;
  /** Subscribes; the function that comes back unsubscribes. */
  on<N extends keyof MonitorEvents>(event: N, listener: (payload: MonitorEvents[N]) => void): () => void;
}

/** Checks the proxies of an engine beside its traffic. */
export interface Monitor extends HealthChecks, AsyncDisposable {
  /**
   * Begins the first round at once, and the next ones each an interval after the end of the last. A proxy whose open
   * time ends is probed at once, so that no request needs to be the probe.
   * @throws OptionsError without a check URL
   */
  start(): void;
  /** Resolves when one proxy has passed, the first round has ended or it was stopped; at once before `start()`. */
  ready(): Promise<void>;
  /** Cuts the checks under way, which cost nobody anything; what is down because of checks serves again. */
  stop(): Promise<void>;
}

/**
 * Checks settle through the engine like requests, so that health is judged in one place. Two things are its own:
 *
 * The latency of a check is not settled. The check URL is nearer to some proxies than to others and no target of
 * anybody, and an average of both would rank the proxies by their distance to it.
 *
 * A proxy that fails `fall` checks in a row is drained until it passes `rise` of them: the breaker alone, made for
 * traffic, would take many intervals to open. This needs another proxy that passed meanwhile; a check that nobody
 * passes says something about its target or our own network. What counts is what the check itself has shown: the
 * engine puts failures through many proxies on the host, and in a list that is mostly dead nobody would go.
 */
export function createMonitor(parts: MonitorParts): Monitor {
  return new CheckMonitor(parts);
}

class CheckMonitor implements Monitor {
  readonly #parts: MonitorParts;
  readonly #settings: MonitorSettings;
  readonly #events = new MonitorEmitter();
  readonly #slots: Slots;
  readonly #fallRise: FallRise;
  readonly #alarm: Alarm;
  readonly #running = new Map<string, Promise<ProbeResult | null>>();
  #stopping = new AbortController();
  readonly #timers: Timers;
  #timer: Timer | undefined;
  /** Of the engine's events; there while rounds are made. */
  #unsubscribe: (() => void) | null = null;
  #ready: Promise<void> = Promise.resolve();
  #becomeReady: () => void = () => {};

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.#timers = parts.timers ?? nodeTimers;
    this.#settings = parts.settings;
    this.#slots = new Slots(this.#settings.concurrency);
    this.#fallRise = new FallRise(parts.rotator.pool, this.#settings, this.#events);
    this.#alarm = new Alarm(parts.clock, this.#timers, (ids) => void this.#prove(ids));
  }

  start(): void {
    checkOf(this.#settings);
    if (this.#unsubscribe !== null) return;
    const { rotator, clock } = this.#parts;
    const subscriptions = [
      rotator.on('pool', ({ proxyId, change }) => {
        if (change === 'removed') this.#fallRise.forget(proxyId);
      }),
      rotator.on('breaker', ({ proxyId, openMs }) => {
        if (openMs !== null) this.#alarm.set(proxyId, clock.now() + openMs);
      }),
      // It has shortened the open times of others.
      rotator.on('panic', ({ on }) => {
        if (on) this.#awaitTheAway();
      }),
    ];
    this.#unsubscribe = () => {
      for (const unsubscribe of subscriptions) unsubscribe();
    };
    this.#ready = new Promise((resolve) => {
      this.#becomeReady = resolve;
    });
    this.#awaitTheAway();
    // Goes off at once: whoever has nothing else to do than to wait for it must not end before.
    this.#schedule(0);
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  async stop(): Promise<void> {
    this.#timers.clearTimeout(this.#timer);
    this.#alarm.clear();
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#stopping.abort();
    this.#stopping = new AbortController();
    this.#fallRise.reset();
    this.#becomeReady();
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
    return this.#checkAll(ids ?? this.#parts.rotator.pool.list().map(({ id }) => id), 'call');
  }

  #schedule(ms: number): void {
    this.#timer = this.#timers.setTimeout(() => void this.#round(), ms);
    if (ms > 0) this.#timer.unref?.();
  }

  async #round(): Promise<void> {
    const { signal } = this.#stopping;
    const results = await this.#checkQuietly(this.#due(), 'round');
    if (signal.aborted) return;
    this.#events.emit('round', { checked: results.length, passed: results.filter(({ ok }) => ok).length });
    this.#becomeReady();
    // Engines that were started together must not check together for ever.
    this.#schedule(this.#settings.intervalMs * (0.8 + 0.4 * this.#parts.random()));
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

  #awaitTheAway(): void {
    for (const { id, breaker } of this.#parts.rotator.pool.list()) {
      const until = awayUntil(breaker);
      if (until !== null) this.#alarm.set(id, until);
    }
  }

  /** Checks those of them that still wait for a proof. */
  async #prove(ids: readonly string[]): Promise<void> {
    const { rotator, clock } = this.#parts;
    const now = clock.now();
    const waiting = ids.filter((id) => {
      const member = rotator.pool.get(id);
      if (member === undefined || !awaitsProbe(member.breaker, now)) return false;
      return needsCheck(member, this.#fallRise.get(id), now, this.#settings.intervalMs);
    });
    if (waiting.length > 0) await this.#checkQuietly(waiting, 'probe');
  }

  async #checkQuietly(ids: readonly string[], reason: CheckReason): Promise<ProbeResult[]> {
    try {
      return await this.#checkAll(ids, reason);
    } catch (error) {
      this.#events.emit('error', { error });
      return [];
    }
  }

  async #checkAll(given: readonly string[], reason: CheckReason): Promise<ProbeResult[]> {
    const { signal } = this.#stopping;
    const ids = new Set(given);
    const total = ids.size;
    const left = ids.values();
    const results: ProbeResult[] = [];
    let done = 0;
    const lane = async (): Promise<void> => {
      for (const id of left) {
        const result = await this.#once(id, signal);
        if (signal.aborted) return;
        done += 1;
        if (result !== null) results.push(result);
        if (result?.ok === true) this.#becomeReady();
        this.#events.emit('progress', { reason, done, total, result });
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#settings.concurrency, total) }, lane));
    return results;
  }

  #once(id: string, signal: AbortSignal): Promise<ProbeResult | null> {
    const running = this.#running.get(id);
    if (running !== undefined) return running;
    const coming = this.#slots.run(() => this.#checkOne(id, signal)).finally(() => this.#running.delete(id));
    this.#running.set(id, coming);
    return coming;
  }

  async #checkOne(id: string, signal: AbortSignal): Promise<ProbeResult | null> {
    if (signal.aborted) return null;
    const { rotator, clock } = this.#parts;
    const check = checkOf(this.#settings);
    const dispatchers = await this.#parts.dispatchers();
    const run = this.#parts.probe ?? (await import('./probe.js')).probe;
    const member = rotator.pool.get(id);
    if (signal.aborted || member === undefined || isProbed(member.breaker, clock.now())) return null;
    const lease = rotator.acquireCarrier(id, { url: check.url });
    if (lease === undefined) return null;
    try {
      const { timeoutMs } = this.#settings;
      let seen: Outcome | undefined;
      const onOutcome = (outcome: Outcome): void => {
        // The first: that of a judge says nothing about the check.
        seen ??= outcome;
      };
      const result = await run({
        proxy: lease.proxy,
        dispatchers,
        check,
        clock,
        signal,
        timeoutMs,
        onOutcome,
      });
      const { status, retryAfterMs, error } = result;
      const verdict = lease.settle({
        verdict: signal.aborted ? 'neutral' : result.verdict,
        ...(status === null ? {} : { status }),
        ...(retryAfterMs === null ? {} : { retryAfterMs }),
        ...(error === null ? {} : { error }),
        ...(seen?.hard && { hard: true }),
        ...(seen?.intercepted && { intercepted: true }),
      });
      // Without rounds nobody would bring back a proxy that is down.
      if (!signal.aborted && this.#unsubscribe !== null) this.#learn(id, result);
      return { ...result, verdict };
    } finally {
      lease.release();
    }
  }

  #learn(id: string, { ok, verdict }: ProbeResult): void {
    const now = this.#parts.clock.now();
    this.#fallRise.learn(id, verdict, now);
    // A breaker that asks for more than one success gets the next one at once.
    const member = this.#parts.rotator.pool.get(id);
    if (ok && member !== undefined && awaitsProbe(member.breaker, now)) this.#alarm.set(id, now);
  }
}
