import Table from 'cli-table3';
import { printable } from './safe-text.js';

/** Laying out one table takes time with the square of its rows. */
const ROWS_AT_ONCE = 100;
const WIDEST = 60;

const frameless = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
  ].map((name) => [name, '']),
);

/** A table without a frame, as pieces of text: columns that a person can read, and `awk` as well. */
export function* renderTable(
  head: readonly string[],
  rows: Iterable<readonly string[]>,
  paintHead: (line: string) => string,
): Generator<string> {
  const cells = [...rows].map((row) => row.map((cell) => (cell === '' ? '-' : printable(cell))));
  const widths = head.map((name, column) => {
    const longest = cells.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), name.length);
    return Math.min(longest, WIDEST);
  });
  const lay = (some: readonly (readonly string[])[]): string => {
    const table = new Table({
      chars: { ...frameless, middle: '  ' },
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
      colWidths: widths,
    });
    table.push(...some.map((row) => [...row]));
    return table.toString().replace(/ +$/gm, '');
  };
  yield `${paintHead(lay([head]))}\n`;
  for (let at = 0; at < cells.length; at += ROWS_AT_ONCE)
    yield `${lay(cells.slice(at, at + ROWS_AT_ONCE))}\n`;
}

/** `12.34` -> `12`; null -> `-`. */
export function rounded(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : value.toFixed(0);
}
