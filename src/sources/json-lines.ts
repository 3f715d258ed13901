import { LineCounter } from './decode.js';

/**
 * Line numbers of the elements of the array under `path`. The text must be valid JSON: `JSON.parse`, which forgets
 * positions, read it before, and this only walks over it once more.
 */
export function elementLines(text: string, path: readonly string[]): number[] {
  const counter = new LineCounter(text);
  const lines: number[] = [];
  let at = skipSpace(text, 0);
  for (const key of path) {
    at = memberValue(text, at, key);
    if (at < 0) return [];
  }
  at = skipSpace(text, at + 1);
  while (at < text.length && text[at] !== ']') {
    lines.push(counter.lineAt(at));
    at = skipSpace(text, skipValue(text, at));
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return lines;
}

/** Where the value of a member of the object at `at` starts, or -1. As in `JSON.parse`, the last of equal keys counts. */
function memberValue(text: string, at: number, key: string): number {
  let found = -1;
  let next = skipSpace(text, at + 1);
  while (next < text.length && text[next] !== '}') {
    const end = skipValue(text, next);
    const value = skipSpace(text, skipSpace(text, end) + 1);
    if (JSON.parse(text.slice(next, end)) === key) found = value;
    next = skipSpace(text, skipValue(text, value));
    if (text[next] === ',') next = skipSpace(text, next + 1);
  }
  return found;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text[at] ?? '')) at++;
  return at;
}

/** Without recursion, so that a document of brackets only cannot exhaust the stack. */
function skipValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '"') at = skipString(text, at) - 1;
    else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (depth === 0) while (at + 1 < text.length && !' \t\n\r,]}:'.includes(text[at + 1] ?? '')) at++;
    at++;
    if (depth === 0) return at;
  }
  return at;
}

function skipString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
