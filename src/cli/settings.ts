import type { CheckFlags, CommandContext, SettingFlags } from './command.js';
import { loadConfigFile } from './config-file.js';
import { readEnvironment } from './environment.js';
import { isTree, type OptionTree, readOption, setOption } from './option-path.js';
import { UsageError } from './usage-error.js';

/** What a command was told: flags before environment before configuration before defaults. */
export interface Settings {
  /** Those of `proxywhirl()`, unchecked. */
  readonly options: OptionTree;
  /** Those of `serve`, unchecked. */
  readonly serve: OptionTree;
  /** Who has set an option: `--url`, `PROXYWHIRL_HEALTH_CHECK_URL`, `proxywhirl.config.json`; null = nobody. */
  origin(path: string): string | null;
}

/** One option, and where it comes from. Undefined: it is not set there. */
export type Setting = readonly [path: string, value: unknown, origin: string];

/**
 * @param more further flags
 * @param below settings that win over the configuration alone, for whom the others have set
 * @throws UsageError
 */
export async function loadSettings(
  { terminal, env, cwd }: Pick<CommandContext, 'terminal' | 'env' | 'cwd'>,
  flags: SettingFlags & CheckFlags,
  more: readonly Setting[] = [],
  below: (options: OptionTree) => Promise<readonly Setting[]> = async () => [],
): Promise<Settings> {
  const file = await loadConfigFile(cwd, flags.config ?? nonEmpty(env.PROXYWHIRL_CONFIG));
  const environment = readEnvironment(env);
  for (const variable of environment.unknown) terminal.warn(`${variable} is no setting and has no effect.`);
  const settings: Setting[] = [
    ...environment.options.map(({ option, value, variable }): Setting => [option, value, variable]),
    ...flagSettings(flags),
    ...more,
  ];
  // Commands are processes of their own: what one learns, the next one knows only by the cache.
  const base: OptionTree = { cache: true, ...file.options };
  const lowest = await below(lay(base, settings).tree);
  const { tree, origins } = lay(base, [...lowest, ...settings]);
  const { serve, ...options } = tree;
  if (serve !== undefined && !isTree(serve)) throw new UsageError('serve must be an object with settings.');
  return {
    options,
    serve: serve ?? {},
    origin: (path) =>
      originOf(path, origins) ?? (file.name !== null && isSet(file.options, path) ? file.name : null),
  };
}

/** One over the other, the last one on top. */
function lay(
  base: OptionTree,
  settings: readonly Setting[],
): { readonly tree: OptionTree; readonly origins: ReadonlyMap<string, string> } {
  const tree = { ...base };
  const origins = new Map<string, string>();
  for (const [path, value, origin] of settings) {
    if (value === undefined) continue;
    setOption(tree, path.split('.'), value);
    origins.set(path, origin);
  }
  return { tree, origins };
}

function flagSettings(flags: SettingFlags & CheckFlags): Setting[] {
  const plain: readonly Setting[] = [
    ['proxies', flags.proxy, '--proxy'],
    ['sources', flags.source, '--source'],
    ['strategy', flags.strategy && readOption('strategy', flags.strategy), '--strategy'],
    ['cache.dir', flags.cacheDir, '--cache-dir'],
    ['cache.keyFile', flags.keyFile, '--key-file'],
    ['cache', flags.cache === false ? false : undefined, '--no-cache'],
    ['health.check.url', flags.url, '--url'],
    ['health.check.token', flags.token, '--token'],
    ['health.check.expectStatus', flags.expectStatus, '--expect-status'],
    ['health.check.judge', flags.judge, '--judge'],
    ['health.check.judge', flags.judgeUrl && { url: flags.judgeUrl }, '--judge-url'],
    ['health.check.ownAddress', flags.ownAddress, '--own-address'],
    ['health.timeoutMs', flags.timeout, '--timeout'],
    ['health.concurrency', flags.concurrency, '--concurrency'],
  ];
  return [...plain, ...(flags.set ?? []).map(readAssignment)];
}

function readAssignment(text: string): Setting {
  const [, path, value] = /^([a-z]\w*(?:\.[a-z]\w*)*)=(.*)$/is.exec(text) ?? [];
  if (path === undefined || value === undefined)
    throw new UsageError('--set takes name=value, as in --set breaker.threshold=3.');
  return [path, readOption(path, value), '--set'];
}

function originOf(path: string, origins: ReadonlyMap<string, string>): string | null {
  const names = path.split('.');
  for (let length = names.length; length > 0; length--) {
    const origin = origins.get(names.slice(0, length).join('.'));
    if (origin !== undefined) return origin;
  }
  // A group of options that is none was named by one of its members.
  for (const [set, origin] of origins) if (set.startsWith(`${path}.`)) return origin;
  return null;
}

function isSet(tree: unknown, path: string): boolean {
  const [first = ''] = path.split('.');
  return isTree(tree) && Object.hasOwn(tree, first);
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
