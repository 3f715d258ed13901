import type { Outcome, Verdict } from '../core/outcome.js';
import type { Proxy } from '../core/proxy.js';
import { isTargetCertificateFault } from './certificate-fault.js';
import { classify, isHardFault } from './classify.js';
import type { Judgement } from './judge.js';
import { TunnelError } from './tunnel-error.js';

/** A deadline that cuts a shorter attempt says more about the deadline than about the proxy. In ms. */
export const TELLING_MS = 1_000;
/** Answers of a forward proxy that did not forward: 407, and 597 of proxy-chain for its own upstream. */
const notForwarded: ReadonlySet<number> = new Set([407, 597]);

/** The outcome of an attempt that was answered. */
export function answerOutcome(
  { verdict, retryAfterMs, passedOn }: Judgement,
  status: number,
  latencyMs: number,
): Outcome {
  return {
    verdict,
    status,
    latencyMs,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    ...(passedOn && { passedOn }),
  };
}

/**
 * The outcome of an attempt without an answer, or none that is whole.
 * @param shown what the outcome tells of the error; a parser's error repeats what a proxy said
 */
export function failureOutcome(
  error: unknown,
  proxy: Proxy,
  verdict: Verdict,
  shown: unknown = error,
): Outcome {
  const { retryAfterMs } = error instanceof TunnelError ? error : {};
  return {
    verdict,
    error: shown,
    ...(verdict === 'proxy' && isHardFault(error) ? { hard: true } : {}),
    ...(isTargetCertificateFault(error, proxy.protocol) ? { intercepted: true } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** An answer over plain http that is the proxy's own page. */
export interface ProxyPage {
  readonly error: Error;
  readonly outcome: Outcome;
  /** Whether the target may have had the request. */
  readonly forwarded: boolean;
}

/** For such a page: it must not pass for the target's. */
export function proxyPage(proxy: Proxy, status: number): ProxyPage {
  const forwarded = !notForwarded.has(status);
  const error = forwarded
    ? Object.assign(new Error(`The proxy answered in place of the target (status ${status})`), {
        code: 'PROXY_PAGE',
      })
    : new TunnelError(proxy, 'handshake', { code: 'PW_PROXY_AUTH', verdict: 'auth', proxyStatus: status });
  const verdict = classify({ phase: 'answered', plainHttp: true, status });
  return { error, outcome: { verdict, status }, forwarded };
}
