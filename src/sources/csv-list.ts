import { type Options, parse } from 'csv-parse/sync';
import { readMetadata, splitColumns } from '../core/columns.js';
import { isSkipped } from '../core/line.js';
import { parseProxy } from '../core/parse.js';
import { withMetadata } from '../core/proxy.js';
import { eachLine } from './decode.js';
import type { Harvest } from './harvest.js';
import { readRecord } from './record.js';
import { readHeader, rowFields } from './record-fields.js';

interface Row {
  readonly cells: readonly string[];
  readonly line: number;
}

/** What csv-parse gives with `info`. */
type Parsed = readonly { readonly record: readonly string[]; readonly info: { readonly lines: number } }[];

/** Columns in any order under a header; without one each row is a line with columns (rule G11). */
export function readCsvList(harvest: Harvest, text: string): void {
  const delimiter = findDelimiter(text) ?? ',';
  let header: string[] | undefined;
  for (const { cells, line } of readRows(text, delimiter)) {
    const first = cells[0] ?? '';
    if (cells.every((cell) => cell === '') || isComment(first)) continue;
    // What is left of a quote that nothing closes; a password could be cut off behind it.
    if (cells.some((cell) => cell.startsWith('"'))) {
      harvest.reject(line, 'csv-quote', 'A quote is not closed on its line');
      continue;
    }
    // Joined lists repeat their header.
    const named = readHeader(cells);
    if (named !== undefined) header = named;
    else if (header !== undefined) readRecord(harvest, line, rowFields(header, cells));
    else readBareRow(harvest, line, cells, delimiter);
  }
}

/** The delimiter that is most frequent in the first line that says anything; undefined when it has none of them. */
function findDelimiter(text: string): string | undefined {
  const line = firstLine(text);
  let best: string | undefined;
  let most = 0;
  for (const delimiter of [',', '\t', ';']) {
    const count = line.split(delimiter).length - 1;
    if (count > most) [best, most] = [delimiter, count];
  }
  return best;
}

/** Whether the first line that says anything is a header, or has quoted cells. */
export function looksLikeCsv(text: string): boolean {
  const line = firstLine(text);
  const cells = line.split(findDelimiter(text) ?? ',');
  if (readHeader(cells.map((cell) => cell.trim())) !== undefined) return true;
  return line.startsWith('"') && /"\s*[,;\t]\s*\S/.test(line);
}

/** The first 64 KiB are enough to look at: a longer line is no header. */
function firstLine(text: string): string {
  let found = '';
  eachLine(text.slice(0, 65_536), (line) => {
    if (found === '' && !isSkipped(line)) found = line.trim();
  });
  return found;
}

function readRows(text: string, delimiter: string): Row[] {
  const options: Options = {
    delimiter,
    comment: '#',
    comment_no_infix: true,
    info: true,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  };
  try {
    const parsed = readCells(text, options);
    if (!parsed.some(({ record }) => record.some(spansLines))) return toRows(parsed);
  } catch {
    // A quote that is never closed: read on below.
  }
  // No cell of a proxy list spans lines. Where one seems to, a stray quote is swallowing rows, so that each line is
  // read on its own and only the one with the quote is lost.
  const rows: Row[] = [];
  eachLine(text, (line, number) => {
    if (line.trim() !== '' && !isComment(line.split(delimiter)[0] ?? ''))
      rows.push({ cells: readLineAlone(line, delimiter, options), line: number });
  });
  return rows;
}

/** A first cell in which there is nothing to be seen makes no comment of its row, nor does a `;` that ends it. */
function isComment(first: string): boolean {
  return isSkipped(`${first}.`);
}

function readLineAlone(line: string, delimiter: string, options: Options): string[] {
  try {
    // Most lines have no quote, and one call of the parser for each of them would take seconds.
    return line.includes('"')
      ? toRows(readCells(line, options)).flatMap(({ cells }) => [...cells])
      : line.split(delimiter).map((cell) => cell.trim());
  } catch {
    return ['"'];
  }
}

function readCells(text: string, options: Options): Parsed {
  return parse(text, options) as unknown as Parsed;
}

function toRows(parsed: Parsed): Row[] {
  return parsed.map(({ record, info }) => ({
    cells: record.map((cell) => cell.trim()),
    line: info.lines,
  }));
}

function spansLines(cell: string): boolean {
  return cell.includes('\n') || cell.includes('\r');
}

function readBareRow(harvest: Harvest, line: number, cells: readonly string[], delimiter: string): void {
  const [first = '', ...rest] = cells;
  // `http://u:p@203.0.113.7:80,DE`: a URL of its own in the first cell, where rule G11 knows no columns.
  if (rest.length > 0 && (first.includes('://') || first.includes('@'))) {
    const proxy = attempt(first);
    if (proxy !== undefined) {
      try {
        const columns = splitColumns({ text: rest.join(' '), at: 0 });
        const { countryCode } = readMetadata(columns, proxy.protocol);
        harvest.add(countryCode === undefined ? proxy : withMetadata(proxy, { geo: { countryCode } }));
      } catch (error) {
        harvest.rejectWith(line, error);
      }
      return;
    }
  }
  harvest.read(line, cells.join(delimiter));
}

function attempt(text: string): ReturnType<typeof parseProxy> | undefined {
  try {
    return parseProxy(text);
  } catch {
    return undefined;
  }
}
