import { extname } from 'node:path';
import { isSkipped } from '../core/line.js';
import { protocolOfScheme } from '../core/protocol.js';
import { looksLikeCsv, readCsvList } from './csv-list.js';
import { decodeList, eachLine } from './decode.js';
import { Harvest, type ParsedProxyList } from './harvest.js';
import { readHtmlList } from './html-list.js';
import { readJsonLines, readJsonList } from './json-list.js';

export type { ParsedProxyList } from './harvest.js';

/** A format of {@link parseProxyList}; `auto` looks at the content. */
export type ProxyListFormat = 'auto' | 'text' | 'json' | 'jsonl' | 'csv' | 'html';

export interface ParseProxyListOptions {
  /** @default 'auto' */
  readonly format?: ProxyListFormat | undefined;
}

const readers: Readonly<Record<Exclude<ProxyListFormat, 'auto'>, (harvest: Harvest, text: string) => void>> =
  {
    text: readTextList,
    json: readJsonList,
    jsonl: readJsonLines,
    csv: readCsvList,
    html: readHtmlList,
  };

/**
 * Reads a whole list. Nothing in it gets lost without a word: each record is a proxy or a rejected line; only blank
 * lines and comments are neither. Entries for the same proxy collapse into the first.
 *
 * `line` counts from 1: the line of the text, the start of a JSON record or CSV row, the `<tr>` of an HTML row.
 * `rule` is one of `G1` to `G14`, or `missing-host`, `missing-port`, `redacted-password`, `unknown-shape`,
 * `json-syntax`, `csv-quote`, `html-no-table`, `metadata`. `column` is given for text lines only.
 *
 * Never throws for what the list holds. Bytes are UTF-8 unless a byte order mark says UTF-16.
 */
export function parseProxyList(
  input: string | Uint8Array,
  options: ParseProxyListOptions = {},
): ParsedProxyList {
  const text = decodeList(input);
  const format = options.format ?? 'auto';
  const harvest = new Harvest();
  readers[format === 'auto' ? sniffFormat(text) : format](harvest, text);
  return harvest.result();
}

function readTextList(harvest: Harvest, text: string): void {
  eachLine(text, (line, number) => {
    if (!isSkipped(line)) harvest.read(number, line, true);
  });
}

/** What the beginning of a list looks like; the first 64 Ki characters decide. */
export function sniffFormat(text: string): Exclude<ProxyListFormat, 'auto'> {
  const start = text.slice(0, 65_536).trimStart();
  if (start[0] === '<' && looksLikeHtml(start)) return 'html';
  // `[2001:db8::1]:8080` and `[my list]` are lines of text.
  if (/^(?:\{\s*["}]|\[\s*["{[\]])/.test(start)) return sniffJson(text);
  return looksLikeCsv(text) ? 'csv' : 'text';
}

/** `<http://203.0.113.7:80>` is a quoted line of text (rule G3). */
function looksLikeHtml(start: string): boolean {
  const name = /^<!?([a-z][a-z0-9]*)/i.exec(start)?.[1];
  if (start.startsWith('<!--')) return true;
  return (
    name !== undefined &&
    !(protocolOfScheme(name) !== undefined && start.includes('://')) &&
    !/^<[^<>\s]*:[0-9]{1,5}>/.test(start)
  );
}

/** Lines of JSON, when two objects follow each other without a comma, one of them complete on its line. */
function sniffJson(text: string): 'json' | 'jsonl' {
  const lines: string[] = [];
  eachLine(text, (line) => {
    if (lines.length < 2 && !isSkipped(line)) lines.push(line.trim());
  });
  const [first = '', second] = lines;
  if (second === undefined) return 'json';
  return isJson(first) || (first.startsWith('{') && second.startsWith('{') && isJson(second))
    ? 'jsonl'
    : 'json';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const formatOfExtension: Readonly<Record<string, ProxyListFormat>> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.html': 'html',
  '.htm': 'html',
};

/** By the extension; `.json` says too little, since lines of JSON have it as well. */
export function formatOfPath(path: string): ProxyListFormat {
  return formatOfExtension[extname(path).toLowerCase()] ?? 'auto';
}
