/** Longest line of a list, in characters (rule G2). */
export const MAX_LINE_LENGTH = 4096;
/** Characters that are parsed at a time: less than 10 ms, so that whoever waits for the event loop is not kept waiting. */
export const BATCH_LENGTH = 16_384;

/** Whole lines of a list. */
export interface LineBatch {
  readonly text: string;
  /** Number of its first line, from 1. */
  readonly firstLine: number;
  /** How many lines end in it. */
  readonly lines: number;
  /** Numbers of the lines that were too long; an empty line stands in their place. */
  readonly tooLong: readonly number[];
}

/** Cuts a text that comes in pieces into batches of whole lines, in bounded memory. Lines end at LF, CRLF or CR. */
export class LineBatches {
  readonly #batchLength: number;
  #text = '';
  #firstLine = 1;
  #lines = 0;
  #tooLong: number[] = [];
  /** What there is of the line that has not ended. */
  #open = '';
  #isTooLong = false;
  #endedWithCr = false;

  constructor(batchLength: number = BATCH_LENGTH) {
    this.#batchLength = batchLength;
  }

  /** The batches that are complete with this piece. */
  *push(piece: string): Generator<LineBatch> {
    // The LF of a CRLF that was cut in two.
    let start = this.#endedWithCr && piece.startsWith('\n') ? 1 : 0;
    if (piece !== '') this.#endedWithCr = piece.endsWith('\r');
    const ends = /\r\n|\n|\r/g;
    ends.lastIndex = start;
    for (let end = ends.exec(piece); end !== null; end = ends.exec(piece)) {
      this.#extend(piece.slice(start, end.index));
      this.#endLine();
      start = ends.lastIndex;
      if (this.#text.length >= this.#batchLength) yield this.#take();
    }
    this.#extend(piece.slice(start));
  }

  /** The rest, when nothing follows. */
  *end(): Generator<LineBatch> {
    if (this.#open !== '' || this.#isTooLong) this.#endLine();
    if (this.#lines > 0) yield this.#take();
  }

  #extend(part: string): void {
    if (this.#isTooLong) return;
    this.#open += part;
    if (this.#open.length <= MAX_LINE_LENGTH) return;
    this.#isTooLong = true;
    this.#open = '';
  }

  #endLine(): void {
    if (this.#isTooLong) this.#tooLong.push(this.#firstLine + this.#lines);
    this.#text += `${this.#open}\n`;
    this.#lines += 1;
    this.#open = '';
    this.#isTooLong = false;
  }

  #take(): LineBatch {
    const batch = {
      text: this.#text,
      firstLine: this.#firstLine,
      lines: this.#lines,
      tooLong: this.#tooLong,
    };
    this.#firstLine += this.#lines;
    this.#text = '';
    this.#lines = 0;
    this.#tooLong = [];
    return batch;
  }
}
