import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { FileLock } from '../../src/cache/file-lock.js';
import { ShardLog } from '../../src/cache/shard-log.js';
import { RowCodec } from '../../src/cache/stored-row.js';
import { CacheStorageError } from '../../src/errors.js';
import { testEntry, testRing } from '../support/cache-entries.js';
import { loopTime } from '../support/loop-time.js';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pw-lock-'));
  return () => rmSync(dir, { recursive: true });
});

describe('K-62 the lock between processes', () => {
  it('has one owner at a time, and a higher token each time', async () => {
    const locks = Array.from({ length: 8 }, () => new FileLock(dir, { staleMs: 5000, waitMs: 20_000 }));
    let owners = 0;
    let most = 0;
    const tokens: number[] = [];
    await Promise.all(
      locks.map(async (lock) => {
        for (let i = 0; i < 40; i++) {
          const held = await lock.acquire();
          most = Math.max(most, ++owners);
          tokens.push(held.token);
          expect([held.stolen, await held.isOurs()]).toEqual([false, true]);
          owners -= 1;
          await held.release();
        }
      }),
    );
    expect(most).toBe(1);
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(tokens).size).toBe(320);
    // It leaves not a file per use.
    expect(readdirSync(dir).length).toBeLessThan(200);
  });

  it('goes to the next one when its holder gives no sign of life, and the late holder sees that', async () => {
    const settings = { staleMs: 100, waitMs: 5000 };
    // Its own sign of life is due only every 15 s.
    const dead = await new FileLock(dir, { staleMs: 60_000, waitMs: 5000 }).acquire();
    const passed = loopTime();
    const next = await new FileLock(dir, settings).acquire();
    expect(passed()).toBeLessThan(settings.staleMs + 1000);
    expect(next).toMatchObject({ stolen: true, token: dead.token + 1 });
    expect([await dead.isOurs(), await next.isOurs()]).toEqual([false, true]);
    await dead.release();
    expect(await next.isOurs()).toBe(true);
    await next.release();
  });

  it('is not taken from a holder that lives', async () => {
    const held = await new FileLock(dir, { staleMs: 100, waitMs: 1000 }).acquire();
    const other = new FileLock(dir, { staleMs: 100, waitMs: 400 });
    await expect(other.acquire()).rejects.toBeInstanceOf(CacheStorageError);
    expect(await held.isOurs()).toBe(true);
    await held.release();
  });
});

describe('K-62 a holder that comes late', () => {
  const codec = new RowCodec('file', testRing());
  const row = (n: number) => codec.encode(testEntry(n));

  it('loses no record of the next one when it replaces the log, nor when it appends', async () => {
    const late = new ShardLog(dir, 0, codec);
    await late.prepare(1, false);
    await late.append([late.put(row(1))]);
    // It is stopped here, with token 2; the next one takes over with token 3, and stores a record.
    await late.prepare(2, false);
    const next = new ShardLog(dir, 0, codec);
    await next.prepare(3, true);
    await next.append([next.put(row(2))]);

    await late.compact(2);
    await late.append([late.put(row(4))]);
    const reader = new ShardLog(dir, 0, codec);
    await reader.refresh();
    expect([...reader.rows.keys()]).toEqual([testEntry(1).key, testEntry(2).key]);
    // The next holder clears the outdated log away.
    await next.prepare(4, false);
    expect(readdirSync(dir)).toEqual(['00.000000000003.jsonl']);
  });

  it('keeps what it appends to a log that was taken over', async () => {
    const late = new ShardLog(dir, 0, codec);
    await late.prepare(1, false);
    await late.append([late.put(row(1))]);
    const next = new ShardLog(dir, 0, codec);
    await next.prepare(2, true);
    expect([...next.rows.keys()]).toEqual([testEntry(1).key]);
  });
});

describe('K-60 a log', () => {
  const codec = new RowCodec('file', testRing());

  it('sets aside bad lines, one of 10 MB among them, and cuts off what was not written to its end', async () => {
    const log = new ShardLog(dir, 0, codec);
    await log.prepare(1, false);
    await log.append([log.put(codec.encode(testEntry(1)))]);
    const file = join(dir, '00.000000000001.jsonl');
    appendFileSync(file, `\0\0\0\n{"a":1}\n[1,2]\n${'x'.repeat(10_000_000)}\n`);
    appendFileSync(file, `${JSON.stringify(codec.encode(testEntry(2)))}\n["torn`);
    const reader = new ShardLog(dir, 0, codec);
    const { damaged, tail } = await reader.prepare(2, false);
    expect([damaged, tail?.toString()]).toEqual([4, '["torn']);
    expect([...reader.rows.keys()]).toEqual([testEntry(1).key, testEntry(2).key]);
    await reader.append([reader.put(codec.encode(testEntry(3)))]);
    const other = new ShardLog(dir, 0, codec);
    expect(await other.refresh()).toBe(4);
    expect([...other.rows.keys()]).toEqual([1, 2, 3].map((n) => testEntry(n).key));
    expect(reader.isDue(2)).toBe(true);
    expect(await reader.compact(2)).toEqual(['\0\0\0', '{"a":1}', '[1,2]', null]);
    const again = new ShardLog(dir, 0, codec);
    expect(await again.refresh()).toBe(0);
    expect(again.rows.size).toBe(3);
  });
});
