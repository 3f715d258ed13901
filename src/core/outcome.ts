/**
 * What happened to a request, and whose fault it was.
 *
 * | verdict     | whose fault                                        | charged to            |
 * |-------------|----------------------------------------------------|-----------------------|
 * | `success`   | nobody's                                           | -                     |
 * | `proxy`     | the proxy's                                        | its breaker, weight 1 |
 * | `auth`      | the proxy refused our credentials                  | its breaker, weight 1 |
 * | `banned`    | the target does not want this proxy                | the (proxy, host) pair|
 * | `target`    | the target's                                       | nobody                |
 * | `ambiguous` | the proxy's or the target's, one cannot tell       | the breaker, weight ½ |
 * | `local`     | our own machine, browser or network                | nobody                |
 * | `neutral`   | nobody's: aborted, skipped, failed in user code    | nobody                |
 */
export type Verdict = 'success' | 'proxy' | 'auth' | 'banned' | 'target' | 'ambiguous' | 'local' | 'neutral';

/** Result of one attempt. */
export interface Outcome {
  readonly verdict: Verdict;
  /** Time to the first byte of the answer in ms. Read for successes only. */
  readonly latencyMs?: number;
  /** HTTP status that the target answered with. */
  readonly status?: number;
  /** How long the target asked us to stay away, in ms. Read for `banned`. */
  readonly retryAfterMs?: number;
  /** Bytes carried. */
  readonly bytes?: number;
  readonly error?: unknown;
}

/** What `lease.succeed()` takes. */
export type SuccessDetails = Omit<Outcome, 'verdict' | 'error' | 'retryAfterMs'>;

/** How much of a proxy fault a verdict is, 0 to 1. */
export function faultWeight(verdict: Verdict): number {
  if (verdict === 'proxy' || verdict === 'auth') return 1;
  return verdict === 'ambiguous' ? 0.5 : 0;
}
