import { resolve } from 'node:path';
import type { Proxy } from '../../core/proxy.js';
import { probe } from '../../health/probe.js';
import { writeProxies } from '../../sources/export.js';
import { ProxyDispatchers } from '../../transport/dispatcher.js';
import { runChecks } from '../check-run.js';
import { type CheckedRow, checkCells, checkRow, checkTableHead, sorted, Tally } from '../check-table.js';
import { checkSettings } from '../check-target.js';
import type { CheckFlags, CommandContext, SettingFlags } from '../command.js';
import { noteRejected } from '../complaint.js';
import { exitCode } from '../exit-code.js';
import { formatOf } from '../export-format.js';
import { readListFile } from '../list-file.js';
import { loadSettings } from '../settings.js';

export interface CheckCommandFlags extends SettingFlags, CheckFlags {
  readonly output?: string | undefined;
}

const CONCURRENCY = 200;

/** `check LIST`: which proxies of a list work. Nothing is learned from it, and nothing kept. */
export async function run(context: CommandContext, flags: CheckCommandFlags, path: string): Promise<number> {
  const { terminal, signal, cwd } = context;
  const settings = await loadSettings(context, flags, [
    ['health.concurrency', flags.concurrency ?? CONCURRENCY, '--concurrency'],
  ]);
  const { check, timeoutMs, concurrency } = await checkSettings(settings);
  const output =
    flags.output === undefined ? null : { path: resolve(cwd, flags.output), format: formatOf(flags.output) };
  const list = await readListFile(context, path);

  const dispatchers = new ProxyDispatchers({ maxDispatchers: concurrency });
  const working: Proxy[] = [];
  const rows: CheckedRow[] = [];
  const tally = new Tally();
  const bar = terminal.bar(terminal.isWatched ? await count(context, path) : 0, 'proxies');
  let separator = '{"results":[\n';
  await runChecks({
    proxies: list.proxies,
    concurrency,
    signal,
    probe: async (proxy) => {
      try {
        return await probe({ proxy, dispatchers, check, clock: performance, timeoutMs, signal });
      } finally {
        dispatchers.drop(proxy.id);
      }
    },
    onChecked: ({ proxy, result }) => {
      tally.add(result);
      if (result.ok && output !== null) working.push(proxy);
      const row = checkRow(proxy, result);
      if (flags.json === true) {
        void terminal.write(`${separator}${JSON.stringify(row)}`);
        separator = ',\n';
      } else rows.push(row);
      bar.update(tally.checked);
    },
  });
  bar.stop();
  await dispatchers.destroy();

  const summary = { ...tally.figures(), rejected: list.rejectedCount, interrupted: signal.aborted };
  if (flags.json === true)
    await terminal.write(
      `${separator === ',\n' ? '' : separator}\n],"summary":${JSON.stringify(summary)}}\n`,
    );
  else await terminal.table(checkTableHead, sorted(rows).map(checkCells));
  if (output !== null) await writeProxies(output.path, working, output.format, { credentials: true });
  terminal.note(tally.sentence());
  if (list.rejectedCount > 0) {
    terminal.note(`Lines that are no proxies: ${list.rejectedCount}`);
    noteRejected(terminal, list.rejected, list.rejectedCount);
  }
  const isFine = tally.working === tally.checked && tally.checked > 0 && list.rejectedCount === 0;
  return isFine ? exitCode.ok : exitCode.finding;
}

/** How many there are to do; reading a list is quick beside checking it. What comes in by a pipe cannot be read twice. */
async function count(context: CommandContext, path: string): Promise<number> {
  if (path === '-') return 0;
  let total = 0;
  for await (const _ of (await readListFile(context, path)).proxies) total += 1;
  return total;
}
