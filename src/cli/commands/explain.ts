import { httpUrl } from '../../transport/fetch-init.js';
import type { CommandContext, SettingFlags } from '../command.js';
import { tracing } from '../complaint.js';
import { noteEmptyPool, withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { loadSettings } from '../settings.js';
import { UsageError } from '../usage-error.js';

export interface ExplainFlags extends SettingFlags {
  readonly country?: string | undefined;
  readonly tag?: readonly string[] | undefined;
  readonly session?: string | undefined;
}

/** `explain [URL]`: which proxy a request would get, and why the others are not taken. */
export async function run(context: CommandContext, flags: ExplainFlags, url?: string): Promise<number> {
  const { country, tag, session } = flags;
  if (url !== undefined && httpUrl(url) === null)
    throw new UsageError('URL must be absolute, http or https, without credentials.');
  const settings = await loadSettings(context, flags);
  const asked = {
    ...(url !== undefined && { url }),
    ...(country !== undefined && { country }),
    ...(tag !== undefined && { tags: tag }),
    ...(session !== undefined && { sessionId: session }),
  };
  const { chosen, strategy, reason, proxies } = await tracing(settings, () =>
    withEngine(context, settings, {}, async ({ rotator }) => {
      const explanation = rotator.explain(asked);
      return {
        ...explanation,
        proxies: explanation.proxies.map((one) => ({
          ...one,
          url: rotator.pool.get(one.proxyId)?.proxy.url ?? '',
        })),
      };
    }),
  );
  const { terminal } = context;
  if (flags.json === true) await terminal.json({ chosen, strategy, reason, proxies });
  else {
    if (proxies.length === 0) noteEmptyPool(context);
    await terminal.table(
      ['id', 'proxy', 'status', 'score', 'excluded by'],
      proxies.map((one) => [
        one.proxyId,
        one.url,
        one.status,
        one.score === null ? '-' : String(Number(one.score.toPrecision(4))),
        one.reason ?? '-',
      ]),
    );
    terminal.note(
      chosen === null ? `No proxy may be used (${strategy}).` : `${strategy} takes ${chosen} (by ${reason}).`,
    );
  }
  return chosen === null ? exitCode.finding : exitCode.ok;
}
