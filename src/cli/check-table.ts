import type { Proxy } from '../core/proxy.js';
import type { Anonymity } from '../health/judge.js';
import type { ProbeResult } from '../health/probe.js';
import { rounded } from './table.js';

/** One checked proxy, as `--json` shows it. No credential is part of it. */
export interface CheckedRow {
  readonly proxyId: string;
  readonly url: string;
  readonly ok: boolean;
  /** To the first byte of the answer, in ms. */
  readonly latencyMs: number | null;
  readonly status: number | null;
  readonly anonymity: Anonymity | null;
  readonly exitAddress: string | null;
  /** As the list says. */
  readonly country: string | null;
  /** A stable code; null for one that works. */
  readonly error: string | null;
}

export function checkRow({ id, url, geo }: Proxy, result: ProbeResult): CheckedRow {
  return {
    proxyId: id,
    url,
    ok: result.ok,
    latencyMs: result.latencyMs === null ? null : Math.round(result.latencyMs * 10) / 10,
    status: result.status,
    anonymity: result.anonymity,
    exitAddress: result.exitAddress,
    country: geo?.countryCode ?? null,
    error: result.error?.code ?? null,
  };
}

export const checkTableHead: readonly string[] = [
  'proxy',
  'works',
  'latency ms',
  'anonymity',
  'exit address',
  'country',
  'error',
];

export function checkCells(row: CheckedRow): string[] {
  return [
    row.url,
    row.ok ? 'yes' : 'no',
    rounded(row.latencyMs),
    row.anonymity ?? '-',
    row.exitAddress ?? '-',
    row.country ?? '-',
    row.error ?? '-',
  ];
}

/** Those that work first, the fastest before all; the others by what is wrong with them. */
export function sorted(rows: readonly CheckedRow[]): CheckedRow[] {
  return [...rows].sort(
    (a, b) =>
      Number(b.ok) - Number(a.ok) ||
      (a.error ?? '').localeCompare(b.error ?? '') ||
      (a.latencyMs ?? 0) - (b.latencyMs ?? 0),
  );
}

/** Counts results without keeping them. */
export class Tally {
  checked = 0;
  working = 0;
  readonly #errors = new Map<string, number>();
  readonly #latencies: number[] = [];

  add({ ok, latencyMs, error }: ProbeResult): void {
    this.checked += 1;
    if (ok) this.working += 1;
    if (ok && latencyMs !== null) this.#latencies.push(latencyMs);
    if (error !== null) this.#errors.set(error.code, (this.#errors.get(error.code) ?? 0) + 1);
  }

  figures(): {
    checked: number;
    working: number;
    failed: number;
    medianLatencyMs: number | null;
    errors: Record<string, number>;
  } {
    return {
      checked: this.checked,
      working: this.working,
      failed: this.checked - this.working,
      medianLatencyMs: percentile(this.#latencies, 0.5),
      errors: Object.fromEntries([...this.#errors].sort(([, a], [, b]) => b - a)),
    };
  }

  sentence(): string {
    const { checked, working, medianLatencyMs, errors } = this.figures();
    const median = medianLatencyMs === null ? '' : `, median latency ${medianLatencyMs} ms`;
    const why = Object.entries(errors).map(([code, count]) => `${count} ${code}`);
    return `${working} of ${checked} work${median}${why.length === 0 ? '' : ` (${why.join(', ')})`}`;
  }
}

/** The value below which this share of them is, to a tenth; null of none. */
export function percentile(values: readonly number[], share: number): number | null {
  const ordered = [...values].sort((a, b) => a - b);
  const value = ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))];
  return value === undefined ? null : Math.round(value * 10) / 10;
}
