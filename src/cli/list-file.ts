import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Proxy } from '../core/proxy.js';
import type { RejectedLine } from '../errors.js';
import { importProxies } from '../sources/import.js';
import type { CommandContext } from './command.js';
import { shownPath } from './safe-text.js';
import { UsageError } from './usage-error.js';

/** The proxies of a list, each once; `rejected` grows while they are read. */
export interface ListReader {
  readonly proxies: AsyncIterable<Proxy>;
  rejectedCount: number;
  /** The first ones. */
  readonly rejected: RejectedLine[];
}

const KEPT_REJECTED = 100;

/**
 * Reads a file, or standard input for `-`, in bounded memory.
 * @throws UsageError when it cannot be read
 */
export async function readListFile(
  { cwd, stdin, signal }: Pick<CommandContext, 'cwd' | 'stdin' | 'signal'>,
  path: string,
): Promise<ListReader> {
  const input = path === '-' ? stdin : await readablePath(cwd, path);
  const reader: ListReader = { proxies: read(), rejectedCount: 0, rejected: [] };
  return reader;

  async function* read(): AsyncGenerator<Proxy> {
    const seen = new Set<string>();
    for await (const { proxies, rejected } of importProxies(input, {})) {
      reader.rejectedCount += rejected.length;
      reader.rejected.push(...rejected.slice(0, KEPT_REJECTED - reader.rejected.length));
      for (const proxy of proxies) {
        if (seen.has(proxy.id)) continue;
        seen.add(proxy.id);
        if (signal.aborted) return;
        yield proxy;
      }
    }
  }
}

/** The absolute path of a file that can be opened. */
export async function readablePath(cwd: string, path: string): Promise<string> {
  const absolute = resolve(cwd, path);
  try {
    const file = await open(absolute);
    const isFolder = (await file.stat()).isDirectory();
    await file.close();
    if (!isFolder) return absolute;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const shown = shownPath(path);
    const name = shown === null ? 'The list' : `The list ${shown}`;
    const hint =
      shown === null ? ' LIST is a file, or - for standard input; a single proxy is given by --proxy.' : '';
    throw new UsageError(`${name} cannot be read (${code ?? 'unknown'}).${hint}`);
  }
  throw new UsageError('The list is a folder.');
}
