import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Timer, Timers } from '../core/clock.js';

/**
 * Tells of changes below a directory, by the name of what changed (null: the system does not say). What comes back ends
 * it. Throws, or calls `onError`, when the system cannot do it.
 */
export type DirectoryWatch = (
  directory: string,
  onChange: (name: string | null) => void,
  onError: () => void,
) => () => void;

export interface FileWatchOptions {
  readonly debounceMs: number;
  readonly pollMs: number;
  readonly timers: Timers;
  readonly watchDirectory?: DirectoryWatch | undefined;
}

/**
 * Calls back when a file has changed and was quiet for a while. The directory is watched, not the file: a rename puts
 * another file in its place, of which a watch on the old one hears nothing. Keeps no process alive.
 */
export function watchFile(path: string, onChange: () => void, options: FileWatchOptions): () => void {
  const { debounceMs, timers, watchDirectory = watchBySystem } = options;
  const name = basename(path);
  let timer: Timer | undefined;
  let stop: () => void = () => {};
  const poll = (): void => {
    stop();
    stop = pollFile(path, onChange, options);
  };
  try {
    stop = watchDirectory(
      dirname(path),
      (changed) => {
        if (changed !== null && changed !== name) return;
        timers.clearTimeout(timer);
        timer = timers.setTimeout(onChange, debounceMs);
        timer.unref?.();
      },
      poll,
    );
  } catch {
    // No watches left, or a file system without them.
    poll();
  }
  return () => {
    timers.clearTimeout(timer);
    stop();
  };
}

function watchBySystem(
  directory: string,
  onChange: (name: string | null) => void,
  onError: () => void,
): () => void {
  const watcher: FSWatcher = watch(directory, { persistent: false }, (_event, name) => onChange(name));
  watcher.on('error', onError);
  return () => watcher.close();
}

function pollFile(path: string, onChange: () => void, { pollMs, timers }: FileWatchOptions): () => void {
  let stamp: string | null | undefined;
  let stopped = false;
  let timer: Timer | undefined;
  const look = async (): Promise<void> => {
    const now = await stampOf(path);
    if (stopped) return;
    // A file that is away for a moment is being replaced.
    if (stamp !== undefined && now !== null && now !== stamp) onChange();
    stamp = now ?? stamp ?? null;
    timer = timers.setTimeout(() => void look(), pollMs);
    timer.unref?.();
  };
  void look();
  return () => {
    stopped = true;
    timers.clearTimeout(timer);
  };
}

async function stampOf(path: string): Promise<string | null> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino}-${size}-${mtimeMs}`;
  } catch {
    return null;
  }
}
