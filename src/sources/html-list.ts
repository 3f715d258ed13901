import { looksLikeEndpoint } from '../core/endpoint.js';
import { readHost } from '../core/host.js';
import type { Harvest } from './harvest.js';
import { readHtmlRows } from './html-rows.js';
import { readRecord } from './record.js';
import { readHeader, rowFields } from './record-fields.js';

/**
 * Tables whose header names a host (`IP Address`, `Port`, `Code`, `Country`, ...), and rows of other tables that start
 * with an address. Everything else on a page is furniture, not a record.
 */
export function readHtmlList(harvest: Harvest, html: string): void {
  const headers = new Map<number, string[]>();
  for (const { table, line, cells } of readHtmlRows(html)) {
    if (cells.every((cell) => cell === '')) continue;
    const named = readHeader(cells);
    const header = headers.get(table);
    if (named !== undefined) headers.set(table, named);
    else if (header !== undefined) readRecord(harvest, line, rowFields(header, cells));
    else if (startsWithAddress(cells)) harvest.read(line, cells.filter((cell) => cell !== '').join(' | '));
  }
  if (harvest.isEmpty && headers.size === 0)
    harvest.reject(1, 'html-no-table', 'The page holds no table of proxies');
}

function startsWithAddress([first = '']: readonly string[]): boolean {
  return readHost(first)?.kind === 'ip' || (looksLikeEndpoint(first) && first.includes('.'));
}
