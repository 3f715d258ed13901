import type { FileHandle } from 'node:fs/promises';

/** Longest line in bytes: one entry with the longest `learned` fits in, and nothing needs more memory. */
const MAX_LINE_BYTES = 524_288;
const CHUNK_BYTES = 65_536;
const NEWLINE = 0x0a;

/** A complete line, or null for one that is too long to be ours. */
export type Line = string | null;

/** The complete lines of a file from an offset on, in bounded memory. */
export interface LinesRead {
  readonly lines: Line[];
  /** Behind the last newline; what follows is a line that was not ended. */
  readonly offset: number;
}

/** Reads all complete lines from `offset` to the end of the file as it is now. */
export async function readLines(file: FileHandle, offset: number): Promise<LinesRead> {
  const lines: Line[] = [];
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let pieces: Buffer[] = [];
  let length = 0;
  let position = offset;
  let ended = offset;
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return { lines, offset: ended };
    let start = 0;
    for (;;) {
      const end = chunk.subarray(0, bytesRead).indexOf(NEWLINE, start);
      const piece = chunk.subarray(start, end < 0 ? bytesRead : end);
      length += piece.length;
      // Of a line that is too long only its length is kept.
      if (length <= MAX_LINE_BYTES) pieces.push(Buffer.from(piece));
      else pieces = [];
      if (end < 0) break;
      lines.push(length <= MAX_LINE_BYTES ? Buffer.concat(pieces).toString('utf8') : null);
      pieces = [];
      length = 0;
      start = end + 1;
      ended = position + start;
    }
    position += bytesRead;
  }
}
