import { open, readdir, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheStorageError } from '../errors.js';

export interface FileLockSettings {
  /** A holder that gave no sign of life for so many ms is taken for dead. */
  readonly staleMs: number;
  /** How long to wait for the lock, in ms. */
  readonly waitMs: number;
}

/** The lock while it is held. */
export interface HeldLock {
  /** Higher than that of every holder before: what a late holder does can be told apart by it. */
  readonly token: number;
  /** True when the holder before did not give the lock back: it may still be about to write. */
  readonly stolen: boolean;
  /** False as soon as another holder followed, because this one was taken for dead. */
  isOurs(): Promise<boolean>;
  release(): Promise<void>;
}

/** Tokens that are kept: one who looked so many holders ago must not find its next number unused. */
const KEPT_TOKENS = 64;

/**
 * A lock between processes in a directory of its own, with fencing tokens.
 *
 * Each holder is a file, named by its token. To follow is to create the file of the next number, which only one
 * process can (O_EXCL). An empty file is held, one with a byte was given back. That a holder is dead is told by
 * its file not being touched for `staleMs`, measured on the monotonic clock of the one who waits.
 *
 * It does not keep a holder that was stopped and taken for dead from writing: see `isOurs` and the generations
 * of the shards.
 */
export class FileLock {
  readonly #dir: string;
  readonly #settings: FileLockSettings;

  constructor(dir: string, settings: FileLockSettings) {
    this.#dir = dir;
    this.#settings = settings;
  }

  /** @throws CacheStorageError when it is not free within `waitMs`. */
  async acquire(): Promise<HeldLock> {
    const started = performance.now();
    let seen = { token: -1, touchedAt: 0, since: started };
    for (let pause = 1; ; pause = Math.min(pause * 2, 16)) {
      const newest = await this.#newest();
      const now = performance.now();
      if (newest.token !== seen.token || newest.touchedAt !== seen.touchedAt)
        seen = { ...newest, since: now };
      const stolen = !newest.free && now - seen.since >= this.#settings.staleMs;
      if (newest.free || stolen) {
        const token = newest.token + 1;
        if (await this.#take(token)) return this.#held(token, stolen);
        continue;
      }
      if (now - started >= this.#settings.waitMs)
        throw new CacheStorageError('file', 'another process holds its lock');
      await sleep(pause);
    }
  }

  async #take(token: number): Promise<boolean> {
    try {
      await (await open(this.#path(token), 'wx', 0o600)).close();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
    // Others may have come and gone since the number was looked up, and their files with them.
    const tokens = await this.#tokens();
    if (tokens.at(-1) !== token) {
      await unlink(this.#path(token)).catch(() => undefined);
      return false;
    }
    // In rising order, so that a file is never older than one that is gone.
    if (tokens.length > 2 * KEPT_TOKENS)
      for (const old of tokens.slice(0, -KEPT_TOKENS)) await unlink(this.#path(old)).catch(() => undefined);
    return true;
  }

  #held(token: number, stolen: boolean): HeldLock {
    const path = this.#path(token);
    const touch = () => {
      const now = Date.now() / 1000;
      // A lock that cannot be touched is taken by others, which isOurs() tells.
      utimes(path, now, now).catch(() => undefined);
    };
    const heartbeat = setInterval(touch, this.#settings.staleMs / 4).unref();
    const isOurs = async (): Promise<boolean> => {
      const [own, next] = await Promise.all([exists(path), exists(this.#path(token + 1))]);
      return own && !next;
    };
    const release = async (): Promise<void> => {
      clearInterval(heartbeat);
      const file = await open(path, 'r+').catch(() => null);
      try {
        await file?.write('.');
      } finally {
        await file?.close();
      }
    };
    return { token, stolen, isOurs, release };
  }

  async #newest(): Promise<{ token: number; free: boolean; touchedAt: number }> {
    const token = (await this.#tokens()).at(-1);
    if (token === undefined) return { token: 0, free: true, touchedAt: 0 };
    const { size, mtimeMs } = await stat(this.#path(token));
    return { token, free: size > 0, touchedAt: mtimeMs };
  }

  async #tokens(): Promise<number[]> {
    const names = await readdir(this.#dir);
    return names
      .filter((name) => /^\d{12}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  #path(token: number): string {
    return join(this.#dir, String(token).padStart(12, '0'));
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
