import { describe, expect, it } from 'vitest';
import { keepRecord, readRecord } from '../../src/cache/engine-record.js';
import { MAX_LEARNED_LENGTH } from '../../src/cache/entry.js';
import { type LearnedRecord, recordsOf } from '../../src/core/learned-record.js';
import { testRing } from '../support/cache-entries.js';
import { learnedEngine } from '../support/learned-engine.js';

const id = 'px_00112233aabbccdd';
const records = [...recordsOf(learnedEngine().rotator.snapshot()).values()];
const overJson = (value: unknown): never => JSON.parse(JSON.stringify(value)) as never;
const session = (n: number, name = `canary-session-${n}`): LearnedRecord['sessions'][number] => ({
  id: name,
  ageMs: 5_000 + n,
  idleMs: n,
  requestCount: 1,
  leaving: false,
});

describe('C-04 the record of one proxy in the cache', () => {
  it('comes back as it was, with its time', () => {
    const ring = testRing();
    for (const record of records) {
      const back = readRecord(id, overJson(keepRecord(id, { record, at: 123 }, ring)), ring);
      expect(back?.at).toBe(123);
      expect(back?.record.proxy).toEqual(overJson(record.proxy));
      expect(new Set(back?.record.cooldowns)).toEqual(new Set(record.cooldowns));
      expect(new Set(back?.record.sessions)).toEqual(new Set(record.sessions));
    }
  });

  it('K-05 holds no session id in the clear: sealed with a key, absent without one', () => {
    const record = { proxy: null, cooldowns: [], sessions: [session(1)] };
    const sealed = keepRecord(id, { record, at: 0 }, testRing());
    expect(JSON.stringify(sealed)).not.toContain('canary-session');
    expect(readRecord(id, sealed, testRing())?.record.sessions).toEqual([session(1)]);
    const without = keepRecord(id, { record, at: 0 }, null);
    expect(without).not.toHaveProperty('sessions');
  });

  it('K-04 opens sessions in their own record and with their own key only, and keeps the rest', () => {
    const [first] = records;
    const record = { ...(first as LearnedRecord), sessions: [session(1)] };
    const kept = keepRecord(id, { record, at: 0 }, testRing());
    for (const back of [
      readRecord('px_ffffffffffffffff', kept, testRing()),
      readRecord(id, kept, testRing(5)),
      readRecord(id, kept, null),
    ]) {
      expect(back?.record.sessions).toEqual([]);
      expect(back?.record.proxy).toEqual(record.proxy);
    }
  });

  it('stays below the limit of an entry, and keeps what is newest', () => {
    const sessions = Array.from({ length: 5_000 }, (_, n) => session(n, `${'s'.repeat(100)}${n}`));
    const cooldowns = Array.from({ length: 5_000 }, (_, n) => ({
      host: `${'h'.repeat(100)}${n}.example:443`,
      remainingMs: n + 1,
      bans: 1,
    }));
    const stats = {
      completed: 2 ** 32 - 1,
      succeeded: 1,
      failed: 1,
      emaLatencyMs: 123.456789012345,
      minutes: new Array<number>(1440).fill(99_999),
    };
    const breaker = { state: 'closed', faults: 0, opens: 0 } as const;
    const record = {
      proxy: { stats, breaker, lastSuccessAgoMs: 1 },
      cooldowns: overJson(cooldowns),
      sessions: sessions.toReversed(),
    };
    const kept = keepRecord(id, { record, at: 0 }, testRing());
    expect(JSON.stringify(kept).length).toBeLessThan(MAX_LEARNED_LENGTH);
    const back = readRecord(id, kept, testRing())?.record;
    expect(back?.sessions.length).toBeGreaterThan(100);
    expect(back?.sessions[0]?.idleMs).toBe(0);
    expect(back?.cooldowns.length).toBeGreaterThan(100);
    expect(back?.cooldowns[0]?.remainingMs).toBe(5_000);
  });

  it.each([
    [{}],
    [{ v: 2, at: 0, proxy: null, cooldowns: [] }],
    [{ v: 1, at: Number.NaN, proxy: null, cooldowns: [] }],
    [{ v: 1, at: 0, proxy: { stats: {} }, cooldowns: [] }],
    [{ v: 1, at: 0, proxy: null, cooldowns: 'none' }],
    [{ v: 1, at: 0, proxy: null, cooldowns: [{ host: 1 }] }],
    [{ v: 1, at: 0, proxy: { stats: {}, breaker: { state: 'odd' }, lastSuccessAgoMs: 0 }, cooldowns: [] }],
  ])('K-60 is nothing when it is not what was kept: %o', (kept) => {
    expect(readRecord(id, kept, null)).toBeNull();
  });
});
