import type { CommandContext, SettingFlags } from '../command.js';
import { tracing } from '../complaint.js';
import { noteEmptyPool, withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { poolCells, poolRow, poolTableHead } from '../pool-table.js';
import { loadSettings } from '../settings.js';

export interface ListFlags extends SettingFlags {
  readonly health?: string | undefined;
  readonly country?: string | undefined;
  readonly tag?: string | undefined;
}

/** `list`: the proxies of the pool, with what earlier runs have learned. */
export async function run(context: CommandContext, flags: ListFlags): Promise<number> {
  const settings = await loadSettings(context, flags);
  const rows = await tracing(settings, () =>
    withEngine(context, settings, {}, async ({ rotator }) => rotator.pool.list().map(poolRow)),
  );
  const country = flags.country?.toUpperCase();
  const asked = rows.filter(
    (row) =>
      (flags.health === undefined || row.health === flags.health) &&
      (country === undefined || row.country === country) &&
      (flags.tag === undefined || row.tags.includes(flags.tag)),
  );
  if (flags.json === true) await context.terminal.json({ total: asked.length, proxies: asked });
  else if (rows.length === 0) noteEmptyPool(context);
  else await context.terminal.table(poolTableHead, asked.map(poolCells));
  return exitCode.ok;
}
