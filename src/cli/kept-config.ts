import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from '../cache/private-directory.js';
import { replaceFile } from '../cache/replace-file.js';
import { createRotator } from '../create-rotator.js';
import type { ConfigChange, SaveConfig } from '../server/api-options.js';
import { merged } from '../server/live-config.js';
import { readConfigChange } from '../server/routes/config.js';
import type { Setting } from './settings.js';
import type { Terminal } from './terminal.js';

const FILE = 'config.json';

/** What `PUT /config` was asked to keep, for the next start of `serve`. */
export interface KeptConfig {
  readonly settings: readonly Setting[];
  /** Null: nothing can be kept. */
  readonly save: SaveConfig | null;
}

export const nothingKept: KeptConfig = { settings: [], save: null };

/**
 * From a file beside the cache, for its owner only. One that cannot be read is a warning, and stays as it is: nothing
 * is kept until it is gone.
 */
export async function readKeptConfig(dir: string, terminal: Pick<Terminal, 'warn'>): Promise<KeptConfig> {
  const path = join(dir, FILE);
  try {
    const kept = readConfigChange(JSON.parse((await readOrNull(path)) ?? '{}'));
    const { strategy, ...api } = kept;
    // Nobody starts with a strategy that is not there any more: said here, it is known who asked for it.
    if (strategy !== undefined) createRotator({ strategy });
    return {
      settings: [
        ['strategy', strategy, FILE],
        ['serve.timeout', api.timeout, FILE],
        ['serve.maxRetries', api.maxRetries, FILE],
        ['serve.rateLimits.perMinute', api.rateLimits?.perMinute, FILE],
        ['serve.rateLimits.requestsPerMinute', api.rateLimits?.requestsPerMinute, FILE],
      ],
      save: async (_, changed) => {
        await makePrivateDirectory('config', dir);
        await replaceFile(path, `${JSON.stringify(merged<ConfigChange>(kept, changed), null, 2)}\n`);
      },
    };
  } catch {
    terminal.warn(
      `${FILE} in the folder of the cache cannot be read: what clients have changed by PUT /config is not in force, ` +
        'and nothing more is kept. Mend or remove it.',
    );
    return nothingKept;
  }
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
