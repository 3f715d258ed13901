import { ProxyParseError } from '../errors.js';

/** A piece of a line and where it starts in it, counted from 0: errors name columns of the line as it was given. */
export interface Piece {
  readonly text: string;
  readonly at: number;
}

const longestLine = 4096;

/** Unicode White_Space. */
export function isSpace(code: number): boolean {
  if (code < 128) return code === 32 || (code >= 9 && code <= 13);
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** Space, and what looks like nothing at all: byte order mark, zero-width characters, direction marks. */
function isInvisible(code: number): boolean {
  return (
    isSpace(code) ||
    (code >= 0x200b && code <= 0x200f) ||
    code === 0x2060 ||
    code === 0x180e ||
    code === 0xfeff
  );
}

function trim(text: string, from: number, to: number): Piece {
  let start = from;
  let end = to;
  while (start < end && isInvisible(text.charCodeAt(start))) start++;
  while (end > start && isInvisible(text.charCodeAt(end - 1))) end--;
  return { text: text.slice(start, end), at: start };
}

/** Whether a line of a list says nothing: blank, or a comment that starts with `#`, `//` or `;` (rule G1). */
export function isSkipped(line: string): boolean {
  const { text } = trim(line, 0, line.length);
  return text === '' || isComment(text);
}

function isComment(text: string): boolean {
  return text.startsWith('#') || text.startsWith(';') || text.startsWith('//');
}

/**
 * Takes the wrapping off a line (rules G1 to G3): invisible ends, a comment at the end, trailing separators, one
 * pair of quotes.
 * @throws ProxyParseError when nothing is left, or the line is too long or holds a control character.
 */
export function unwrapLine(line: string): Piece {
  const { text, at } = trim(line, 0, line.length);
  if (text === '') throw new ProxyParseError('G1', 1, 'The line is blank');
  if (isComment(text)) throw new ProxyParseError('G1', at + 1, 'The line is a comment');
  if (text.length > longestLine)
    throw new ProxyParseError(
      'G2',
      at + longestLine + 1,
      `The line is longer than ${longestLine} characters`,
    );
  let end = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === 127)
      throw new ProxyParseError('G2', at + i + 1, 'The line holds a control character');
    if (code === 35 && end === text.length && isSpace(text.charCodeAt(i - 1))) end = i;
  }
  while (end > 0 && isTrailing(text.charCodeAt(end - 1))) end--;
  if (end === 0) throw new ProxyParseError('G3', at + 1, 'The line holds nothing but separators');
  const inner = isQuoted(text, end) ? trim(text, 1, end - 1) : { text: text.slice(0, end), at: 0 };
  if (inner.text === '') throw new ProxyParseError('G3', at + 1, 'There is nothing between the quotes');
  return { text: inner.text, at: at + inner.at };
}

function isTrailing(code: number): boolean {
  return code === 44 || code === 59 || isInvisible(code);
}

function isQuoted(text: string, end: number): boolean {
  const first = text[0];
  const last = text[end - 1];
  return end > 1 && ((first === last && (first === '"' || first === "'")) || (first === '<' && last === '>'));
}

/** Index of the first white space, or -1. */
export function indexOfSpace(text: string): number {
  for (let i = 0; i < text.length; i++) if (isSpace(text.charCodeAt(i))) return i;
  return -1;
}

/** Index of the first `/ ? # \`, where the authority of a URL ends, or -1. */
export function indexOfPath(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 47 || code === 63 || code === 35 || code === 92) return i;
  }
  return -1;
}
