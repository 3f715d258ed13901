import { LineCounter } from './decode.js';

/** A row of a table: the text of its cells, and the line its `<tr>` stands on. */
export interface HtmlRow {
  readonly table: number;
  readonly line: number;
  readonly cells: readonly string[];
}

interface OpenRow {
  readonly line: number;
  readonly cells: string[];
}

interface OpenTable {
  readonly id: number;
  row: OpenRow | undefined;
  /** Pieces of the cell that is open. */
  cell: string[] | undefined;
}

/** Elements whose content is not shown, and may hold anything. */
const hidden = new Set(['script', 'style', 'template', 'noscript', 'svg']);

/**
 * All rows of all tables of a page, in document order. One pass from left to right with no look-back: end tags may
 * be missing, tables may be nested, and no input makes it slower than linear.
 */
export function readHtmlRows(html: string): HtmlRow[] {
  const rows: HtmlRow[] = [];
  const open: OpenTable[] = [];
  const counter = new LineCounter(html);
  let tables = 0;

  function closeCell(table: OpenTable): void {
    if (table.cell !== undefined)
      table.row?.cells.push(decodeEntities(table.cell.join('')).replaceAll(/\s+/g, ' ').trim());
    table.cell = undefined;
  }
  function closeRow(table: OpenTable): void {
    closeCell(table);
    if (table.row !== undefined && table.row.cells.length > 0)
      rows.push({ table: table.id, line: table.row.line, cells: table.row.cells });
    table.row = undefined;
  }

  for (let at = 0; at < html.length; ) {
    const lt = html.indexOf('<', at);
    const end = lt < 0 ? html.length : lt;
    open.at(-1)?.cell?.push(html.slice(at, end));
    if (lt < 0) break;
    const tag = readTag(html, lt);
    at = tag.end;
    const table = open.at(-1);
    if (tag.name === '') {
      if (tag.isText) table?.cell?.push('<');
    } else if (tag.closing) {
      if (table === undefined) continue;
      if (tag.name === 'td' || tag.name === 'th') closeCell(table);
      else if (tag.name === 'tr') closeRow(table);
      else if (tag.name === 'table') {
        closeRow(table);
        open.pop();
      }
    } else if (tag.name === 'table') open.push({ id: tables++, row: undefined, cell: undefined });
    else if (hidden.has(tag.name)) at = endOfHidden(html, tag.name, at);
    else if (table === undefined) continue;
    else if (tag.name === 'tr') {
      closeRow(table);
      table.row = { line: counter.lineAt(lt), cells: [] };
    } else if (tag.name === 'td' || tag.name === 'th') {
      closeCell(table);
      table.row ??= { line: counter.lineAt(lt), cells: [] };
      table.cell = [];
    } else if (tag.name === 'br') table.cell?.push(' ');
  }
  for (const table of open) closeRow(table);
  return rows;
}

interface Tag {
  /** Lower case; empty for a comment, a doctype, or a `<` that starts no tag. */
  readonly name: string;
  readonly closing: boolean;
  readonly isText: boolean;
  readonly end: number;
}

function readTag(html: string, lt: number): Tag {
  if (html.startsWith('<!--', lt)) {
    const close = html.indexOf('-->', lt + 4);
    return { name: '', closing: false, isText: false, end: close < 0 ? html.length : close + 3 };
  }
  const closing = html[lt + 1] === '/';
  const start = lt + (closing ? 2 : 1);
  let end = start;
  while (isNameCode(html.charCodeAt(end))) end++;
  const name = html.slice(start, end).toLowerCase();
  const isText = name === '' && html[start] !== '!' && html[start] !== '?' && !closing;
  return { name, closing, isText, end: isText ? lt + 1 : endOfTag(html, end) };
}

/** Past the `>` of a tag; one inside a quoted attribute value does not count. */
function endOfTag(html: string, from: number): number {
  let quote = '';
  for (let at = from; at < html.length; at++) {
    const char = html[at] ?? '';
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '>') return at + 1;
    else if ((char === '"' || char === "'") && html[at - 1] === '=') quote = char;
  }
  return html.length;
}

function endOfHidden(html: string, name: string, from: number): number {
  for (let at = html.indexOf('</', from); at >= 0; at = html.indexOf('</', at + 2)) {
    if (html.slice(at + 2, at + 2 + name.length).toLowerCase() === name) return endOfTag(html, at);
  }
  return html.length;
}

function isNameCode(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57);
}

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  colon: ':',
  period: '.',
  sol: '/',
  commat: '@',
};

/** The entities of a proxy table; others stay as they are. */
function decodeEntities(text: string): string {
  return text.replaceAll(
    /&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]{2,6}));/g,
    (whole, decimal, hex, name) => {
      if (name !== undefined) return entities[name] ?? whole;
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
