/**
 * Text of a list. A byte order mark decides between UTF-8, UTF-16LE and UTF-16BE; without one it is UTF-8. Bytes
 * that are no UTF-8 become U+FFFD, which no host and no credential may hold: such a line is rejected, not altered.
 */
export function decodeList(input: string | Uint8Array): string {
  if (typeof input === 'string') return input.startsWith('\ufeff') ? input.slice(1) : input;
  const [first, second] = input;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(input);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(input);
  return new TextDecoder('utf-8').decode(input);
}

/** Calls `visit` with each line and its number from 1. Lines end at LF, CRLF or a lone CR. */
export function eachLine(text: string, visit: (line: string, number: number) => void): void {
  let number = 1;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code !== 10 && code !== 13) continue;
    visit(text.slice(start, i), number++);
    if (code === 13 && text.charCodeAt(i + 1) === 10) i++;
    start = i + 1;
  }
  if (start < text.length) visit(text.slice(start), number);
}

/** Line numbers of positions that only grow: the text is walked once, whatever the number of questions. */
export class LineCounter {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  lineAt(position: number): number {
    for (; this.#at < position; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 10 || (code === 13 && this.#text.charCodeAt(this.#at + 1) !== 10)) this.#line++;
    }
    return this.#line;
  }
}
