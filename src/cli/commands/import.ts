import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { KEY_VARIABLE, loadKeyRing } from '../../cache/key-source.js';
import type { CommandContext, SettingFlags } from '../command.js';
import { noteRejected, tracing } from '../complaint.js';
import { withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { readablePath } from '../list-file.js';
import { isTree } from '../option-path.js';
import { loadSettings, type Settings } from '../settings.js';
import { UsageError } from '../usage-error.js';

export interface ImportFlags extends SettingFlags {
  /** Seconds. */
  readonly ttl?: number | undefined;
  readonly name?: string | undefined;
}

/** `import LIST`: puts the proxies of a file into the cache, from where every later command has them. */
export async function run(context: CommandContext, flags: ImportFlags, path: string): Promise<number> {
  const { terminal, signal, cwd } = context;
  const settings = await loadSettings(context, flags);
  await using file =
    path === '-'
      ? await spooled(context)
      : { path: await readablePath(cwd, path), [Symbol.asyncDispose]: () => Promise.resolve() };
  return await tracing(settings, () =>
    withEngine(context, settings, {}, async ({ cache, rotator }) => {
      if (cache === null)
        throw new UsageError('import needs the cache: leave out --no-cache, or set the option cache.');
      const before = new Set(rotator.pool.list().map(({ id }) => id));
      const bar = terminal.bar(0, 'proxies');
      const { stored, kept, rejectedCount, rejected } = await cache
        .warmFromFile(file.path, {
          signal,
          ...(flags.ttl !== undefined && { ttlSeconds: flags.ttl }),
          ...(flags.name !== undefined && { source: flags.name }),
          onProgress: (progress) => bar.update(progress.stored),
        })
        .finally(() => bar.stop());
      const added = rotator.pool.list(({ id }) => !before.has(id));
      const withCredentials = added.filter(({ proxy }) => proxy.username !== null).length;
      const unkept = (await hasKey(context, settings)) ? 0 : withCredentials;
      if (flags.json === true)
        await terminal.json({
          stored,
          kept,
          added: added.length,
          size: rotator.pool.size,
          unkept,
          rejectedCount,
          rejected,
        });
      else
        terminal.note(
          `${stored} proxies were stored, ${added.length} of them new; the pool has ${rotator.pool.size}.`,
        );
      if (rejectedCount > 0 && flags.json !== true) {
        terminal.note(`Lines that are no proxies: ${rejectedCount}`);
        noteRejected(terminal, rejected, rejectedCount);
      }
      if (!kept) terminal.warn('Not all of them could be written, and those will be gone.');
      if (unkept > 0)
        terminal.warn(
          `${unkept} proxies have credentials, which are not kept without a key, and will be gone. ` +
            `\`proxywhirl init\` makes a key file; or set ${KEY_VARIABLE}.`,
        );
      const isWhole = kept && rejectedCount === 0 && unkept === 0 && stored > 0;
      return isWhole ? exitCode.ok : exitCode.finding;
    }),
  );
}

/** Whether credentials are kept: a key that cannot be used was told as a warning, and keeps nothing. */
async function hasKey({ env }: CommandContext, { options: { cache } }: Settings): Promise<boolean> {
  const keyFile = isTree(cache) && typeof cache.keyFile === 'string' ? cache.keyFile : undefined;
  try {
    return (await loadKeyRing({ env, keyFile, randomBytes })) !== null;
  } catch {
    return false;
  }
}

/** The cache reads a file by its name; standard input becomes one, which nobody else may read. */
async function spooled({ stdin }: CommandContext): Promise<ListFile> {
  const folder = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  const path = join(folder, 'list');
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await pipeline(stdin, createWriteStream(path, { mode: 0o600, flags: 'wx' }));
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: remove };
}

interface ListFile extends AsyncDisposable {
  readonly path: string;
}
