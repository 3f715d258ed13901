import { resolve } from 'node:path';
import { exportProxies, writeProxies } from '../../sources/export.js';
import type { CommandContext, SettingFlags } from '../command.js';
import { tracing } from '../complaint.js';
import { withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { formatOf } from '../export-format.js';
import { loadSettings } from '../settings.js';

export interface ExportFlags extends SettingFlags {
  readonly format?: string | undefined;
  readonly credentials?: boolean | undefined;
}

/** `export [FILE]`: the proxies of the pool as a list that `import` reads back. */
export async function run(context: CommandContext, flags: ExportFlags, path?: string): Promise<number> {
  const { terminal, cwd } = context;
  const credentials = flags.credentials === true;
  const format = formatOf(
    path,
    flags.format ?? (path === undefined && flags.json === true ? 'json' : undefined),
  );
  const settings = await loadSettings(context, flags);
  await tracing(settings, () =>
    withEngine(context, settings, {}, async ({ rotator }) => {
      const proxies = rotator.pool.list().map(({ proxy }) => proxy);
      const bare = credentials ? 0 : proxies.filter(({ username }) => username !== null).length;
      if (path === undefined)
        for await (const piece of exportProxies(proxies, format, { credentials }))
          await terminal.write(piece);
      else {
        const written = await writeProxies(resolve(cwd, path), proxies, format, { credentials });
        if (flags.json === true) await terminal.json({ written, withoutCredentials: bare });
        else terminal.note(`${written} proxies were written.`);
      }
      if (bare > 0)
        terminal.warn(`${bare} of them have credentials, which were left out; --credentials writes them.`);
    }),
  );
  return exitCode.ok;
}
