import { ApiError } from './api-error.js';

/** Bytes of all bodies that are gathered and held at the same time: many large answers must not take all memory. */
const ROOM_BYTES = 64 * 1024 * 1024;
const RETRY_MS = 1_000;

/** Room that bodies share until they have been passed on. */
export class BodyRoom {
  #left: number;

  constructor(bytes: number = ROOM_BYTES) {
    this.#left = bytes;
  }

  /**
   * All of a body; one that does not fit is cut.
   * @param whenGone is told what to call when nobody holds the body any more
   * @throws ApiError BUSY, and what reading throws
   */
  async gather(
    body: ReadableStream<Uint8Array> | null,
    whenGone: (giveBack: () => void) => void,
  ): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let held = 0;
    const giveBack = (): void => {
      this.#left += held;
    };
    try {
      for await (const chunk of body ?? []) {
        held += chunk.byteLength;
        this.#left -= chunk.byteLength;
        if (this.#left < 0) throw new ApiError('BUSY', { retryAfterMs: RETRY_MS });
        chunks.push(chunk);
      }
    } catch (error) {
      giveBack();
      throw error;
    }
    whenGone(giveBack);
    return Buffer.concat(chunks);
  }
}
