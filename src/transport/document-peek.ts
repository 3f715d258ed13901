import type { Timer, Timers } from '../core/clock.js';
import { MAX_BLOCK_BODY } from './block-page.js';

/** The beginning of a body, and all of it. */
export interface Peeked {
  /** Up to 64 kB; read as UTF-8, as what it is searched for is ASCII. */
  readonly text: string;
  /** Every byte, those of the text included. */
  readonly body: ReadableStream<Uint8Array>;
}

/** How long the first byte of a document may be waited for, and all that is looked at of it, in ms. */
const MAX_MS = 1_000;
/** A silence in ms after which what has come must do. */
const IDLE_MS = 250;

/**
 * Whether an answer may be a page that says more than its status: any page, and what comes with a status that turns
 * somebody away. Downloads are never waited for.
 *
 * @param all all that is text, whatever the status
 */
export function isDocument(status: number, headers: Headers, all: boolean): boolean {
  const type = headers.get('content-type') ?? '';
  if (/html/i.test(type)) return !headers.has('location');
  return (
    (all || status >= 400 || status === 202) && /^\s*(?:$|text\/plain|application\/[\w.+-]*json)/i.test(type)
  );
}

/**
 * Looks at the beginning of a body, for a second at most, or until it ends, fails or is cut. It keeps up to 64 kB and
 * two chunks. What goes wrong is left to the one who reads the body.
 */
export async function peek(
  body: ReadableStream<Uint8Array>,
  timers: Timers,
  cut: AbortSignal,
): Promise<Peeked> {
  const reader = body.getReader();
  const read = (): ReturnType<typeof reader.read> => {
    const next = reader.read();
    next.catch(() => {});
    return next;
  };
  const seen: Uint8Array[] = [];
  let coming = read();
  let bytes = 0;
  let enough = (): void => {};
  const stop = new Promise<null>((resolve) => {
    enough = () => resolve(null);
  });
  const longest = timers.setTimeout(enough, MAX_MS);
  let idle: Timer | undefined;
  cut.addEventListener('abort', enough, { once: true });
  try {
    while (bytes < MAX_BLOCK_BODY) {
      const next = await Promise.race([coming, stop]);
      if (next === null || next.done) break;
      seen.push(next.value);
      bytes += next.value.byteLength;
      timers.clearTimeout(idle);
      idle = timers.setTimeout(enough, IDLE_MS);
      coming = read();
    }
  } catch {
    // The body broke off: its reader will hear of it.
  } finally {
    timers.clearTimeout(idle);
    timers.clearTimeout(longest);
    cut.removeEventListener('abort', enough);
  }
  const text = new TextDecoder().decode(Buffer.concat(seen, Math.min(bytes, MAX_BLOCK_BODY)));
  const whole = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const kept = seen.shift();
        if (kept !== undefined) return controller.enqueue(kept);
        const next = await coming;
        if (next.done) return controller.close();
        controller.enqueue(next.value);
        coming = read();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // The body itself reads ahead.
    { highWaterMark: 0 },
  );
  return { text, body: whole };
}
