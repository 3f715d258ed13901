import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import Database from 'better-sqlite3';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { CacheEntry } from '../../src/cache/entry.js';
import type { CacheTier } from '../../src/cache/tier.js';
import { TieredCache } from '../../src/cache/tiered-cache.js';
import { CacheKeyError, CacheStorageError, type ProxyWhirlError } from '../../src/errors.js';
import { nodeTimers } from '../../src/transport/node-timers.js';
import { canaries, epoch, openEntry, revealed, testEntry, testRing } from '../support/cache-entries.js';
import { type DiskTierSettings, diskTiers, openDiskTier } from '../support/disk-tiers.js';
import { loopTime } from '../support/loop-time.js';
import { seededRandom } from '../support/seeded-random.js';

const writer = join(import.meta.dirname, '../support/cache-writer.ts');
/** 200 in `npm run soak:cache`. */
const kills = Number(process.env.PROXYWHIRL_CACHE_KILLS ?? 4);
/** 2,500 in the long run. */
const putsEach = Number(process.env.PROXYWHIRL_CACHE_PUTS ?? 100);
/** 1,000 in the long run. */
const damages = Number(process.env.PROXYWHIRL_CACHE_DAMAGES ?? 20);

/** 100 in the long run. */
const stops = Number(process.env.PROXYWHIRL_CACHE_STOPS ?? 5);

async function all(tier: CacheTier): Promise<CacheEntry[]> {
  const found: CacheEntry[] = [];
  for await (const entry of tier.entries()) found.push(entry);
  return found;
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe.each(diskTiers)('a tier on disk: %s', (name) => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pw-disk-'));
    return () => rmSync(dir, { recursive: true });
  });
  const open = (settings: Partial<DiskTierSettings> = {}): CacheTier => {
    const tier = openDiskTier(name, { dir, ...settings });
    onTestFinished(() => tier.close());
    return tier;
  };
  const filled = async (count: number, settings: Partial<DiskTierSettings> = {}): Promise<void> => {
    const tier = open(settings);
    await tier.put(Array.from({ length: count }, (_, n) => testEntry(n)));
    await tier.close();
  };

  it('K-15 has everything after 100 restarts', async () => {
    for (let n = 0; n < 100; n++) {
      const tier = openDiskTier(name, { dir });
      await tier.put([testEntry(n)]);
      expect(revealed(await tier.get(testEntry(n >> 1).key))).toEqual(revealed(testEntry(n >> 1)));
      await tier.close();
    }
    expect(await all(open())).toHaveLength(100);
  }, 300_000);

  it(`K-15 loses nothing acknowledged in ${kills} SIGKILLs during writes`, async () => {
    const random = seededRandom(7);
    const acknowledged = new Map<string, unknown>();
    for (let run = 0; run < kills; run++) {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', writer, name, dir, String(run * 10_000), '10000'],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let printed = '';
      const enough = 1 + Math.floor(random() * 400);
      child.stdout.on('data', (text: Buffer) => {
        printed += text;
        if (printed.split('\n').length > enough) child.kill('SIGKILL');
      });
      await once(child, 'close');
      for (const line of printed.split('\n').slice(0, -1)) {
        const entry = testEntry(Number(line));
        acknowledged.set(entry.key, revealed(entry));
      }
    }
    const errors: Error[] = [];
    const tier = open({ report: (error) => void errors.push(error) });
    // The first write repairs what the last kill left.
    await tier.put([openEntry(1)]);
    const found = await all(tier);
    const keys = new Map(found.map((entry) => [entry.key, revealed(entry)]));
    for (const [key, entry] of acknowledged) expect(keys.get(key)).toEqual(entry);
    expect(acknowledged.size).toBeGreaterThan(kills);
    expect(errors.length).toBeLessThanOrEqual(1);
  }, 600_000);

  it.each([2, 4])(
    'K-62 has all that %i processes write at the same time',
    async (processes) => {
      const run = promisify(execFile);
      const total = processes * putsEach;
      await Promise.all(
        Array.from({ length: processes }, (_, i) =>
          run(process.execPath, [
            '--import',
            'tsx',
            writer,
            name,
            dir,
            String(i * putsEach),
            String(putsEach),
          ]),
        ),
      );
      const found = await all(open());
      expect(found.map(({ proxy }) => proxy.username).sort()).toEqual(
        Array.from({ length: total }, (_, n) => `${canaries.username}-${n}`).sort(),
      );
    },
    300_000,
  );

  it(`K-62 loses nothing when a process is stopped while it writes, and goes on late, ${stops} times`, async () => {
    const random = seededRandom(5);
    const child = spawn(process.execPath, ['--import', 'tsx', writer, name, dir, '0', '1000000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    child.stdout.on('data', (text: Buffer) => {
      printed += text;
    });
    const ended = once(child, 'close');
    const reaches = async (count: number): Promise<void> => {
      while (printed.split('\n').length <= count) {
        await Promise.race([once(child.stdout, 'data'), ended]);
        expect([child.exitCode, child.signalCode]).toEqual([null, null]);
      }
    };
    const tier = open({ busyTimeoutMs: 5000 });
    const mine: CacheEntry[] = [];
    let longest = 0;
    for (let n = 0; n < stops; n++) {
      await reaches(printed.split('\n').length + Math.floor(random() * 20));
      // Anywhere in its next write, and not only at its start.
      const moment = performance.now() + random() * 3;
      while (performance.now() < moment);
      child.kill('SIGSTOP');
      const entry = openEntry(n);
      const passed = loopTime();
      // The lock of one who gives no sign of life is taken over after 400 ms. SQLite's is never taken over.
      const stored = await tier.put([entry]).then(
        () => true,
        (error: unknown) => {
          expect(error).toBeInstanceOf(CacheStorageError);
          return false;
        },
      );
      if (stored) {
        mine.push(entry);
        longest = Math.max(longest, passed());
      }
      if (name === 'file') expect(stored).toBe(true);
      child.kill('SIGCONT');
    }
    await reaches(printed.split('\n').length + 20);
    child.kill('SIGKILL');
    await ended;
    const keys = new Set((await all(open())).map(({ key }) => key));
    const acknowledged = printed.split('\n').slice(0, -1);
    expect(acknowledged.filter((line) => !keys.has(testEntry(Number(line)).key))).toEqual([]);
    expect(mine.filter(({ key }) => !keys.has(key))).toEqual([]);
    if (name === 'file') expect(longest).toBeLessThan(1400);
  }, 600_000);

  it('K-62 sees what another one wrote', async () => {
    const [one, other] = [open(), open()];
    await one.put([testEntry(1)]);
    expect(await other.get(testEntry(1).key)).not.toBeNull();
    await other.delete([testEntry(1).key]);
    expect(await one.get(testEntry(1).key)).toBeNull();
  });

  it('K-04 K-05 K-66 holds no credential in the clear, in no file and no name', async () => {
    const tier = open();
    await tier.put(Array.from({ length: 50 }, (_, n) => testEntry(n)));
    await tier.delete([testEntry(1).key]);
    // While it is open: the journal is there.
    const files = filesBelow(dir);
    await open({ keys: [] }).put([testEntry(77)]);
    expect(files.length).toBeGreaterThan(0);
    for (const file of [...files, ...filesBelow(dir)]) {
      expect(file).not.toContain('canary');
      expect(readFileSync(file).includes('canary'), file).toBe(false);
    }
  });

  it('K-06 keeps its directories to 0700 and its files to 0600, whatever the umask', async () => {
    const umask = process.umask(0);
    try {
      const tier = open();
      await tier.put([testEntry(1)]);
      for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
        const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777;
        expect([entry.name, mode]).toEqual([entry.name, entry.isDirectory() ? 0o700 : 0o600]);
      }
    } finally {
      process.umask(umask);
    }
  });

  it('K-61 refuses a directory that is a link', async () => {
    mkdirSync(join(dir, 'elsewhere'));
    symlinkSync(join(dir, 'elsewhere'), join(dir, name));
    await expect(open().put([testEntry(1)])).rejects.toBeInstanceOf(CacheStorageError);
    expect(readdirSync(join(dir, 'elsewhere'))).toEqual([]);
  });

  it('K-61 fails with one clear error while its place is taken, and works when it is free', async () => {
    writeFileSync(join(dir, name), 'a file');
    const tier = open();
    const error = await tier.put([testEntry(1)]).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CacheStorageError);
    expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
    rmSync(join(dir, name));
    await tier.put([testEntry(1)]);
    expect(await tier.get(testEntry(1).key)).not.toBeNull();
  });

  it('K-61 loses nothing acknowledged when the disk is full, and writes again when there is room', async () => {
    // A file size limit fails a write in the middle, as a full disk does, and needs no rights.
    const limited = `trap '' XFSZ; ulimit -f ${name === 'file' ? 96 : 1024}; exec "$0" "$@"`;
    const args = ['-c', limited, process.execPath, '--import', 'tsx', writer, name, dir, '0', '20000'];
    const child = spawn('bash', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let printed = '';
    child.stdout.on('data', (text: Buffer) => {
      printed += text;
    });
    const [code] = await once(child, 'close');
    const acknowledged = printed
      .split('\n')
      .slice(0, -1)
      .map((line) => testEntry(Number(line)).key);
    expect([code, acknowledged.length > 10, acknowledged.length < 20_000]).toEqual([1, true, true]);
    const tier = open();
    const later = Array.from({ length: 64 }, (_, n) => openEntry(n));
    await tier.put(later);
    await tier.close();
    const keys = new Set((await all(open())).map(({ key }) => key));
    expect([...acknowledged, ...later.map(({ key }) => key)].filter((key) => !keys.has(key))).toEqual([]);
  });

  it('K-04 keeps every record through a run with the wrong key', async () => {
    await filled(20);
    const errors: Error[] = [];
    const wrong = open({ keys: [5], report: (error) => void errors.push(error) });
    expect(await all(wrong)).toEqual([]);
    await wrong.put([testEntry(3, { accessCount: 9 }), testEntry(99)]);
    expect(await wrong.delete([testEntry(4).key])).toBe(0);
    await wrong.sweep();
    await wrong.clear();
    await wrong.put([testEntry(99)]);
    expect(await wrong.get(testEntry(3).key)).toBeNull();
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(CacheKeyError);
    expect((errors[0] as ProxyWhirlError).data.keyId).toBe(testRing().keyId);
    expect(wrong.figures().locked).toBeGreaterThan(20);
    await wrong.close();
    const right = open();
    for (let n = 0; n < 20; n++)
      expect(revealed(await right.get(testEntry(n).key))).toEqual(revealed(testEntry(n)));
  });

  it('K-04 K-16 keeps records of a missing key when it is full', async () => {
    await filled(5);
    const other = open({ keys: [5], maxEntries: 3 });
    await other.put([10, 11, 12, 13].map((n) => testEntry(n)));
    await other.close();
    expect((await all(open())).length).toBe(5);
  });

  it('K-04 stores a proxy without its credentials when there is no key, and completes it when there is one', async () => {
    await filled(1, { keys: [] });
    const tier = open();
    expect(await tier.get(testEntry(0).key)).toMatchObject({ withheld: true, proxy: { username: null } });
    await tier.put([testEntry(0)]);
    expect(revealed(await tier.get(testEntry(0).key))).toEqual(revealed(testEntry(0)));
  });

  it('K-04 reseals all records with a new key while they are read, after which the old key can go', async () => {
    await filled(300);
    const clock = { now: () => performance.now() };
    const around = {
      now: () => epoch,
      clock,
      timers: nodeTimers,
      isOutage: () => false,
      onEvent: () => undefined,
    };
    const tier = openDiskTier(name, { dir, keys: [5, 0] });
    const cache = new TieredCache([tier], around, { timeoutMs: 10_000 });
    const readers = Array.from({ length: 100 }, async (_, n) => {
      for (let i = 0; i < 5; i++) expect(await cache.get(testEntry((n * 7 + i) % 300).key)).not.toBeNull();
    });
    expect((await Promise.all([cache.reseal(), ...readers]))[0]).toBe(300);
    await cache.close();
    const found = await all(open({ keys: [5] }));
    expect(found.map(({ proxy }) => proxy.password?.reveal()).sort()).toEqual(
      Array.from({ length: 300 }, (_, n) => `${canaries.password}-${n}`).sort(),
    );
  });

  it(`K-60 gives out nothing wrong after any of ${damages} damages, and goes on`, async () => {
    await filled(60);
    const sources = filesBelow(dir)
      .filter((file) => /\.(db|db-wal|jsonl)$/.test(file) && statSync(file).size > 0)
      .map((file) => ({ file, bytes: readFileSync(file) }));
    const random = seededRandom(11);
    const original = new Map(
      Array.from({ length: 60 }, (_, n) => [testEntry(n).key, revealed(testEntry(n))]),
    );
    let lost = 0;
    for (let round = 0; round < damages; round++) {
      for (const file of filesBelow(dir)) rmSync(file);
      for (const { file, bytes } of sources) writeFileSync(file, bytes, { mode: 0o600 });
      const { file, bytes } = sources[Math.floor(random() * sources.length)] as (typeof sources)[0];
      const changed = Buffer.from(bytes);
      const kind = round % 4;
      const at = Math.floor(random() * changed.length);
      if (kind === 0) changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      if (kind === 1) changed.fill(0, at, Math.min(at + 512, changed.length));
      if (kind === 2)
        for (let i = at; i < Math.min(at + 64, changed.length); i++) changed[i] = random() * 256;
      writeFileSync(file, kind === 3 ? changed.subarray(0, at) : changed);

      const tier = openDiskTier(name, { dir });
      for (const [key, expected] of original) {
        const entry = await tier.get(key);
        if (entry === null) lost += 1;
        else expect(revealed(entry), `round ${round}`).toEqual(expected);
      }
      for (const entry of await all(tier)) expect(revealed(entry)).toEqual(original.get(entry.key));
      await tier.put([testEntry(100)]);
      expect(revealed(await tier.get(testEntry(100).key))).toEqual(revealed(testEntry(100)));
      await tier.close();
    }
    // Most damages are local: the average round keeps most of the records.
    expect(lost / (damages * 60)).toBeLessThan(0.5);
  }, 600_000);
});

describe('K-61 K-03 the database', () => {
  it('K-61 is waited for off the event loop while another process has it locked', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'pw-busy-'));
    const tier = openDiskTier('sqlite', { dir, busyTimeoutMs: 2_000 });
    onTestFinished(async () => {
      await tier.close();
      rmSync(dir, { recursive: true });
    });
    await tier.put([testEntry(1)]);
    const other = new Database(join(dir, 'sqlite', 'cache.db'));
    other.exec('BEGIN IMMEDIATE');
    let longest = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    try {
      await expect(tier.put([testEntry(2)])).rejects.toBeInstanceOf(CacheStorageError);
      expect(await tier.get(testEntry(1).key)).not.toBeNull();
    } finally {
      clearInterval(beat);
      other.exec('ROLLBACK');
      other.close();
    }
    // One that waited on the event loop would hold it up for all of the 2 s.
    expect(longest).toBeLessThan(1_000);
    await tier.put([testEntry(2)]);
    expect(await tier.get(testEntry(2).key)).not.toBeNull();
  });

  it('K-60 is replaced when it is damaged, and whoever has it open goes on in the new one', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'pw-replaced-'));
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    const first = openDiskTier('sqlite', { dir });
    await first.put(numbers.map((n) => testEntry(n)));
    await first.close();
    const errors: Error[] = [];
    const old = openDiskTier('sqlite', { dir });
    onTestFinished(() => rmSync(dir, { recursive: true }));
    expect(await old.get(testEntry(3).key)).not.toBeNull();
    const file = join(dir, 'sqlite', 'cache.db');
    const bytes = readFileSync(file);
    // One page of the tree.
    writeFileSync(file, bytes.fill(0xee, 4096 * 5, 4096 * 5 + 64));
    const other = openDiskTier('sqlite', { dir, report: (error) => void errors.push(error) });
    await other.put([testEntry(1000)]);
    expect(errors.map(({ message }) => message)).toContainEqual(expect.stringContaining('was replaced'));
    const names = readdirSync(join(dir, 'sqlite'));
    expect(names).toContain(`cache.db.corrupt-${epoch}`);
    expect(names).toContain('cache.1.db');
    expect(statSync(join(dir, 'sqlite', 'cache.1.db')).mode & 0o777).toBe(0o600);

    await old.put([testEntry(1001)]);
    expect(await other.get(testEntry(1001).key)).not.toBeNull();
    await other.put([testEntry(1002)]);
    expect(await old.get(testEntry(1002).key)).not.toBeNull();
    await old.close();
    await other.put([testEntry(1003)]);
    await other.close();
    const after = openDiskTier('sqlite', { dir });
    for (const n of [1000, 1001, 1002, 1003])
      expect(revealed(await after.get(testEntry(n).key))).toEqual(revealed(testEntry(n)));
    await after.close();
  });

  it('K-03 has the indexes, the journal and the version, and leaves a newer file alone', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'pw-schema-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const path = join(dir, 'sqlite', 'cache.db');
    const tier = openDiskTier('sqlite', { dir });
    await tier.put([testEntry(1)]);
    await tier.close();
    const db = new Database(path);
    const indexes = db.prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`,
    );
    expect(indexes.pluck().all()).toEqual([
      'entries_expires_at',
      'entries_health_status',
      'entries_last_accessed_at',
      'entries_source',
    ]);
    expect([
      db.pragma('journal_mode', { simple: true }),
      db.pragma('user_version', { simple: true }),
    ]).toEqual(['wal', 1]);
    db.pragma('user_version = 2');
    db.close();
    const before = readFileSync(path);
    const older = openDiskTier('sqlite', { dir });
    await expect(older.get(testEntry(1).key)).rejects.toThrow(/newer version/);
    await older.close();
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});
