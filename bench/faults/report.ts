import type { Round } from './child.js';
import { cutAfterMs, type Result } from './contest.js';
import type { Bar, FaultCase } from './rows.js';

/** One fault and what became of it. */
export interface Measured {
  readonly faultCase: FaultCase;
  readonly results: readonly Result[];
}

/** What is wrong with a result; empty when it is within the bar. */
export function missesOf({ settled }: Result, bar: Bar): readonly string[] {
  if (settled === null) return ['never settles'];
  const { ms, status, connections, socketsLeft, leaksSecret, uncaught } = settled;
  return [
    ...((bar.ends === 'error') === (status === null) && (status === null || status === bar.ends)
      ? []
      : ['wrong ending']),
    ...(ms <= bar.withinMs ? [] : ['late']),
    ...(connections <= bar.connections ? [] : ['too many connections']),
    ...(socketsLeft === 0 ? [] : ['sockets left']),
    ...(leaksSecret ? ['shows the password'] : []),
    ...(uncaught === 0 ? [] : ['uncaught exception']),
  ];
}

/** A Markdown table, its columns aligned. */
export function tableOf(measured: readonly Measured[]): string {
  const names = measured[0]?.results.map(({ contender }) => contender) ?? [];
  const lines = [
    ['row', 'fault', 'bar', ...names],
    ...measured.map(({ faultCase, results }) => [
      String(faultCase.number),
      faultCase.fault,
      barText(faultCase.bar),
      ...results.map((result) => cellOf(result, faultCase.bar)),
    ]),
    [
      '',
      'within the bar',
      '',
      ...names.map((_, at) => {
        const held = measured.filter(({ faultCase, results }) => {
          const result = results[at];
          return result !== undefined && missesOf(result, faultCase.bar).length === 0;
        });
        return `${held.length} of ${measured.length}`;
      }),
    ],
  ];
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0))) ?? [];
  const row = (cells: readonly string[], fill = ' '): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0, fill)).join(' | ')} |`;
  const [head = [], ...rest] = lines;
  const rule = row(
    head.map(() => '---'),
    '-',
  );
  return `${[row(head), rule, ...rest.map((line) => row(line))].join('\n')}\n`;
}

function barText({ ends, withinMs }: Bar): string {
  return `${ends}, ${withinMs} ms`;
}

function cellOf(result: Result, bar: Bar): string {
  const misses = missesOf(result, bar);
  const text = result.settled === null ? cutText(result.cut) : settledText(result.settled);
  const mark = misses.length === 0 ? '' : '✗ ';
  const why = result.settled === null || misses.length === 0 ? '' : ` (${misses.join(', ')})`;
  return `${mark}${text}${why}`;
}

function cutText(cut: Result['cut']): string {
  const { ms = 0, connections = 0 } = cut ?? {};
  const when = ms >= cutAfterMs ? `${cutAfterMs / 1000} s` : `${(ms / 1000).toFixed(1)} s`;
  return `never (cut at ${when}), ${connected(connections)}`;
}

function settledText({ ms, status, code, connections, socketsLeft }: Round): string {
  const left = socketsLeft === 0 ? '' : `, ${socketsLeft} left open`;
  return `${ms.toFixed(0)} ms, ${status ?? code}, ${connected(connections)}${left}`;
}

function connected(connections: number): string {
  return `${connections.toLocaleString('en')} conn.`;
}
