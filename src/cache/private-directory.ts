import { chmod, lstat, mkdir, open } from 'node:fs/promises';
import { CacheStorageError } from '../errors.js';

/**
 * Makes a directory that only its owner may enter (0700), whatever the umask.
 * @throws CacheStorageError when it is a link, is no directory, or belongs to another user.
 */
export async function makePrivateDirectory(tier: string, path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const stats = await lstat(path);
  // A link could lead to where others read; a foreign owner can read what is in it.
  if (!stats.isDirectory()) throw new CacheStorageError(tier, 'its directory is a link or a file');
  const own = process.getuid?.();
  if (own === undefined) return;
  if (stats.uid !== own) throw new CacheStorageError(tier, 'its directory belongs to another user');
  if ((stats.mode & 0o777) !== 0o700) await chmod(path, 0o700);
}

/**
 * Sees to it that the file is there and is for its owner only (0600), whatever the umask.
 * @throws CacheStorageError when it is a link or no plain file.
 */
export async function makePrivateFile(tier: string, path: string): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    if (!(await lstat(path)).isFile())
      throw new CacheStorageError(tier, 'its file is a link or no plain file');
    const { mode } = await file.stat();
    if (process.getuid !== undefined && (mode & 0o777) !== 0o600) await file.chmod(0o600);
  } finally {
    await file.close();
  }
}
