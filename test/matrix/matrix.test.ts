import Table from 'cli-table3';
import { afterAll, describe, expect, it } from 'vitest';
import type { Figure } from './fault-row.js';
import { faultRows } from './rows/index.js';

const wanted = [...Array.from({ length: 28 }, (_, index) => index + 1), 43, 52];
const measured = new Map<number, readonly Figure[]>();

describe('the fault matrix', () => {
  it('has the rows 1 to 28, 43 and 52, each once', () => {
    expect(faultRows.map(({ number }) => number)).toEqual(wanted);
  });

  it.each(faultRows.map((row) => [row.number, row.fault, row] as const))(
    'row %i: %s',
    async (_number, _fault, row) => {
      const figures = await row.run();
      measured.set(row.number, figures);
      expect(figures.length).toBeGreaterThan(0);
      expect(figures.filter(({ holds }) => !holds)).toEqual([]);
    },
  );

  afterAll(() => {
    console.log(tableOf(faultRows.filter(({ number }) => measured.has(number))));
  });
});

/** One line per figure. */
function tableOf(rows: typeof faultRows): string {
  const table = new Table({
    head: ['row', 'fault', 'figure', 'measured', 'bar', 'holds'],
    style: { head: [], border: [], compact: true },
    colWidths: [5, 30, 58, 20, 20, 7],
    wordWrap: true,
  });
  for (const { number, fault } of rows)
    (measured.get(number) ?? []).forEach((figure, index) => {
      const [shown, name] = index === 0 ? [String(number), fault] : ['', ''];
      table.push([shown, name, figure.name, figure.measured, figure.bar, figure.holds ? 'yes' : 'NO']);
    });
  return table.toString();
}
