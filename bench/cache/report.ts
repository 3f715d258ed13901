import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';

export type Unit = 'ns' | 'us' | 'ms' | 'MB';

/** One line of the table. */
export interface Figure {
  readonly row: string;
  readonly ours: number;
  readonly unit: Unit;
  /** What it was measured beside in the same run, in the same unit. */
  readonly beside: { readonly name: string; readonly value: number } | null;
  /** The most that is allowed: of `ours / beside` where there is one to compare with, else of `ours`. Null: for information. */
  readonly bar: number | null;
}

export function ratio({ ours, beside }: Figure): number | null {
  return beside === null ? null : ours / beside.value;
}

export function holds(figure: Figure): boolean | null {
  return figure.bar === null ? null : (ratio(figure) ?? figure.ours) <= figure.bar;
}

export function table(figures: readonly Figure[]): string {
  const lines = new Table({
    head: ['row', 'ours', 'beside', 'ratio', 'bar', 'holds'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  for (const figure of figures) {
    const { row, ours, unit, beside, bar } = figure;
    const compared = ratio(figure);
    const verdict = holds(figure);
    lines.push([
      row,
      `${short(ours)} ${unit}`,
      beside === null ? '' : `${beside.name}: ${short(beside.value)} ${unit}`,
      compared === null ? '' : compared.toFixed(3),
      bar === null ? '' : `<= ${bar}${compared === null ? ` ${unit}` : ' x'}`,
      verdict === null ? '' : verdict ? 'yes' : 'NO',
    ]);
  }
  const judged = figures.map(holds).filter((verdict) => verdict !== null);
  return `${lines.toString()}\n${judged.filter(Boolean).length} of ${judged.length} bars hold\n`;
}

export function writeJson(file: string, figures: readonly Figure[]): void {
  const { platform, arch, version } = process;
  const rows = figures.map((figure) => ({ ...figure, ratio: ratio(figure), holds: holds(figure) }));
  writeFileSync(file, `${JSON.stringify({ node: version, platform, arch, rows }, null, 2)}\n`);
}

function short(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 10 ? 1 : 2);
}
