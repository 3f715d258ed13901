import { looksLikeEndpoint } from '../core/endpoint.js';
import { readHost } from '../core/host.js';
import type { Harvest } from './harvest.js';
import { type HtmlRow, readHtmlRows } from './html-rows.js';
import { readRecord } from './record.js';
import { readHeader, rowFields } from './record-fields.js';

/**
 * Tables whose header names a host (`IP Address`, `Port`, `Code`, `Country`, ...), and rows of other tables that start
 * with an address. Everything else on a page is furniture, not a record.
 */
export function readHtmlList(harvest: Harvest, html: string): void {
  const tables = new TableReader();
  tables.read(harvest, readHtmlRows(html));
  if (harvest.isEmpty) tables.rejectWithout(harvest);
}

/** Reads the rows of a page, all at once or some at a time. */
export class TableReader {
  readonly #headers = new Map<number, string[]>();

  read(harvest: Harvest, rows: readonly HtmlRow[]): void {
    for (const { table, line, cells } of rows) {
      if (cells.every((cell) => cell === '')) continue;
      const named = readHeader(cells);
      const header = this.#headers.get(table);
      if (named !== undefined) this.#headers.set(table, named);
      else if (header !== undefined) readRecord(harvest, line, rowFields(header, cells));
      else if (startsWithAddress(cells)) harvest.read(line, cells.filter((cell) => cell !== '').join(' | '));
    }
  }

  /** For a page in which nothing was found: rejects it, unless a table of it is merely empty. */
  rejectWithout(harvest: Harvest): void {
    if (this.#headers.size === 0) harvest.reject(1, 'html-no-table', 'The page holds no table of proxies');
  }
}

function startsWithAddress([first = '']: readonly string[]): boolean {
  return readHost(first)?.kind === 'ip' || (looksLikeEndpoint(first) && first.includes('.'));
}
