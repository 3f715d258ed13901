import { pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Timer } from '../core/clock.js';
import type { Deadline } from './deadline.js';
import { type FetchAttempt, FetchError, presentable } from './fetch-error.js';

/** How a body ended. */
export type BodyEnd =
  /** The caller may have all of it. */
  | 'whole'
  /** The caller has had enough, or is over the limit that it set. */
  | 'left'
  /** The caller's signal cut it: that tells nothing of the proxy, which may have been the reason. */
  | 'aborted'
  /** It broke off, stalled, or is no valid encoding. */
  | 'broken';

/** Limits of a body, and the attempts that its errors tell of. */
export interface BodyLimits {
  /** Decoded. */
  readonly maxBytes: number;
  /** The longest silence in ms, while the caller waits. */
  readonly idleMs: number;
  readonly attempts: readonly FetchAttempt[];
}

/** Read ahead of the caller: a small answer frees its proxy whether or not anybody reads it. */
const READ_AHEAD_BYTES = 64 * 1024;

/**
 * The body of an answer as a web stream that fails unless it is whole. Lengths are checked by undici, encodings by
 * zlib; here are the limits of size and time, and the end is told once.
 *
 * @param encoding `Content-Encoding`; one is decoded, a chain of them is left alone, as it serves bombs only
 */
export function readAnswer(
  raw: Readable,
  encoding: string | null,
  limits: BodyLimits,
  deadline: Deadline,
  ended: (end: BodyEnd) => void,
): ReadableStream<Uint8Array> {
  const source = decoded(raw, encoding);
  let stream: ReadableStreamDefaultController<Uint8Array>;
  let bytes = 0;
  let open = true;
  const { timers } = deadline;
  let idle: Timer | undefined;

  const finish = (end: BodyEnd, error?: Error): void => {
    if (!open) return;
    open = false;
    timers.clearTimeout(idle);
    deadline.signal.removeEventListener('abort', onCut);
    if (error !== undefined) stream.error(error);
    // Undici wants a reader for what goes wrong while it is torn down.
    raw.on('error', () => {});
    source.on('error', () => {});
    if (end !== 'whole') {
      raw.destroy();
      source.destroy();
    }
    ended(end);
  };
  const broken = (detail: string, cause?: unknown): void => {
    // Every body closes after its end; an error with a stack would be made for nothing.
    if (!open) return;
    const options = cause === undefined ? undefined : { cause: presentable(cause) };
    finish('broken', new FetchError('PW_FETCH_BODY_BROKEN', detail, limits.attempts, options));
  };
  const onCut = (): void => {
    if (deadline.reason === 'aborted') {
      const options = { cause: deadline.callerReason };
      finish(
        'aborted',
        new FetchError('PW_FETCH_ABORTED', 'while its body was read', limits.attempts, options),
      );
      return;
    }
    // Of a caller that does not read, the proxy knows nothing.
    finish(
      source.isPaused() ? 'left' : 'broken',
      new FetchError('PW_FETCH_DEADLINE', 'while its body was read', limits.attempts),
    );
  };
  const listen = (): void => {
    timers.clearTimeout(idle);
    idle = timers.setTimeout(() => broken(`nothing came for ${limits.idleMs} ms`), limits.idleMs);
    idle.unref?.();
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stream = controller;
        deadline.signal.addEventListener('abort', onCut, { once: true });
        source.on('data', (chunk: Uint8Array) => {
          if (!open) return;
          bytes += chunk.byteLength;
          if (bytes > limits.maxBytes) {
            finish('left', bodyLimit(limits.maxBytes, limits.attempts));
            return;
          }
          controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
          listen();
          if ((controller.desiredSize ?? 0) > 0) return;
          source.pause();
          timers.clearTimeout(idle);
        });
        source.once('end', () => {
          if (open) controller.close();
          finish('whole');
        });
        source.once('error', (error) => broken('it broke off', error));
        source.once('close', () => broken('it broke off'));
        listen();
        if (deadline.signal.aborted) onCut();
      },
      pull() {
        if (!open || !source.isPaused()) return;
        listen();
        source.resume();
      },
      cancel() {
        finish('left');
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: READ_AHEAD_BYTES }),
  );
}

export function bodyLimit(maxBytes: number, attempts: readonly FetchAttempt[]): FetchError {
  return new FetchError('PW_FETCH_BODY_LIMIT', `more than ${maxBytes} bytes`, attempts);
}

function decoded(raw: Readable, encoding: string | null): Readable {
  const decoder = decoderOf(encoding?.trim().toLowerCase() ?? '');
  if (decoder === null) return raw;
  // Both sides end with an error when one does, and the reader of `decoder` hears of it.
  pipeline(raw, decoder, () => {});
  return decoder;
}

function decoderOf(encoding: string): ReturnType<typeof createGunzip> | null {
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip();
  if (encoding === 'deflate') return createInflate();
  return encoding === 'br' ? createBrotliDecompress() : null;
}
