import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib';
import type { Lease } from '../core/lease.js';
import type { Outcome, Verdict } from '../core/outcome.js';
import type { Proxy } from '../core/proxy.js';
import type { SeenAnswer } from '../transport/block-page.js';
import { isTargetCertificateFault } from '../transport/certificate-fault.js';
import { classify, isHardFault } from '../transport/classify.js';
import type { Judge } from '../transport/judge.js';
import { TunnelError } from '../transport/tunnel-error.js';

/** A deadline that cuts a shorter attempt says more about the deadline than about the proxy. In ms. */
export const TELLING_MS = 1_000;
/** Answers of a forward proxy that did not forward: 407, and 597 of proxy-chain for its own upstream. */
const notForwarded: ReadonlySet<number> = new Set([407, 597]);
/** The longest text that is looked for in a compressed beginning, in bytes; a longer one is no wall. */
const MAX_TEXT = 1024 * 1024;

/** Judges an answer and remembers it: once for each. */
export function judgeAnswer(judge: Judge, lease: Lease, seen: SeenAnswer, latencyMs: number): Outcome {
  const host = lease.host ?? new URL(seen.url).host;
  const { verdict, retryAfterMs, passedOn } = judge.answer(seen, { host, proxyId: lease.proxy.id });
  return {
    verdict,
    status: seen.status,
    latencyMs,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    ...(passedOn && { passedOn }),
  };
}

/** The outcome of an attempt without an answer, or none that is whole. */
export function failureOutcome(error: unknown, proxy: Proxy, verdict: Verdict): Outcome {
  const { retryAfterMs } = error instanceof TunnelError ? error : {};
  return {
    verdict,
    error,
    ...(verdict === 'proxy' && isHardFault(error) ? { hard: true } : {}),
    ...(isTargetCertificateFault(error, proxy.protocol) ? { intercepted: true } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** For an answer over plain http that is the proxy's own page: it must not pass for the target's. */
export function proxyPage(proxy: Proxy, status: number): { error: Error; outcome: Outcome } {
  const error = notForwarded.has(status)
    ? new TunnelError(proxy, 'handshake', { code: 'PW_PROXY_AUTH', verdict: 'auth', proxyStatus: status })
    : Object.assign(new Error(`The proxy answered in place of the target (status ${status})`), {
        code: 'PROXY_PAGE',
      });
  return { error, outcome: { verdict: classify({ phase: 'answered', plainHttp: true, status }), status } };
}

/** Text of the beginning of a body; undefined where it cannot be read. */
export function textOf(beginning: Buffer, encoding: string | null | undefined): string | undefined {
  try {
    return decoded(beginning, encoding?.trim().toLowerCase() ?? '').toString();
  } catch {
    return undefined;
  }
}

function decoded(beginning: Buffer, encoding: string): Buffer {
  const options = { maxOutputLength: MAX_TEXT, finishFlush: constants.Z_SYNC_FLUSH };
  if (encoding === 'gzip' || encoding === 'x-gzip') return gunzipSync(beginning, options);
  if (encoding === 'deflate') return inflateSync(beginning, options);
  if (encoding !== 'br') return beginning;
  return brotliDecompressSync(beginning, {
    maxOutputLength: MAX_TEXT,
    finishFlush: constants.BROTLI_OPERATION_FLUSH,
  });
}
