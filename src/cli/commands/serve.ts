import { once } from 'node:events';
import { OptionsError } from '../../errors.js';
import { type Relay, startRelay } from '../../integrations/relay.js';
import type { RelayOptions } from '../../integrations/relay-options.js';
import { type ProxyWhirlOptions, resolveOptions } from '../../options.js';
import type { ApiKey } from '../../server/api-options.js';
import { type ApiServer, serve } from '../../server/serve.js';
import type { ServeOptions } from '../../server/serve-options.js';
import type { CommandContext, SettingFlags } from '../command.js';
import { tracing } from '../complaint.js';
import { withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { nothingKept, readKeptConfig } from '../kept-config.js';
import { isTree } from '../option-path.js';
import { loadSettings, type Settings } from '../settings.js';
import { UsageError } from '../usage-error.js';

export interface ServeFlags extends SettingFlags {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Port of the relay. */
  readonly relay?: number | undefined;
  readonly quiet?: boolean | undefined;
}

export const endsBySignal = true;

/**
 * `serve`: the REST API over the pool and, when it is asked for, the relay, until a signal. Then nobody new is served,
 * what is under way has 10 s, the cache is written, and the exit code is 0.
 */
export async function run(context: CommandContext, flags: ServeFlags): Promise<number> {
  const { terminal, signal } = context;
  let kept = nothingKept;
  const settings = await loadSettings(
    context,
    flags,
    [
      ['serve.host', flags.host, '--host'],
      ['serve.port', flags.port, '--port'],
      ['serve.relay.port', flags.relay, '--relay'],
    ],
    async ({ cache }) => {
      const dir = cacheDir(cache);
      if (dir !== null) kept = await readKeptConfig(dir, terminal);
      return kept.settings;
    },
  );
  await tracing(settings, () =>
    // Who asks for /ready is told that the pool is still loading; a closed port would tell nothing.
    withEngine(context, settings, { checks: true, isAwaited: false }, async (whirl) => {
      const { relay: relayOptions, keys, ...api } = settings.serve;
      await using server = await named('serve', () =>
        serve({
          log: flags.quiet === true ? null : (line) => terminal.note(line),
          saveConfig: kept.save,
          ...(api as ServeOptions),
          keys: readKeys(keys),
          whirl,
        }),
      );
      await using relay =
        relayOptions === undefined
          ? null
          : await named('serve.relay', () => startRelay(whirl, relayOptions as RelayOptions));
      terminal.note(`Listening at ${server.url}; the pool is loading.`);
      const stopped = signal.aborted ? Promise.resolve([]) : once(signal, 'abort');
      await Promise.race([whirl.ready(), stopped]);
      if (!signal.aborted) await tell(context, flags, server, relay);
      await stopped;
      terminal.note('Ending: what is under way has 10 s. The same signal again ends at once.');
      await Promise.all([server.close(), relay?.close()]);
    }),
  );
  return exitCode.ok;
}

/** Where a cache is kept on disk; null: nowhere, or its options break a rule, which somebody else will say. */
function cacheDir(cache: unknown): string | null {
  try {
    const { cache: resolved } = resolveOptions({ proxies: ['placeholder'], cache } as ProxyWhirlOptions);
    return resolved?.dir ?? null;
  } catch {
    return null;
  }
}

async function tell(
  { terminal }: CommandContext,
  flags: ServeFlags,
  server: ApiServer,
  relay: Relay | null,
): Promise<void> {
  if (flags.json === true) await terminal.json({ api: server.url, relay: relay?.url ?? null });
  else {
    await terminal.write(`API    ${server.url}/api/v1/health\nDocs   ${server.url}/docs\n`);
    if (relay !== null) await terminal.write(`Relay  ${relay.url}\n`);
  }
}

/** Keys of the configuration are objects, with scopes if need be; those of a variable are `key` or `name=key`. */
function readKeys(keys: Settings['serve'][string]): ApiKey[] {
  if (keys === undefined) return [];
  if (!Array.isArray(keys)) throw new UsageError('serve.keys must be a list.');
  return keys.map((entry: unknown, index) => {
    if (typeof entry !== 'string')
      return (isTree(entry) ? { name: `key-${index + 1}`, ...entry } : entry) as ApiKey;
    // A key may hold a `=` as well; a name cannot be that long.
    const [, name, key] = /^([\w.-]{1,31})=(.+)$/.exec(entry) ?? [];
    return name === undefined || key === undefined ? { name: `key-${index + 1}`, key: entry } : { name, key };
  });
}

/** Puts the section of the configuration in front of each option. */
async function named<T>(section: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    throw new OptionsError(error.issues.map(({ path, rule }) => ({ path: `${section}.${path}`, rule })));
  }
}
