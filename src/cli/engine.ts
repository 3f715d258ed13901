import type { ProxyWhirlOptions } from '../options.js';
import { type ProxyWhirl, proxywhirl } from '../proxywhirl.js';
import { custom } from '../sources/custom.js';
import type { CommandContext } from './command.js';
import { isTree, type OptionTree } from './option-path.js';
import type { Settings } from './settings.js';
import { UsageError } from './usage-error.js';

export interface EngineNeeds {
  /** The checks of the configuration are made: in the background, or on demand. @default false */
  readonly checks?: boolean | undefined;
  /** Until the cache and the sources are loaded. @default true */
  readonly isAwaited?: boolean | undefined;
}

/**
 * The engine with the settings; it is ready when it has what is in the cache and in the sources. The caller closes it.
 * @throws UsageError, OptionsError
 */
async function openEngine(
  { terminal, signal }: Pick<CommandContext, 'terminal' | 'signal'>,
  { options }: Settings,
  { checks = false, isAwaited = true }: EngineNeeds = {},
): Promise<ProxyWhirl> {
  const given: OptionTree = checks ? { ...options } : withoutChecks(options);
  const kept = given.cache !== false && given.cache !== undefined;
  if (isEmpty(given.proxies) && isEmpty(given.sources)) {
    if (!kept)
      throw new UsageError(
        'There are no proxies: give --proxy or --source, write them into a configuration, or leave the cache on.',
      );
    // What was imported is all there is.
    given.sources = [custom('kept', () => null)];
  }
  const whirl = proxywhirl(given as ProxyWhirlOptions);
  whirl.cache?.on('degraded', ({ tier, error }) => terminal.warn(`the cache (${tier}): ${error.message}`));
  whirl.sources.on('source-error', ({ error }) => terminal.warn(`${error.code} ${error.message}`));
  if (!isAwaited) return whirl;
  const stop = (): void => {
    void whirl.close();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    await whirl.ready();
  } catch (error) {
    await whirl.close();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return whirl;
}

/** Runs `use` with an engine that is closed afterwards, whatever happens. */
export async function withEngine<T>(
  context: Pick<CommandContext, 'terminal' | 'signal'>,
  settings: Settings,
  needs: EngineNeeds,
  use: (whirl: ProxyWhirl) => Promise<T>,
): Promise<T> {
  const whirl = await openEngine(context, settings, needs);
  try {
    return await use(whirl);
  } finally {
    await whirl.close();
  }
}

/** Says what to do about a pool without proxies. */
export function noteEmptyPool({ terminal }: Pick<CommandContext, 'terminal'>): void {
  terminal.note(
    'The pool is empty. `proxywhirl import LIST` fills it; --proxy and --source add to it for one run.',
  );
}

/** A short command must not begin to check the whole pool beside its work. */
function withoutChecks(options: OptionTree): OptionTree {
  const health = options.health;
  if (!isTree(health)) return { ...options };
  const { check: _check, ...rest } = health;
  return { ...options, health: rest };
}

function isEmpty(list: unknown): boolean {
  return list === undefined || (Array.isArray(list) && list.length === 0);
}
