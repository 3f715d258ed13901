import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../src/core/snapshot.js';
import { SnapshotError } from '../../src/errors.js';
import { knowledge } from '../support/engine-history.js';
import { learnedEngine, overJson } from '../support/learned-engine.js';
import { thrownBy } from '../support/thrown-by.js';

describe('a snapshot that is malformed', () => {
  const [source, target] = [learnedEngine(), learnedEngine()];
  const good = overJson(source.rotator);
  const paths = leaves(good);
  const nullable = /\.(?:emaLatencyMs|lastSuccessAgoMs)$/;

  it('has leaves of each kind', () => {
    const kinds = new Set(paths.map((path) => path.join('.').replace(/px_\w+|\b\d+\b/g, '*')));
    expect([...kinds].sort()).toEqual(
      [
        'version',
        ...['completed', 'succeeded', 'failed', 'emaLatencyMs', 'minutes.*'].map(
          (key) => `proxies.*.stats.${key}`,
        ),
        ...['state', 'faults', 'opens', 'remainingMs'].map((key) => `proxies.*.breaker.${key}`),
        'proxies.*.lastSuccessAgoMs',
        ...['host', 'proxyId', 'remainingMs', 'bans'].map((key) => `cooldowns.*.${key}`),
        ...['id', 'proxyId', 'ageMs', 'idleMs', 'requestCount', 'leaving'].map((key) => `sessions.*.${key}`),
      ].sort(),
    );
  });

  it('throws a SnapshotError that names the leaf, and changes nothing', () => {
    const wrong = fc.constantFrom<unknown>(
      undefined,
      null,
      [],
      {},
      -1,
      Number.NaN,
      Infinity,
      '7',
      Symbol('7'),
    );
    const before = knowledge(target.rotator);
    fc.assert(
      fc.property(fc.constantFrom(...paths), wrong, (path, value) => {
        const name = path.join('.');
        fc.pre(!(value === null && nullable.test(`.${name}`)));
        fc.pre(!(value === '7' && /\.(?:host|proxyId|id)$/.test(name)));
        const error = thrownBy(() => target.rotator.restore(altered(good, path, value)));
        expect(error).toBeInstanceOf(SnapshotError);
        expect(error).toMatchObject({ code: 'PW_SNAPSHOT_INVALID' });
        expect(String((error as SnapshotError).data['path']).replace(/[[\]]+/g, '.')).toContain(path.at(-1));
        expect(knowledge(target.rotator)).toBe(before);
      }),
      { numRuns: 600 },
    );
  });

  it.each<[unknown, string]>([
    [undefined, 'snapshot'],
    [null, 'snapshot'],
    ['{}', 'snapshot'],
    [[], 'snapshot'],
    [{}, 'version'],
    [{ ...good, version: 2 }, 'version'],
    [{ ...good, version: '1' }, 'version'],
    [{ version: 1 }, 'proxies'],
    [{ ...good, proxies: [] }, 'proxies'],
    [{ ...good, cooldowns: {} }, 'cooldowns'],
    [{ ...good, sessions: null }, 'sessions'],
    [{ ...good, sessions: [{ ...good.sessions[0], id: 'not allowed' }] }, 'sessions[0].id'],
  ])('is refused as a whole: %o', (snapshot, path) => {
    const before = knowledge(target.rotator);
    expect(thrownBy(() => target.rotator.restore(snapshot))).toMatchObject({ data: { path } });
    expect(knowledge(target.rotator)).toBe(before);
  });

  it.each([
    ['half a request', 'completed', 7.5],
    ['more results than requests', 'completed', 1],
    ['more than can be counted', 'succeeded', 2 ** 32],
  ])('is one that counts %s', (_, key, value) => {
    const [id] = source.ids as [string];
    expect(() => target.rotator.restore(altered(good, ['proxies', id, 'stats', key], value))).toThrow(
      SnapshotError,
    );
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('elapsedMs of %d is refused', (elapsedMs) => {
    const before = knowledge(target.rotator);
    expect(() => target.rotator.restore(good, elapsedMs)).toThrow(/elapsedMs/);
    expect(knowledge(target.rotator)).toBe(before);
  });

  it('R-24 repeats neither a session id nor what stands in the place of a proxy id', () => {
    const canary = 'canary-password';
    const entry = { stats: {}, breaker: {}, lastSuccessAgoMs: null };
    for (const snapshot of [
      { ...good, proxies: { [`http://u:${canary}@h:1`]: entry } },
      { ...good, sessions: [{ ...good.sessions[0], id: `${canary} ` }] },
      { ...good, cooldowns: [{ ...good.cooldowns[0], proxyId: canary, bans: canary }] },
    ]) {
      const error = thrownBy(() => target.rotator.restore(snapshot));
      expect(error).toBeInstanceOf(SnapshotError);
      expect(JSON.stringify([String(error), error])).not.toContain(canary);
    }
  });
});

/** The paths of all leaves. */
function leaves(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}

/** A copy with another value at `path`. */
function altered(snapshot: Snapshot, path: readonly string[], value: unknown): unknown {
  const copy = structuredClone(snapshot) as unknown as Record<string, unknown>;
  const parent = path.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, copy);
  parent[path.at(-1) as string] = value;
  return copy;
}
