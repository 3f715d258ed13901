import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib';
import type { Lease } from '../core/lease.js';
import type { Outcome } from '../core/outcome.js';
import { answerOutcome } from '../transport/attempt-outcome.js';
import type { SeenAnswer } from '../transport/block-page.js';
import type { Judge } from '../transport/judge.js';

/** The longest text that is looked for in a compressed beginning, in bytes; a longer one is no wall. */
const MAX_TEXT = 1024 * 1024;

/** Judges an answer and remembers it: once for each. */
export function judgeAnswer(judge: Judge, lease: Lease, seen: SeenAnswer, latencyMs: number): Outcome {
  const host = lease.host ?? new URL(seen.url).host;
  return answerOutcome(judge.answer(seen, { host, proxyId: lease.proxy.id }), seen.status, latencyMs);
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
