import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Timers } from '../core/clock.js';
import { OptionsError } from '../errors.js';
import { nodeTimers } from '../transport/node-timers.js';
import { collectList } from './collect.js';
import { type DirectoryWatch, watchFile } from './file-watch.js';
import { formatOfPath, type ProxyListFormat } from './formats.js';
import {
  isCount,
  type OptionRules,
  readSourceOptions,
  type Source,
  type SourceBatch,
  type SourceContext,
  type SourceOptions,
  type SourceSettings,
} from './source.js';
import { SourceError } from './source-error.js';

export interface FileSourceOptions extends SourceOptions {
  /** `auto` goes by the extension, else by the content. @default 'auto' */
  readonly format?: ProxyListFormat | undefined;
  /** Loads it again when it changes. @default true */
  readonly watch?: boolean | undefined;
  /** How long it must be quiet before it is loaded, in ms. @default 200 */
  readonly debounceMs?: number | undefined;
  /** How often it is looked at where the system tells of no changes, in ms. @default 5_000 */
  readonly pollMs?: number | undefined;
  /** @default 50_000_000 */
  readonly maxBytes?: number | undefined;
  /** A longer list is refused, not cut. @default 100_000 */
  readonly maxProxies?: number | undefined;
}

/** What a source of a file works with besides its options. */
export interface FileSourceParts {
  readonly timers?: Timers | undefined;
  /** That of `node:fs`, when it is not given. */
  readonly watchDirectory?: DirectoryWatch | undefined;
}

const formats = ['auto', 'text', 'json', 'jsonl', 'csv', 'html'];
const positive = [isCount(1), 'must be a whole number of 1 or more'] as const;

const rules: OptionRules = {
  format: [(value) => formats.includes(String(value)), `must be one of ${formats.join(', ')}`],
  watch: [(value) => typeof value === 'boolean', 'must be true or false'],
  debounceMs: [isCount(0), 'must be a whole number of 0 or more'],
  pollMs: positive,
  maxBytes: positive,
  maxProxies: positive,
};

/**
 * A list in a file, loaded again when it changes. Replace it by a rename, so that nobody reads half of it.
 * @example file('./proxies.txt', { tags: ['own'] })
 * @throws OptionsError
 */
export function file(path: string, options: FileSourceOptions = {}, parts: FileSourceParts = {}): Source {
  const settings = readSourceOptions('file', options, rules);
  if (typeof path !== 'string' || path === '')
    throw new OptionsError([{ path: 'file', rule: 'must be the path of a file' }]);
  return new FileSource(path, settings, options, parts);
}

class FileSource implements Source {
  readonly name: string;
  readonly settings: SourceSettings;
  readonly watch?: (onChange: () => void) => () => void;
  readonly #path: string;
  readonly #options: FileSourceOptions;

  constructor(path: string, settings: SourceSettings, options: FileSourceOptions, parts: FileSourceParts) {
    this.name =
      options.name ??
      (basename(path)
        .replaceAll(/[^\w .:-]/g, '_')
        .slice(0, 64) ||
        'file');
    this.settings = settings;
    this.#path = path;
    this.#options = options;
    const { debounceMs = 200, pollMs = 5000 } = options;
    const { timers = nodeTimers, watchDirectory } = parts;
    if (options.watch !== false)
      this.watch = (onChange) => watchFile(path, onChange, { debounceMs, pollMs, timers, watchDirectory });
  }

  async load({ signal, validator }: SourceContext): Promise<SourceBatch> {
    const { maxBytes = 50_000_000, maxProxies = 100_000, format = 'auto' } = this.#options;
    const { name, settings } = this;
    try {
      // One handle for all questions: between two of them the file may be replaced.
      await using opened = await openPlainFile(name, this.#path);
      const { stamp } = opened;
      if (validator?.stamp === stamp) return { changed: false };
      const collected = await collectList(opened.read(maxBytes), {
        name,
        settings,
        format: format === 'auto' ? formatOfPath(this.#path) : format,
        maxProxies,
        signal,
      });
      return { changed: true, ...collected, validator: { stamp } };
    } catch (error) {
      if (error instanceof SourceError) throw error;
      if (signal.aborted) throw new SourceError(name, 'aborted', 'the load was aborted', { cause: error });
      throw new SourceError(name, 'failed', 'the file could not be read', { cause: error });
    }
  }
}

interface PlainFile extends AsyncDisposable {
  readonly stamp: string;
  read(maxBytes: number): AsyncIterable<Uint8Array>;
}

async function openPlainFile(name: string, path: string): Promise<PlainFile> {
  // Without O_NONBLOCK (absent on Windows) a named pipe that nobody writes to would be waited for.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const stats = await handle.stat();
  const close = (): Promise<void> => handle.close();
  if (!stats.isFile()) {
    await close();
    throw new SourceError(name, 'failed', 'it is no plain file');
  }
  return {
    stamp: `${stats.ino}-${stats.size}-${stats.mtimeMs}`,
    async *read(maxBytes) {
      let bytes = 0;
      for await (const chunk of handle.createReadStream({ autoClose: false })) {
        bytes += (chunk as Uint8Array).length;
        if (bytes > maxBytes) throw new SourceError(name, 'too-large', `more than ${maxBytes} bytes`);
        yield chunk as Uint8Array;
      }
    },
    [Symbol.asyncDispose]: close,
  };
}
