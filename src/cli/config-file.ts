import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { loadConfig } from 'c12';
import { ProxyWhirlError } from '../errors.js';
import { isTree, type OptionTree } from './option-path.js';
import { shownPath } from './safe-text.js';
import { UsageError } from './usage-error.js';

export interface ConfigFile {
  /** Base name; null when there is none. */
  readonly name: string | null;
  readonly options: OptionTree;
}

/**
 * `proxywhirl.config.{ts,js,json}` of the folder, or the file that is named. Nothing else is looked at: no parent
 * folder, no home, no `.env`.
 * @throws UsageError that says where it is wrong, and repeats nothing of it: it may hold credentials
 */
export async function loadConfigFile(cwd: string, named: string | undefined): Promise<ConfigFile> {
  if (named !== undefined && !existsSync(resolve(cwd, named)))
    throw new UsageError(`The configuration ${shownPath(named) ?? '(not shown)'} does not exist.`);
  try {
    const { config, _configFile } = await loadConfig<OptionTree>({
      name: 'proxywhirl',
      cwd,
      ...(named !== undefined && { configFile: resolve(cwd, named) }),
      rcFile: false,
      globalRc: false,
      dotenv: false,
      packageJson: false,
      giget: false,
      extend: false,
      envName: false,
      // As it is written: a strategy of one's own is an object that must not be copied.
      merger: (...layers) => layers.find((layer) => layer !== null && layer !== undefined) ?? {},
      jitiOptions: { fsCache: false },
    });
    if (_configFile === undefined) return { name: null, options: {} };
    if (!isTree(config) && !isNamespace(config))
      throw new UsageError(`${basename(_configFile)} must export one object with options.`);
    return { name: basename(_configFile), options: { ...config } };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const file = named === undefined ? 'The configuration' : (shownPath(named) ?? 'The configuration');
    throw new UsageError(`${file} cannot be loaded: ${reasonOf(error)}.`);
  }
}

function isNamespace(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Module]';
}

/** Parsers quote what they read. Our own errors do not; of all others the name and the place are enough. */
function reasonOf(error: unknown): string {
  if (error instanceof ProxyWhirlError) return `${error.code} ${error.message}`.replace(/\.$/, '');
  const { name, code, message } = (error ?? {}) as { name?: unknown; code?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : '';
  const line = /:(\d+):(\d+)\s*$/.exec(text);
  const position = /at position (\d+)/.exec(text)?.[1];
  const isSyntax = name === 'SyntaxError' || text.startsWith('ParseError');
  const kind = isSyntax
    ? 'it is not well-formed'
    : `it failed with ${word(code) ?? word(name) ?? 'an error'}`;
  if (line !== null) return `${kind} (line ${line[1]}, column ${line[2]})`;
  return position === undefined ? kind : `${kind} (at character ${position})`;
}

function word(value: unknown): string | null {
  return typeof value === 'string' && /^\w{1,64}$/.test(value) ? value : null;
}
