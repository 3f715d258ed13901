import type { CommandContext, SettingFlags } from '../command.js';
import { tracing } from '../complaint.js';
import { noteEmptyPool, withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { poolRow } from '../pool-table.js';
import { loadSettings } from '../settings.js';
import { rounded } from '../table.js';

/** `stats`: sums over the pool, as the last run has left them. */
export async function run(context: CommandContext, flags: SettingFlags): Promise<number> {
  const settings = await loadSettings(context, flags);
  const report = await tracing(settings, () =>
    withEngine(context, settings, {}, async ({ rotator, cache, sources }) => {
      const rows = rotator.pool.list().map(poolRow);
      const succeeded = sum(rows.map((row) => row.succeeded));
      const failed = sum(rows.map((row) => row.failed));
      const health: Record<string, number> = {};
      for (const row of rows) health[row.health] = (health[row.health] ?? 0) + 1;
      const latencies = rows.flatMap(({ emaLatencyMs }) => emaLatencyMs ?? []);
      return {
        proxies: rows.length,
        strategy: rotator.stats().strategy,
        health,
        succeeded,
        failed,
        successRate: succeeded + failed === 0 ? null : succeeded / (succeeded + failed),
        meanLatencyMs: latencies.length === 0 ? null : sum(latencies) / latencies.length,
        sources: sources.state(),
        cache: cache?.figures().tiers ?? null,
      };
    }),
  );
  const { terminal } = context;
  if (flags.json === true) {
    await terminal.json(report);
    return exitCode.ok;
  }
  if (report.proxies === 0) noteEmptyPool(context);
  await terminal.table(
    ['figure', 'value'],
    [
      ['proxies', String(report.proxies)],
      ...Object.entries(report.health).map(([state, count]) => [`  ${state}`, String(count)]),
      ['strategy', report.strategy],
      ['succeeded', String(report.succeeded)],
      ['failed', String(report.failed)],
      ['success', report.successRate === null ? '-' : `${rounded(report.successRate * 100)} %`],
      ['mean latency ms', rounded(report.meanLatencyMs)],
    ],
  );
  return exitCode.ok;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
