import { createReadStream } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { TextDecoder } from 'node:util';
import type { Proxy } from '../core/proxy.js';
import { ProxyListError, type RejectedLine } from '../errors.js';
import { formatOfPath, type ProxyListFormat, parseProxyList, sniffFormat } from './formats.js';
import { Harvest } from './harvest.js';
import { TableReader } from './html-list.js';
import { readHtmlRows } from './html-rows.js';
import { JsonBatches } from './json-batches.js';
import { type LineBatch, LineBatches, MAX_LINE_LENGTH } from './line-batches.js';

/** A path, or the content in pieces: bytes (UTF-8, or UTF-16 with a byte order mark) or text. */
export type ImportInput = string | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>;

/** What was read so far. */
export interface ImportProgress {
  readonly bytes: number;
  readonly proxies: number;
  readonly rejected: number;
}

export interface ImportOptions {
  /**
   * `auto` goes by the extension of a path (`.jsonl`, `.ndjson`, `.csv`, `.tsv`, `.html`, `.htm`), else by the content.
   * @default 'auto'
   */
  readonly format?: ProxyListFormat | undefined;
  /** Told after each batch. */
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  /** Ends the import with the reason of the signal. */
  readonly signal?: Pick<AbortSignal, 'throwIfAborted'> | undefined;
}

/** Some hundred records of a list. */
export interface ImportBatch {
  /** In the order of the list, each id once per batch: the same proxy may come again in a later one. */
  readonly proxies: readonly Proxy[];
  /** Line numbers count from 1 in the whole list. */
  readonly rejected: readonly RejectedLine[];
}

/** A page is cut into its rows at once, since tables may be nested; a longer one would stall the process. In characters. */
const MAX_PAGE_LENGTH = 1_048_576;
const PAGE_ROWS_AT_ONCE = 200;
/** A row of CSV costs four times as much as a line of text. */
const CSV_BATCH_LENGTH = 4096;
const SNIFFED_LENGTH = 65_536;

type Format = Exclude<ProxyListFormat, 'auto'>;

/**
 * Reads a list of any length in bounded memory, in batches of some 16 kB, and lets the event loop turn between them.
 * Nothing in it gets lost without a word, as in `parseProxyList`.
 *
 * @throws ProxyListError for a page or a JSON record of more than 1 MiB
 * @throws the error of the stream, or the reason of the signal
 */
export async function* importProxies(
  input: ImportInput,
  options: ImportOptions = {},
): AsyncGenerator<ImportBatch> {
  const { signal, onProgress } = options;
  const progress = { bytes: 0, proxies: 0, rejected: 0 };
  const pieces = decode(typeof input === 'string' ? createReadStream(input) : input, (bytes) => {
    signal?.throwIfAborted();
    progress.bytes += bytes;
  });
  for await (const batch of readBatches(pieces, formatOf(input, options.format ?? 'auto'))) {
    progress.proxies += batch.proxies.length;
    progress.rejected += batch.rejected.length;
    onProgress?.({ ...progress });
    yield batch;
    await turn();
    signal?.throwIfAborted();
  }
}

function formatOf(input: ImportInput, format: ProxyListFormat): ProxyListFormat {
  return format === 'auto' && typeof input === 'string' ? formatOfPath(input) : format;
}

async function* decode(
  chunks: AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<string> {
  // A byte order mark may be cut in two.
  let head = new Uint8Array(0);
  let decoder: TextDecoder | undefined;
  let isFirst = true;
  for await (const chunk of chunks) {
    onBytes(typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length);
    if (typeof chunk === 'string') {
      yield isFirst && chunk.startsWith('\ufeff') ? chunk.slice(1) : chunk;
      isFirst &&= chunk === '';
      continue;
    }
    if (decoder === undefined) {
      head = Buffer.concat([head, chunk]);
      if (head.length < 2) continue;
      decoder = decoderOf(head);
      yield decoder.decode(head, { stream: true });
    } else yield decoder.decode(chunk, { stream: true });
  }
  yield decoder?.decode() ?? new TextDecoder().decode(head);
}

function decoderOf([first, second]: Uint8Array): TextDecoder {
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le');
  return new TextDecoder(first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8');
}

async function* readBatches(
  pieces: AsyncGenerator<string>,
  given: ProxyListFormat,
): AsyncGenerator<ImportBatch> {
  const open = (text: string): Reader => readerOf(given === 'auto' ? sniffFormat(text) : given);
  let head = '';
  let reader: Reader | undefined;
  for await (const piece of pieces) {
    if (reader !== undefined) {
      yield* reader.push(piece);
      continue;
    }
    head += piece;
    if (given === 'auto' && head.length < SNIFFED_LENGTH) continue;
    reader = open(head);
    yield* reader.push(head);
  }
  if (reader === undefined) {
    reader = open(head);
    yield* reader.push(head);
  }
  yield* reader.end();
}

interface Reader {
  push(piece: string): Iterable<ImportBatch>;
  end(): Iterable<ImportBatch>;
}

function readerOf(format: Format): Reader {
  if (format === 'html') return new PageReader();
  return format === 'json' ? new JsonReader() : new LineReader(format);
}

class LineReader implements Reader {
  readonly #format: 'text' | 'jsonl' | 'csv';
  readonly #batches: LineBatches;
  /** Of CSV: the row that names the columns, undefined before it was looked for. */
  #header: string | undefined;

  constructor(format: 'text' | 'jsonl' | 'csv') {
    this.#format = format;
    this.#batches = format === 'csv' ? new LineBatches(CSV_BATCH_LENGTH) : new LineBatches();
  }

  *push(piece: string): Generator<ImportBatch> {
    for (const batch of this.#batches.push(piece)) yield this.#read(batch);
  }

  *end(): Generator<ImportBatch> {
    for (const batch of this.#batches.end()) yield this.#read(batch);
  }

  #read({ text, firstLine, tooLong }: LineBatch): ImportBatch {
    const header = this.#format === 'csv' ? (this.#header ?? '') : '';
    const list = parseProxyList(header + text, { format: this.#format });
    // The header is a line of the list that was parsed, and of none that was given.
    const offset = firstLine - (header === '' ? 1 : 2);
    const rejected = list.rejected.map((one) => ({ ...one, line: one.line + offset }));
    if (this.#format === 'csv') this.#header ??= findHeader(text);
    for (const line of tooLong)
      rejected.push({ line, rule: 'G2', message: `The line has more than ${MAX_LINE_LENGTH} characters` });
    return { proxies: list.proxies, rejected: rejected.sort((a, b) => a.line - b.line) };
  }
}

/** The first line of a CSV that is a header, with its LF: neither a proxy nor rejected. Empty when there is none. */
function findHeader(text: string): string {
  for (const line of text.split('\n')) {
    const { proxies, rejected } = parseProxyList(line, { format: 'csv' });
    if (proxies.length + rejected.length > 0) return '';
    if (/^\s*[^\s#;/]/.test(line)) return `${line}\n`;
  }
  return '';
}

class JsonReader implements Reader {
  readonly #batches = new JsonBatches();

  *push(piece: string): Generator<ImportBatch> {
    for (const { text, firstLine } of this.#batches.push(piece)) yield this.#read(text, firstLine);
  }

  *end(): Generator<ImportBatch> {
    for (const { text, firstLine } of this.#batches.end()) yield this.#read(text, firstLine);
  }

  #read(text: string, firstLine: number): ImportBatch {
    const { proxies, rejected } = parseProxyList(text, { format: 'json' });
    return { proxies, rejected: rejected.map((one) => ({ ...one, line: one.line + firstLine - 1 })) };
  }
}

class PageReader implements Reader {
  #page = '';

  push(piece: string): ImportBatch[] {
    this.#page += piece;
    if (this.#page.length > MAX_PAGE_LENGTH)
      throw new ProxyListError('A page of more than 1 MiB is not read as a list.');
    return [];
  }

  *end(): Generator<ImportBatch> {
    const rows = readHtmlRows(this.#page);
    const tables = new TableReader();
    let isEmpty = true;
    for (let at = 0; at < rows.length; at += PAGE_ROWS_AT_ONCE) {
      const harvest = new Harvest();
      tables.read(harvest, rows.slice(at, at + PAGE_ROWS_AT_ONCE));
      isEmpty &&= harvest.isEmpty;
      yield harvest.result();
    }
    const rest = new Harvest();
    if (isEmpty) tables.rejectWithout(rest);
    if (!rest.isEmpty) yield rest.result();
  }
}
