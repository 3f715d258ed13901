import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AgedRecord, recordsOf, snapshotOf } from '../../src/core/learned-record.js';
import type { Snapshot } from '../../src/core/snapshot.js';
import { histories, live, places } from '../support/engine-history.js';
import { learnedEngine, overJson } from '../support/learned-engine.js';
import { type TestEngine, testEngine } from '../support/test-engine.js';

const agedAll = (snapshot: Snapshot, elapsedMs = 0): AgedRecord[] =>
  Array.from(recordsOf(snapshot), ([id, record]) => ({ id, record, elapsedMs }));

/** What an engine of its own knows after it took the snapshot over. */
function takenOver(snapshot: Snapshot, elapsedMs: number): Snapshot {
  const engine = testEngine(5, { random: () => 0 });
  engine.rotator.restore(snapshot, elapsedMs);
  return overJson(engine.rotator);
}

const unordered = ({ cooldowns, sessions, ...rest }: Snapshot): unknown => ({
  ...rest,
  cooldowns: [...cooldowns].sort((a, b) => (a.host < b.host ? -1 : 1)),
  sessions: [...sessions].sort((a, b) => (a.id < b.id ? -1 : 1)),
});

describe('a snapshot split by proxy', () => {
  it('C-08 says the same when it is put together again', () => {
    const snapshot = overJson(learnedEngine().rotator);
    expect(recordsOf(snapshot).size).toBeGreaterThan(3);
    expect(unordered(snapshotOf(agedAll(snapshot)))).toEqual(unordered(snapshot));
  });

  it('C-08 says the same after any history', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const engine: TestEngine = testEngine(0, { proxies: places, breaker: { threshold: 2 } });
        live(engine, history);
        const snapshot = overJson(engine.rotator);
        const whole = snapshotOf(agedAll(snapshot));
        expect(whole.proxies).toEqual(snapshot.proxies);
        expect(whole.cooldowns).toHaveLength(snapshot.cooldowns.length);
        expect(whole.sessions).toHaveLength(snapshot.sessions.length);
      }),
      { numRuns: 50 },
    );
  });

  it.each([0, 1_000, 16_000, 61_000, 3_600_000, 1e12])(
    'ages each record as restore() ages the whole: %i ms',
    (elapsedMs) => {
      const snapshot = overJson(learnedEngine().rotator);
      expect(unordered(takenOver(snapshotOf(agedAll(snapshot, elapsedMs)), 0))).toEqual(
        unordered(takenOver(snapshot, elapsedMs)),
      );
    },
  );

  it('ages each record by its own time', () => {
    const snapshot = overJson(learnedEngine().rotator);
    const [first, ...others] = agedAll(snapshot);
    if (first?.record.proxy?.lastSuccessAgoMs == null) throw new Error('the first one succeeded');
    const whole = snapshotOf([{ ...first, elapsedMs: 5_000 }, ...others]);
    expect(whole.proxies[first.id]?.lastSuccessAgoMs).toBe(first.record.proxy.lastSuccessAgoMs + 5_000);
    for (const { id, record } of others)
      expect(whole.proxies[id]?.lastSuccessAgoMs).toBe(record.proxy?.lastSuccessAgoMs);
  });

  it('puts the session first that was idle for the longest time, as list() does', () => {
    const [a, b] = agedAll(overJson(learnedEngine().rotator)).filter(
      ({ record }) => record.sessions.length > 0,
    );
    if (a === undefined || b === undefined) throw new Error('two of them have a session');
    for (const [older, newer] of [
      [a, b],
      [b, a],
    ] as const) {
      const { sessions } = snapshotOf([newer, { ...older, elapsedMs: 50_000 }]);
      expect(sessions.map(({ proxyId }) => proxyId)).toEqual([older.id, newer.id]);
    }
  });

  it('lets those rest that may not serve, however long ago it was, and nobody else', () => {
    const old = learnedEngine();
    const [, condemned] = old.ids as [string, string];
    const aged = agedAll(overJson(old.rotator), 3_600_000);
    expect(snapshotOf(aged).proxies[condemned]?.breaker).toMatchObject({ state: 'open', remainingMs: 0 });
    const rested = snapshotOf(aged, 5_000).proxies;
    expect(rested[condemned]?.breaker).toMatchObject({ state: 'open', remainingMs: 5_000 });
    const resting = Object.values(rested).filter(({ breaker }) => 'remainingMs' in breaker);
    expect(resting).toHaveLength(1);
  });

  it.each([
    [
      { state: 'half-open', opens: 2 },
      { state: 'open', opens: 2, remainingMs: 5_000 },
    ],
    [
      { state: 'half-open', opens: 2, refusals: 3 },
      { state: 'auth-failed', opens: 2, refusals: 3, remainingMs: 5_000 },
    ],
    [
      { state: 'tls-intercept', opens: 1, refusals: 1, remainingMs: 70_000 },
      { state: 'tls-intercept', opens: 1, refusals: 1, remainingMs: 70_000 },
    ],
  ] as const)('a rest for %o is %o', (breaker, expected) => {
    const stats = { completed: 0, succeeded: 0, failed: 0, emaLatencyMs: null, minutes: [] };
    const record = { proxy: { stats, breaker, lastSuccessAgoMs: null }, cooldowns: [], sessions: [] };
    const { proxies } = snapshotOf([{ id: 'px_0000000000000000', record, elapsedMs: 0 }], 5_000);
    expect(proxies.px_0000000000000000?.breaker).toEqual(expected);
  });
});

describe('a snapshot of some proxies', () => {
  it('holds what the whole one holds of them, and nothing of others', () => {
    const { rotator, ids } = learnedEngine();
    const only = new Set([ids[0] as string, ids[3] as string, 'px_of-nobody']);
    const records = recordsOf(rotator.snapshot(only));
    const all = recordsOf(rotator.snapshot());
    expect([...records.keys()].sort()).toEqual([...all.keys()].filter((id) => only.has(id)).sort());
    for (const [id, record] of records) expect(record).toEqual(all.get(id));
  });
});
