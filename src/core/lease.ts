import type { Outcome, SuccessDetails, Verdict } from './outcome.js';
import type { Proxy } from './proxy.js';

/** Tells the engine how a lease ended and gets back the verdict that was charged. */
export type Settle = (lease: Lease, outcome: Outcome) => Verdict;

/**
 * One attempt's use of one proxy. It is settled exactly once, by `succeed`, `fail` or `release`; each further call
 * does nothing. One that is forgotten stays visible as an active request of its proxy.
 */
export class Lease {
  readonly id: number;
  readonly proxy: Proxy;
  readonly sessionId: string | undefined;
  /** `host:port` of the target, where it is known. */
  readonly host: string | undefined;
  /** Monotonic ms. */
  readonly startedAt: number;
  #settle: Settle | null;
  #verdict: Verdict | null = null;

  constructor(
    fields: Pick<Lease, 'id' | 'proxy' | 'startedAt'> & {
      sessionId: string | undefined;
      host: string | undefined;
    },
    settle: Settle,
  ) {
    this.id = fields.id;
    this.proxy = fields.proxy;
    this.sessionId = fields.sessionId;
    this.host = fields.host;
    this.startedAt = fields.startedAt;
    this.#settle = settle;
  }

  get settled(): boolean {
    return this.#settle === null;
  }

  /** What was charged: ambiguous evidence may have been corroborated. Null until it is settled. */
  get verdict(): Verdict | null {
    return this.#verdict;
  }

  /** An answer came from the target. */
  succeed(details: SuccessDetails = {}): Verdict {
    // Copied by hand: `{ ...details, verdict }` alone takes ten times as long as all the rest of a result.
    const outcome: { -readonly [Key in keyof Outcome]: Outcome[Key] } = { verdict: 'success' };
    if (details.latencyMs !== undefined) outcome.latencyMs = details.latencyMs;
    if (details.status !== undefined) outcome.status = details.status;
    if (details.bytes !== undefined) outcome.bytes = details.bytes;
    return this.settle(outcome);
  }

  /** No answer, or one that does not count. */
  fail(outcome: Outcome): Verdict {
    return this.settle(outcome);
  }

  /** Nothing was learned: not used after all, aborted, or none of the proxy's business. */
  release(): Verdict {
    return this.settle({ verdict: 'neutral' });
  }

  /** Settles with any outcome; the first one counts. Returns the verdict that was charged. */
  settle(outcome: Outcome): Verdict {
    const settle = this.#settle;
    if (settle !== null) {
      this.#settle = null;
      this.#verdict = settle(this, outcome);
    }
    return this.#verdict ?? 'neutral';
  }
}
