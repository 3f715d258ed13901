import type { Rotator } from '../../core/rotator.js';
import { createMonitor } from '../../health/monitor.js';
import type { ProbeResult } from '../../health/probe.js';
import { ProxyDispatchers } from '../../transport/dispatcher.js';
import { type CheckedRow, checkCells, checkRow, checkTableHead, sorted, Tally } from '../check-table.js';
import { type CheckSettings, checkSettings } from '../check-target.js';
import type { CheckFlags, CommandContext, SettingFlags } from '../command.js';
import { tracing } from '../complaint.js';
import { noteEmptyPool, withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { loadSettings, type Settings } from '../settings.js';

const CONCURRENCY = 50;

/**
 * `warm`: loads every source now, checks every proxy of the pool, and keeps both, so that the next start knows whom to
 * leave out.
 */
export async function run(context: CommandContext, flags: SettingFlags & CheckFlags): Promise<number> {
  const { terminal } = context;
  const settings = await loadSettings(context, flags, [
    ['health.concurrency', flags.concurrency ?? CONCURRENCY, '--concurrency'],
  ]);
  const health = await checkSettings(settings);
  return tracing(settings, async () => {
    const { results, rows } = await checkedPool(context, settings, health);
    const tally = new Tally();
    for (const result of results) tally.add(result);
    if (flags.json === true) await terminal.json({ results: rows, summary: tally.figures() });
    else if (rows.length === 0) noteEmptyPool(context);
    else await terminal.table(checkTableHead, sorted(rows).map(checkCells));
    terminal.note(tally.sentence());
    return tally.checked > 0 && tally.working === tally.checked ? exitCode.ok : exitCode.finding;
  });
}

async function checkedPool(
  context: CommandContext,
  settings: Settings,
  health: CheckSettings,
): Promise<{ readonly results: readonly ProbeResult[]; readonly rows: readonly CheckedRow[] }> {
  return withEngine(context, settings, {}, async ({ rotator, sources }) => {
    await sources.refresh().catch(() => {
      // Told as an event.
    });
    const results = await checkAll(context, rotator, health);
    const rows = results.flatMap((result) => {
      const proxy = rotator.pool.get(result.proxyId)?.proxy;
      return proxy === undefined ? [] : [checkRow(proxy, result)];
    });
    return { results, rows };
  });
}

/** Once, and settled like requests. Those that were cut off by Ctrl-C are no results. */
async function checkAll(
  { terminal, signal }: CommandContext,
  rotator: Rotator,
  settings: CheckSettings,
): Promise<readonly ProbeResult[]> {
  await using dispatchers = new ProxyDispatchers();
  await using monitor = createMonitor({
    rotator,
    dispatchers: async () => dispatchers,
    clock: rotator.clock,
    random: Math.random,
    settings,
  });
  const bar = terminal.bar(rotator.pool.size, 'proxies');
  const results: ProbeResult[] = [];
  monitor.on('progress', ({ result, done }) => {
    if (result !== null) results.push(result);
    bar.update(done);
  });
  const stop = (): void => void monitor.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (!signal.aborted) await monitor.check();
  } finally {
    signal.removeEventListener('abort', stop);
    bar.stop();
  }
  return results;
}
