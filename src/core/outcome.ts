/**
 * What happened to a request, and whose fault it was.
 *
 * | verdict     | whose fault                                        | charged to            |
 * |-------------|----------------------------------------------------|-----------------------|
 * | `success`   | nobody's                                           | -                     |
 * | `proxy`     | the proxy's                                        | its breaker, weight 1 |
 * | `auth`      | the proxy refused our credentials                  | its breaker; twice: away for minutes |
 * | `banned`    | the target does not want this proxy                | the (proxy, host) pair; by three hosts: its breaker |
 * | `target`    | the target's                                       | nobody; a bad certificate by two hosts: see `intercepted` |
 * | `ambiguous` | the proxy's or the target's, one cannot tell       | the breaker, weight ½; 1 where the host answers others, or three hosts fail through this proxy; given back when the host fails through others as well |
 * | `local`     | our own machine, browser or network                | nobody                |
 * | `neutral`   | nobody's: aborted, skipped, failed in user code    | nobody                |
 */
export type Verdict = 'success' | 'proxy' | 'auth' | 'banned' | 'target' | 'ambiguous' | 'local' | 'neutral';

const verdicts: ReadonlySet<unknown> = new Set<Verdict>([
  'success',
  'proxy',
  'auth',
  'banned',
  'target',
  'ambiguous',
  'local',
  'neutral',
]);

/** Whether a value that came from outside is one. */
export function isVerdict(value: unknown): value is Verdict {
  return verdicts.has(value);
}

/** Result of one attempt. */
export interface Outcome {
  readonly verdict: Verdict;
  /** Time to the first byte of the answer in ms. Read for successes only. */
  readonly latencyMs?: number;
  /** HTTP status that the target answered with. */
  readonly status?: number;
  /** How long the target asked us to stay away, in ms. Read for `banned`. */
  readonly retryAfterMs?: number;
  /** The proxy refused the connection, or its name does not exist: twice in a row opens its breaker. Read for `proxy`. */
  readonly hard?: true;
  /**
   * The target's certificate was bad inside the tunnel. Where at two hosts nobody but this proxy meets one, the proxy
   * breaks into the encryption, and is away as if it refused our credentials. Read for `target` and `ambiguous`.
   */
  readonly intercepted?: true;
  /**
   * The proxy says that it passed the answer on (`Via`): then it is the target's, unless nothing else came through
   * this proxy lately. Read for `ambiguous`.
   */
  readonly passedOn?: true;
  /** Bytes carried, where the connection is none of ours: those of ours are counted at the socket. */
  readonly bytes?: number;
  readonly error?: unknown;
}

/** What `lease.succeed()` takes. */
export type SuccessDetails = Omit<
  Outcome,
  'verdict' | 'error' | 'retryAfterMs' | 'hard' | 'intercepted' | 'passedOn'
>;

/** How much of a proxy fault a verdict is, 0 to 1. */
export function faultWeight(verdict: Verdict): number {
  if (verdict === 'proxy' || verdict === 'auth') return 1;
  return verdict === 'ambiguous' ? 0.5 : 0;
}
