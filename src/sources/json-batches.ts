import { ProxyListError } from '../errors.js';
import { BATCH_LENGTH } from './line-batches.js';

/** Longest record of a JSON document, in characters: nothing that is one proxy comes near. */
const MAX_RECORD_LENGTH = 1_048_576;

/** A valid document with some of the records of a longer one. */
export interface JsonBatch {
  readonly text: string;
  /** Number of the line that it starts with, from 1. */
  readonly firstLine: number;
}

interface Container {
  readonly bracket: '[' | '{';
  /** The text of the key of an object that is being read, with its quotes. */
  key: string;
}

/**
 * Cuts a JSON document that comes in pieces into documents of the same shape: `{"data":[A,B,C]}` into `{"data":[A,B]}`
 * and `{"data":[C]}`. Cuts are made only between two elements of an array that nothing but objects is around, which is
 * where lists keep their records. A short document comes out in one piece. It is not checked: `JSON.parse` will.
 */
export class JsonBatches {
  readonly #stack: Container[] = [];
  #pending: string[] = [];
  #length = 0;
  #line = 1;
  #firstLine = 1;
  #inString = false;
  #isEscaped = false;
  /** The string that is being read, when it can be a key. */
  #string: string | null = null;
  #awaitsKey = false;
  #endedWithCr = false;
  /** Characters since a cut was possible. */
  #sinceCut = 0;

  /** @throws ProxyListError when one record is longer than 1 MiB */
  *push(piece: string): Generator<JsonBatch> {
    let start = 0;
    for (let at = 0; at < piece.length; at++) {
      const char = piece.charCodeAt(at);
      if (char === 13 || (char === 10 && !this.#endedWithCr)) this.#line += 1;
      this.#endedWithCr = char === 13;
      if (this.#inString) {
        this.#inText(piece[at] as string, char);
        continue;
      }
      if (char === 34) {
        this.#inString = true;
        this.#string = this.#awaitsKey ? '"' : null;
      } else if (char === 91 || char === 123) {
        this.#stack.push({ bracket: char === 91 ? '[' : '{', key: '' });
        this.#awaitsKey = char === 123;
      } else if (char === 93 || char === 125) {
        this.#stack.pop();
        this.#awaitsKey = false;
      } else if (char === 44) {
        this.#awaitsKey = this.#stack.at(-1)?.bracket === '{';
        if (!this.#mayCut()) continue;
        this.#sinceCut = -(at + 1);
        if (this.#length + at - start < BATCH_LENGTH) continue;
        this.#keep(piece.slice(start, at));
        start = at + 1;
        yield this.#take(closing(this.#stack), opening(this.#stack));
      }
    }
    this.#keep(piece.slice(start));
    this.#sinceCut += piece.length;
    if (this.#sinceCut > MAX_RECORD_LENGTH)
      throw new ProxyListError('A JSON record of more than 1 MiB is not read.');
  }

  *end(): Generator<JsonBatch> {
    yield this.#take('', '');
  }

  #inText(char: string, code: number): void {
    if (this.#string !== null) this.#string += char;
    if (this.#isEscaped) this.#isEscaped = false;
    else if (code === 92) this.#isEscaped = true;
    else if (code === 34) {
      this.#inString = false;
      const top = this.#stack.at(-1);
      if (this.#string !== null && top !== undefined) top.key = this.#string;
      this.#string = null;
      this.#awaitsKey = false;
    }
  }

  #mayCut(): boolean {
    const depth = this.#stack.length;
    if (depth === 0 || depth > 3 || this.#stack[depth - 1]?.bracket !== '[') return false;
    for (let i = 0; i < depth - 1; i++) if (this.#stack[i]?.bracket !== '{') return false;
    return true;
  }

  #keep(text: string): void {
    if (text === '') return;
    this.#pending.push(text);
    this.#length += text.length;
  }

  #take(close: string, open: string): JsonBatch {
    const batch = { text: this.#pending.join('') + close, firstLine: this.#firstLine };
    this.#pending = open === '' ? [] : [open];
    this.#length = 0;
    this.#firstLine = this.#line;
    return batch;
  }
}

function opening(stack: readonly Container[]): string {
  return stack.map(({ bracket, key }) => (bracket === '[' ? '[' : `{${key}:`)).join('');
}

function closing(stack: readonly Container[]): string {
  return stack
    .map(({ bracket }) => (bracket === '[' ? ']' : '}'))
    .reverse()
    .join('');
}
