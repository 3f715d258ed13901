import type { Lease } from '../core/lease.js';
import type { Deadline } from './deadline.js';
import type { ProxyDispatchers } from './dispatcher.js';
import { type Answer, type AttemptFailure, attempt, isFailure } from './fetch-attempt.js';
import type { FetchEngine } from './fetch-engine.js';
import type { FetchAttempt } from './fetch-error.js';
import type { FetchOrder, FetchRequest } from './fetch-init.js';
import type { Flight } from './hedge.js';

/** How one attempt ended. */
export interface Landed {
  readonly lease: Lease;
  /** Whether it was sent beside another one. */
  readonly hedge: boolean;
  readonly result: Answer | AttemptFailure;
}

/** The attempts of one call: those under way, and what became of the others. */
export class Flights {
  /** Those that have ended, in order. */
  readonly attempts: FetchAttempt[] = [];
  readonly #engine: FetchEngine;
  readonly #order: FetchOrder;
  readonly #deadline: Deadline;
  readonly #settled: () => void;
  #open = 0;

  /** @param settled called with each lease that is settled, at the end of a body when there is one */
  constructor(engine: FetchEngine, order: FetchOrder, deadline: Deadline, settled: () => void) {
    this.#engine = engine;
    this.#order = order;
    this.#deadline = deadline;
    this.#settled = settled;
  }

  /** Attempts that have not ended, nor has the body of their answer. */
  get open(): number {
    return this.#open;
  }

  /** @throws ClosedError, by `landed`: there are no dispatchers any more */
  launch(request: FetchRequest, lease: Lease, hedge: boolean): Flight<Landed> {
    const { clock, latencies } = this.#engine;
    const startedAt = clock.now();
    const lost = new AbortController();
    const landed = this.#attempt(request, lease, lost.signal).then((result) => ({ lease, hedge, result }));
    const lose = (): void => {
      const elapsedMs = clock.now() - startedAt;
      // It would have taken at least as long.
      latencies.add(lease.proxy.id, elapsedMs);
      this.#note(lease, hedge, { verdict: 'neutral', elapsedMs, code: 'HEDGE_LOST' });
      lost.abort();
      // Unless it has answered in the same moment.
      const leave = ({ result }: Landed) => (isFailure(result) ? result.answer : result)?.body?.cancel();
      landed.then(leave).catch(() => {});
    };
    return { landed, lose };
  }

  /** Puts it among those that have ended. */
  note({ lease, hedge, result }: Landed): void {
    const { verdict } = result;
    if (!isFailure(result)) {
      const { firstByteMs: elapsedMs, rule } = result;
      this.#note(lease, hedge, { verdict, elapsedMs, code: null }, rule);
    } else {
      const { elapsedMs, code, answer } = result;
      this.#note(lease, hedge, { verdict, elapsedMs, code }, answer?.rule ?? null);
    }
  }

  #note(
    { proxy }: Lease,
    hedge: boolean,
    end: Pick<FetchAttempt, 'verdict' | 'elapsedMs' | 'code'>,
    rule: string | null = null,
  ): void {
    const more = { ...(rule === null ? {} : { rule }), ...(hedge ? { hedge } : {}) };
    this.attempts.push({ proxyId: proxy.id, ...end, ...more });
  }

  async #attempt(request: FetchRequest, lease: Lease, lost: AbortSignal): ReturnType<typeof attempt> {
    const { dispatchers, clock, judge, latencies, adaptiveTimeout, inFlight } = this.#engine;
    const { proxy } = lease;
    const others = inFlight.get(proxy.id) ?? 0;
    // An upload takes the time that it takes.
    const patient = request.body.once || !adaptiveTimeout;
    const patienceMs = patient ? null : latencies.timeoutFor(proxy.id, others);
    let dispatcher: ReturnType<ProxyDispatchers['dispatcherFor']>;
    try {
      dispatcher = dispatchers.dispatcherFor(proxy);
    } catch (error) {
      lease.release();
      throw error;
    }
    inFlight.set(proxy.id, others + 1);
    this.#open += 1;
    const ended = (): void => {
      const left = (inFlight.get(proxy.id) ?? 1) - 1;
      if (left > 0) inFlight.set(proxy.id, left);
      else inFlight.delete(proxy.id);
      this.#open -= 1;
      this.#settled();
    };
    const { attempts } = this;
    const deadline = this.#deadline;
    const order = this.#order;
    const result = await attempt({
      request,
      order,
      lease,
      dispatcher,
      deadline,
      clock,
      judge,
      patienceMs,
      lost,
      attempts,
      ended,
    });
    // Who refuses the password is not asked again for minutes: idle connections would wait for nothing.
    if (result.verdict === 'auth') dispatchers.drop(proxy.id);
    if (!isFailure(result)) {
      if (result.verdict === 'success') latencies.add(proxy.id, result.firstByteMs);
    } else if (result.tooSlow) latencies.add(proxy.id, result.elapsedMs);
    return result;
  }
}
