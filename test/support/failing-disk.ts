import type { FileHandle } from 'node:fs/promises';

type Promises = typeof import('node:fs/promises');

let countdown = Number.POSITIVE_INFINITY;
let once = true;

/** The real disk, whose n-th operation fails with EIO. For `vi.mock('node:fs/promises')` with {@link overDisk}. */
export const failingDisk = {
  /** The n-th operation from now on fails, or with `onlyOnce` false each one from that on. */
  failAt(n: number, onlyOnce: boolean): void {
    countdown = n;
    once = onlyOnce;
  },
  mend(): void {
    countdown = Number.POSITIVE_INFINITY;
  },
};

function operation(): void {
  countdown -= 1;
  if (countdown > 0 || (once && countdown < 0)) return;
  throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
}

const calls = [
  'readdir',
  'stat',
  'link',
  'rename',
  'truncate',
  'unlink',
  'mkdir',
  'lstat',
  'appendFile',
] as const;
const handleCalls = ['read', 'write', 'writeFile', 'sync', 'stat', 'truncate', 'chmod'] as const;

/** The module, each operation of which is counted before it reaches the disk. */
export function overDisk(real: Promises): Promises {
  const counted: Record<string, unknown> = { ...real };
  for (const name of calls) {
    counted[name] = async (...args: never[]) => {
      operation();
      return await (real[name] as (...given: never[]) => unknown)(...args);
    };
  }
  counted.open = async (...args: Parameters<Promises['open']>): Promise<FileHandle> => {
    operation();
    const handle = await real.open(...args);
    for (const name of handleCalls) {
      const call = handle[name].bind(handle) as (...given: never[]) => unknown;
      Object.defineProperty(handle, name, {
        value: async (...given: never[]) => {
          operation();
          return await call(...given);
        },
      });
    }
    return handle;
  };
  return counted as Promises;
}
