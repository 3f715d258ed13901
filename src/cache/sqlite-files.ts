import { linkSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';

/**
 * The database is `cache.db` until it turns out to be damaged, and then `cache.1.db`, and so on. Its name is never
 * used again: another process may have the damaged file open, and SQLite deletes the journal by its name, whosever
 * it is by then.
 */
export function currentFile(path: string): string {
  const name = basename(path, extname(path));
  const numbers = readdirSync(dirname(path)).flatMap((file) => {
    const number = file.startsWith(`${name}.`) && file.endsWith(extname(path)) ? file.split('.').at(-2) : '';
    return /^\d{1,9}$/.test(number ?? '') && file === `${name}.${number}${extname(path)}`
      ? Number(number)
      : [];
  });
  return numbers.length === 0 ? path : fileNumber(path, Math.max(...numbers));
}

/** The name that follows that of {@link currentFile}. */
export function nextFile(path: string): string {
  const [, number = '0'] = /\.(\d{1,9})\.[^.]*$/.exec(basename(currentFile(path))) ?? [];
  return fileNumber(path, Number(number) + 1);
}

/** Gives a file its name, whole and at once. False when another process was first; the file is then gone. */
export function publish(temporary: string, file: string): boolean {
  try {
    linkSync(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Keeps a damaged file for a human to look at. Where it cannot be renamed, it keeps its name, which no longer counts. */
export function setFileAside(file: string, now: number): void {
  for (const suffix of ['', '-wal', '-shm']) {
    try {
      renameSync(`${file}${suffix}`, `${file}.corrupt-${now}${suffix}`);
    } catch {
      // Not there, or open in a process of Windows.
    }
  }
}

function fileNumber(path: string, number: number): string {
  return join(dirname(path), `${basename(path, extname(path))}.${number}${extname(path)}`);
}
