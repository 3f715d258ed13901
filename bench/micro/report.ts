import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';

export type Unit = 'ns/op' | 'ms' | 'x' | 'MB' | 'B' | 'leases';

/** One line of the table. */
export interface Figure {
  readonly row: string;
  /** Proxies in the pool. */
  readonly size: number;
  /** Median. */
  readonly value: number;
  readonly unit: Unit;
  /** To what Crawlee needs, measured in turn with it. Null where there is nothing to compare with. */
  readonly ratio: number | null;
  /** The most that is allowed: of the ratio where there is one, else of the value. Null: for information. */
  readonly goal: number | null;
}

export function holds({ value, ratio, goal }: Figure): boolean | null {
  return goal === null ? null : (ratio ?? value) <= goal;
}

/** The most that a row may cost at a size; null where no goal was set. */
export type Goal = (size: number) => number | null;

export const noGoal: Goal = () => null;

/** The same goal for all sizes up to `largest`. */
export function atMost(goal: number, largest: number = Number.POSITIVE_INFINITY): Goal {
  return (size) => (size <= largest ? goal : null);
}

export function table(figures: readonly Figure[]): string {
  const lines = new Table({
    head: ['row', 'proxies', 'median', 'x Crawlee', 'goal', 'holds'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  for (const figure of figures) {
    const { row, size, value, unit, ratio, goal } = figure;
    const verdict = holds(figure);
    lines.push([
      row,
      size.toLocaleString('en'),
      `${short(value)} ${unit}`,
      ratio === null ? '' : short(ratio),
      goal === null ? '' : `<= ${goal}${ratio === null ? ` ${unit}` : ' x'}`,
      verdict === null ? '' : verdict ? 'yes' : 'NO',
    ]);
  }
  const missed = figures.filter((figure) => holds(figure) === false).length;
  const judged = figures.filter((figure) => holds(figure) !== null).length;
  return `${lines.toString()}\n${judged - missed} of ${judged} goals hold\n`;
}

export function writeJson(file: string, figures: readonly Figure[], rounds: number): void {
  const { platform, arch, version } = process;
  const rows = figures.map((figure) => ({ ...figure, holds: holds(figure) }));
  writeFileSync(file, `${JSON.stringify({ node: version, platform, arch, rounds, rows }, null, 2)}\n`);
}

function short(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 10 ? 1 : 2);
}
