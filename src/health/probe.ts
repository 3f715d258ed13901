import type { Clock } from '../core/clock.js';
import { Lease } from '../core/lease.js';
import type { Outcome, Verdict } from '../core/outcome.js';
import type { Proxy } from '../core/proxy.js';
import type { ProxyDispatchers } from '../transport/dispatcher.js';
import { createFetch, type ProxiedFetch } from '../transport/fetch.js';
import { errorCode, FetchError, presentable } from '../transport/fetch-error.js';
import type { CheckTarget } from './check-target.js';
import { type Anonymity, type Judgement, noJudgement, readJudgement } from './judge.js';

/** What one check of one proxy has shown. Nothing in it repeats the URL, or what the proxy or the target said. */
export interface ProbeResult {
  readonly proxyId: string;
  readonly ok: boolean;
  readonly verdict: Verdict;
  /** Time to the first byte of the answer in ms; null without an answer. */
  readonly latencyMs: number | null;
  readonly status: number | null;
  readonly exitAddress: string | null;
  readonly anonymity: Anonymity | null;
  /** How long the target asked us to stay away, in ms, clamped to 1..300 s; null where it did not. */
  readonly retryAfterMs: number | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Monotonic ms. */
  readonly at: number;
}

export interface ProbeOptions {
  readonly proxy: Proxy;
  /** Those of real traffic, so that a check takes the same way with the same credentials. */
  readonly dispatchers: ProxyDispatchers;
  readonly check: CheckTarget;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** The whole check, that of the judge included, in ms. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Told what became of the request itself, which says more of a fault than the result shows. */
  readonly onOutcome?: ((outcome: Outcome) => void) | undefined;
}

type Finding = Pick<ProbeResult, 'ok' | 'verdict' | 'latencyMs' | 'status' | 'error'> & {
  readonly body: string;
};

const DEFAULT_TIMEOUT_MS = 10_000;
/** A check is for a small page. */
const MAX_BYTES = 1024 * 1024;
/** RFC 6585: answered by what intercepts, never by a target. */
const NETWORK_AUTHENTICATION_REQUIRED = 511;

/**
 * One check through one proxy: one request, one attempt, no redirect followed. It settles nothing with the engine.
 * @throws FetchError PW_FETCH_INVALID when the check's URL is none that can be fetched; whatever else happens is a
 * result
 */
export async function probe(options: ProbeOptions): Promise<ProbeResult> {
  const { proxy, clock, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const startedAt = clock.now();
  let retryAfterMs: number | null = null;
  const fetch = through(options, (outcome) => {
    retryAfterMs = outcome.retryAfterMs ?? null;
    options.onOutcome?.(outcome);
  });
  const { body, ...finding } = await findOut(fetch, options, timeoutMs);
  const asked = { retryAfterMs };
  const judgement = finding.ok
    ? await judged(fetch, options, body, timeoutMs - (clock.now() - startedAt))
    : noJudgement;
  return { proxyId: proxy.id, ...finding, ...judgement, ...asked, at: clock.now() };
}

/** The fetch of real traffic over a pool of one. Its lease is counted nowhere: the caller settles the one that counts. */
function through(
  { proxy, dispatchers, clock }: ProbeOptions,
  settled: (outcome: Outcome) => void,
): ProxiedFetch {
  const acquire = (): Lease =>
    new Lease(
      { id: 0, proxy, startedAt: clock.now(), sessionId: undefined, host: undefined },
      (_lease, outcome) => {
        settled(outcome);
        return outcome.verdict;
      },
    );
  return createFetch({
    rotator: { acquire },
    dispatchers,
    clock,
    // For pauses between attempts, of which there is one.
    random: () => 0,
    settings: { attempts: 1, adaptiveTimeout: false, maxBytes: MAX_BYTES },
  });
}

async function findOut(
  fetch: ProxiedFetch,
  { check, signal }: ProbeOptions,
  timeoutMs: number,
): Promise<Finding> {
  const plainHttp = /^http:/i.test(check.url);
  // Through a tunnel the answer is the target's own.
  const unexpected: Verdict = plainHttp ? 'ambiguous' : 'target';
  let status: number | null = null;
  let latencyMs: number | null = null;
  const failed = (verdict: Verdict, code: string, message: string): Finding => {
    return { ok: false, verdict, latencyMs, status, error: { code, message }, body: '' };
  };
  try {
    const response = await fetch(check.url, { redirect: 'manual', signal, deadlineMs: timeoutMs });
    const verdict = response.attempts.at(-1)?.verdict ?? 'success';
    status = response.status;
    latencyMs = response.timings.firstByteMs;
    const body = await response.text();
    if (status !== (check.expectStatus ?? 200)) {
      const portal = plainHttp && status === NETWORK_AUTHENTICATION_REQUIRED;
      const blame = portal ? 'proxy' : verdict === 'success' ? unexpected : verdict;
      return failed(blame, 'CHECK_STATUS', `The check was answered with status ${status}`);
    }
    if (check.token !== undefined && !body.includes(check.token)) {
      const blame = verdict === 'banned' ? verdict : unexpected;
      return failed(blame, 'CHECK_TOKEN', 'The answer to the check does not contain the control token');
    }
    // A block page that is answered with the status of success.
    if (check.token === undefined && verdict === 'banned' && status < 400)
      return failed(verdict, 'CHECK_BLOCKED', 'The check was answered with a block page');
    return { ok: true, verdict: 'success', latencyMs, status, error: null, body };
  } catch (error) {
    if (!(error instanceof FetchError)) {
      const { message } = presentable(error);
      return failed('neutral', errorCode(error), message);
    }
    if (error.code === 'PW_FETCH_INVALID') throw error;
    const { message } = presentable(error.cause ?? error);
    const code = error.code === 'PW_FETCH_EXHAUSTED' ? errorCode(error.cause) : error.code;
    return failed(blameOf(error, unexpected), code, code === error.code ? error.message : message);
  }
}

function blameOf(error: FetchError, unexpected: Verdict): Verdict {
  switch (error.code) {
    case 'PW_FETCH_ABORTED':
      return 'neutral';
    // How long a check may take is part of what is checked; the answer may as well be slow at the target.
    case 'PW_FETCH_DEADLINE':
    case 'PW_FETCH_BODY_BROKEN':
      return 'ambiguous';
    case 'PW_FETCH_BODY_LIMIT':
      return unexpected;
    default:
      return error.attempts.at(-1)?.verdict ?? 'neutral';
  }
}

/** The judge's failures are none of the check: it is another target. */
async function judged(
  fetch: ProxiedFetch,
  { check, signal }: ProbeOptions,
  body: string,
  leftMs: number,
): Promise<Judgement> {
  const { judge, ownAddress } = check;
  if (typeof judge !== 'object') return judge === true ? readJudgement(body, ownAddress) : noJudgement;
  if (leftMs < 1) return noJudgement;
  try {
    const response = await fetch(judge.url, {
      redirect: 'manual',
      signal,
      deadlineMs: Math.floor(leftMs),
    });
    const text = await response.text();
    return response.status === 200 ? readJudgement(text, ownAddress) : noJudgement;
  } catch (error) {
    if (error instanceof FetchError && error.code === 'PW_FETCH_INVALID') throw error;
    return noJudgement;
  }
}
