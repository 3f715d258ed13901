import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CacheEntry, checkEntry, clampTimes, createEntry, isLive } from '../../src/cache/entry.js';
import { rowAt, rowColumns, type StoredRow } from '../../src/cache/row-seal.js';
import { RowCodec } from '../../src/cache/stored-row.js';
import { createProxy, type ProxyFields } from '../../src/core/proxy.js';
import {
  CacheCorruptionError,
  CacheKeyError,
  CacheValidationError,
  type ProxyWhirlError,
} from '../../src/errors.js';
import { canaries, epoch, openEntry, revealed, testEntry, testRing } from '../support/cache-entries.js';
import { thrownBy } from '../support/thrown-by.js';

describe('K-01 an entry', () => {
  it('has the fields of a proxy that was just fetched', () => {
    const proxy = createProxy({ host: 'a.test', port: 80, source: 'list' });
    expect(createEntry(proxy, epoch, 90)).toEqual({
      key: proxy.id,
      proxy,
      withheld: false,
      source: 'list',
      fetchedAt: epoch,
      lastAccessedAt: epoch,
      accessCount: 0,
      ttlSeconds: 90,
      expiresAt: epoch + 90_000,
      healthStatus: 'unknown',
      failureCount: 0,
      createdAt: epoch,
      updatedAt: epoch,
      learned: null,
    });
  });

  it.each<[string, unknown]>([
    ['ttlSeconds', 59],
    ['ttlSeconds', 60.5],
    ['expiresAt', Number.NaN],
    ['fetchedAt', -1],
    ['accessCount', 0.5],
    ['failureCount', '1'],
    ['key', '../../etc/passwd'],
    ['healthStatus', 'fine'],
    ['learned', []],
    ['source', 'elsewhere'],
    ['proxy', null],
    ['withheld', 1],
  ])('K-08 is refused with a wrong %s, without repeating it: %j', (name, value) => {
    const error = thrownBy(() => checkEntry({ ...testEntry(1), [name]: value } as CacheEntry));
    expect(error).toBeInstanceOf(CacheValidationError);
    expect((error as ProxyWhirlError).data.path).toBe(name);
  });

  it('K-20 is unavailable from the very ms on at which it expires', () => {
    const entry = testEntry(1);
    expect(isLive(entry, entry.expiresAt - 1)).toBe(true);
    expect(isLive(entry, entry.expiresAt)).toBe(false);
  });

  it('K-20 becomes not immortal when the clock is set back by ten years', () => {
    const now = epoch - 10 * 365 * 86_400_000;
    const clamped = clampTimes(testEntry(1), now);
    expect(isLive(clamped, now + 3_599_999)).toBe(true);
    expect(isLive(clamped, now + 3_600_000)).toBe(false);
    expect(checkEntry(clamped)).toBe(clamped);
  });
});

describe('K-05 the key of an entry', () => {
  it('changes with every part of the identity, and is the same in every run', () => {
    const fields: ProxyFields = { protocol: 'http', host: 'a.test', port: 80, username: 'u', password: 'p' };
    const changes: Partial<ProxyFields>[] = [
      {},
      { protocol: 'socks5' },
      { host: 'b.test' },
      { port: 81 },
      { username: 'v' },
      { password: 'q' },
      { username: 'up', password: '' },
    ];
    const keys = changes.map((change) => createEntry(createProxy({ ...fields, ...change }), epoch, 60).key);
    expect(new Set(keys).size).toBe(changes.length);
    expect(keys[0]).toBe(createProxy(fields).id);
    expect(keys[0]).toMatch(/^px_[0-9a-f]{16}$/);
  });
});

describe('K-01 K-04 a persisted record', () => {
  const codec = new RowCodec('file', testRing());

  it('gives back every entry', () => {
    const count = fc.nat(1e9);
    const entries = fc.record({
      n: fc.nat(1e6),
      accessCount: count,
      failureCount: count,
      lastAccessedAt: count,
      healthStatus: fc.constantFrom('healthy', 'unhealthy', 'unknown'),
      learned: fc.option(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }))),
    });
    fc.assert(
      fc.property(entries, ({ n, ...changes }) => {
        // JSON knows no -0.
        const plain = JSON.parse(JSON.stringify(changes)) as Partial<CacheEntry>;
        const entry = testEntry(n, plain);
        expect(revealed(codec.decode(codec.encode(entry)))).toEqual(revealed(entry));
      }),
      { numRuns: 200 },
    );
  });

  it('K-05 holds no credential in the clear', () => {
    const row = codec.encode(testEntry(1));
    expect(JSON.stringify(row)).not.toContain(canaries.username);
    expect(JSON.stringify(row)).not.toContain(canaries.password);
    expect([row[rowAt.username], row[rowAt.password]]).toEqual([null, null]);
    expect(row[rowAt.mac]).toMatch(/^pw1\./);
  });

  it('K-60 is refused when any one of its columns was changed', () => {
    for (const keyed of [codec, new RowCodec('file', null)]) {
      const row = keyed.encode(testEntry(1, { learned: { a: 1 } }));
      for (const [i, name] of rowColumns.entries()) {
        const changed = [...row];
        const value = row[i];
        changed[i] = typeof value === 'number' ? value + 1 : value === null ? 'x' : `${value}x`;
        expect(
          thrownBy(() => keyed.decode(changed)),
          name,
        ).toBeInstanceOf(CacheCorruptionError);
      }
      expect(() => keyed.decode(row.slice(1))).toThrow(CacheCorruptionError);
    }
  });

  it('K-60 of one proxy is not taken for that of another, nor for one of another tier', () => {
    const swapped = [...codec.encode(testEntry(1))];
    swapped[rowAt.mac] = codec.encode(testEntry(2))[rowAt.mac] ?? null;
    expect(() => codec.decode(swapped)).toThrow(CacheCorruptionError);
    expect(() => new RowCodec('sqlite', testRing()).decode(codec.encode(testEntry(1)))).toThrow(
      CacheCorruptionError,
    );
  });

  it('K-04 without a key withholds the credentials and says so', () => {
    const keyless = new RowCodec('file', null);
    const row: StoredRow = keyless.encode(testEntry(1, { accessCount: 7 }));
    expect(JSON.stringify(row)).not.toMatch(/canary/);
    const entry = keyless.decode(row);
    expect(entry).toMatchObject({ key: testEntry(1).key, withheld: true, accessCount: 7 });
    expect([entry.proxy.username, entry.proxy.password]).toEqual([null, null]);
    expect(keyless.decode(keyless.encode(openEntry(1)))).toMatchObject({ withheld: false });
  });

  it('K-04 of another key is no damage: the error names the key id', () => {
    const row = codec.encode(openEntry(1));
    for (const other of [new RowCodec('file', testRing(5)), new RowCodec('file', null)]) {
      const error = thrownBy(() => other.decode(row));
      expect(error).toBeInstanceOf(CacheKeyError);
      expect((error as ProxyWhirlError).data.keyId).toBe(testRing().keyId);
    }
    expect(new RowCodec('file', testRing(5, 0)).decode(row).key).toBe(openEntry(1).key);
  });

  it('K-01 is limited in what it may hold of the learned', () => {
    expect(() => codec.encode(testEntry(1, { learned: { a: 'x'.repeat(65_536) } }))).toThrow(
      CacheValidationError,
    );
  });
});
