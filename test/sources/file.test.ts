import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type FileSourceOptions, type FileSourceParts, file } from '../../src/sources/file.js';
import type { SourceBatch } from '../../src/sources/source.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeTimers } from '../support/fake-timers.js';

const { signal } = new AbortController();
let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pw-file-'));
  path = join(folder, 'list.txt');
  await writeFile(path, '192.0.2.1:80\nno\n');
  return () => rm(folder, { recursive: true, force: true });
});

const load = (options: FileSourceOptions = {}, at: string = path): Promise<SourceBatch> =>
  file(at, options).load({ signal, validator: null });

describe('a list in a file', () => {
  it('is read, with what the source says of all its proxies', async () => {
    expect(await load({ name: 'mine', geo: { countryCode: 'DE' } })).toMatchObject({
      changed: true,
      proxies: [{ host: '192.0.2.1', source: 'mine', geo: { countryCode: 'DE' }, tags: [] }],
      rejected: [{ line: 2 }],
      rejectedCount: 1,
    });
  });

  it('names itself by its name, and not by its path', () => {
    expect(file('secret-folder/my lïst.txt').name).toBe('my l_st.txt');
  });

  it('goes by its extension', async () => {
    await rename(path, join(folder, 'list.csv'));
    await writeFile(join(folder, 'list.csv'), '"192.0.2.1";"80"\n');
    expect(await load({}, join(folder, 'list.csv'))).toMatchObject({ proxies: [{ port: 80 }] });
    await expect(load({ format: 'text' }, join(folder, 'list.csv'))).rejects.toMatchObject({
      reason: 'no-proxies',
    });
  });

  it('is not read again while it is what it was, and is when another one took its place', async () => {
    const source = file(path);
    const first = (await source.load({ signal, validator: null })) as SourceBatch & { changed: true };
    expect(await source.load({ signal, validator: first.validator })).toEqual({ changed: false });
    await writeFile(`${path}.new`, '192.0.2.2:80\nno\n');
    await utimes(`${path}.new`, 1, 1);
    await rename(`${path}.new`, path);
    expect(await source.load({ signal, validator: first.validator })).toMatchObject({
      proxies: [{ host: '192.0.2.2' }],
    });
  });

  it.each<[string, FileSourceOptions]>([
    ['bytes', { maxBytes: 15 }],
    ['proxies', { maxProxies: 1 }],
  ])('row 48: refuses one of more %s than allowed', async (_what, options) => {
    await writeFile(path, '192.0.2.1:80\n192.0.2.2:80\n');
    await expect(load(options)).rejects.toMatchObject({ code: 'PW_SOURCE_INVALID', reason: 'too-large' });
  });

  it('refuses what is no plain file, without waiting for it', async () => {
    await mkdir(join(folder, 'directory'));
    execFileSync('/usr/bin/mkfifo', [join(folder, 'pipe')]);
    for (const name of ['directory', 'pipe', 'absent'])
      await expect(load({}, join(folder, name))).rejects.toMatchObject({
        code: 'PW_SOURCE_UNREADABLE',
        reason: 'failed',
      });
  });

  it.each<[string, FileSourceOptions, string]>([
    ['', {}, 'file'],
    ['x', { watch: 1 as unknown as boolean }, 'file.watch'],
    ['x', { debounceMs: -1 }, 'file.debounceMs'],
    ['x', { pollMs: 0 }, 'file.pollMs'],
    ['x', { maxBytes: 0 }, 'file.maxBytes'],
    ['x', { maxProxies: 0 }, 'file.maxProxies'],
    ['x', { format: 'xml' as 'csv' }, 'file.format'],
    ['x', { url: 'x' } as FileSourceOptions, 'file.url'],
  ])('option: "%s" with %j names %s', (at, options, issue) => {
    expect(() => file(at, options)).toThrow(
      expect.objectContaining({ issues: [expect.objectContaining({ path: issue })] }),
    );
  });
});

interface Watched {
  readonly timers: FakeTimers;
  readonly clock: FakeClock;
  /** Calls so far. */
  readonly changes: () => number;
  /** Says that a file of the directory changed, or that the system gives up. */
  readonly tell: (name: string | null) => void;
  readonly fail: () => void;
  readonly stop: () => void;
  readonly stopped: () => number;
}

function watched(options: FileSourceOptions = {}, refuses = false): Watched {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  let changes = 0;
  let stopped = 0;
  let tell: Watched['tell'] = () => {};
  let fail = (): void => {};
  const watchDirectory: FileSourceParts['watchDirectory'] = (directory, onChange, onError) => {
    expect(directory).toBe(folder);
    if (refuses) throw new Error('no watches left');
    tell = onChange;
    fail = onError;
    return () => {
      stopped += 1;
    };
  };
  const source = file(path, options, { timers, watchDirectory });
  const stop = source.watch?.(() => {
    changes += 1;
  });
  return {
    timers,
    clock,
    changes: () => changes,
    tell: (name) => tell(name),
    fail: () => fail(),
    stop: () => stop?.(),
    stopped: () => stopped,
  };
}

describe('a file that is watched', () => {
  it('calls once for a burst of changes, when it was quiet for debounceMs', () => {
    const { tell, timers, clock, changes } = watched({ debounceMs: 70 });
    for (const name of ['list.txt', 'other.txt', null]) tell(name);
    expect(timers.pending).toBe(1);
    const before = clock.now();
    timers.fireNext();
    expect([clock.now() - before, changes(), timers.pending]).toEqual([70, 1, 0]);
  });

  it('takes no notice of other files of its directory', () => {
    const { tell, timers } = watched();
    tell('other.txt');
    expect(timers.pending).toBe(0);
  });

  it('ends with its timer', () => {
    const { tell, timers, stop, stopped } = watched();
    tell('list.txt');
    stop();
    expect([timers.pending, stopped()]).toEqual([0, 1]);
  });

  it.each([true, false])(
    'is looked at every pollMs where the system cannot tell (from the start: %s)',
    async (refuses) => {
      const { fail, timers, clock, changes, stop } = watched({ pollMs: 900 }, refuses);
      if (!refuses) fail();
      await expect.poll(() => timers.pending).toBe(1);
      const before = clock.now();
      timers.fireNext();
      await expect.poll(() => timers.pending).toBe(1);
      expect([clock.now() - before, changes()]).toEqual([900, 0]);
      await rename(path, `${path}.old`);
      timers.fireNext();
      await expect.poll(() => timers.pending).toBe(1);
      expect(changes()).toBe(0);
      await writeFile(path, '192.0.2.7:80\n');
      timers.fireNext();
      await expect.poll(() => timers.pending).toBe(1);
      expect(changes()).toBe(1);
      stop();
      expect(timers.pending).toBe(0);
    },
  );

  it('sees a replacement by rename through the real system', async () => {
    let changes = 0;
    const stop = file(path, { debounceMs: 1 }).watch?.(() => {
      changes += 1;
    });
    onTestFinished(() => stop?.());
    for (let round = 1; round <= 2; round++) {
      await writeFile(`${path}.new`, `192.0.2.${round}:80\n`);
      await rename(`${path}.new`, path);
      await expect.poll(() => changes).toBeGreaterThanOrEqual(round);
    }
  });

  it('is not, when that is switched off', () => {
    expect(file(path, { watch: false }).watch).toBeUndefined();
  });
});
