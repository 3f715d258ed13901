import { describe, expect, it } from 'vitest';
import { BanRecord } from '../../src/core/ban-record.js';
import { ban } from '../support/teaching.js';
import { constantly, testEngine } from '../support/test-engine.js';

const MINUTE = 60_000;

describe('a proxy that hosts ban', () => {
  const bansAt = (...bans: readonly (readonly [host: string, now: number])[]): boolean[] => {
    const record = new BanRecord();
    return bans.map(([host, now]) => record.ban(host, 'p', now));
  };

  it('is to blame itself at the third host within ten minutes', () => {
    expect(bansAt(['a', 0], ['b', 5 * MINUTE], ['c', 10 * MINUTE])).toEqual([false, false, true]);
    expect(bansAt(['a', 0], ['b', 5 * MINUTE], ['c', 10 * MINUTE + 1])).toEqual([false, false, false]);
  });

  it('is not to blame where the same host bans it again', () => {
    expect(bansAt(['a', 0], ['b', 0], ['a', 0], ['b', 0], ['a', 1])).not.toContain(true);
  });

  it('is counted from none once it was to blame', () => {
    expect(bansAt(['a', 0], ['b', 0], ['c', 0], ['a', 1], ['b', 1], ['c', 1])).toEqual([
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
  });

  it('row 19 bans on one host only: keeps its share at all others, within 5 %', () => {
    const { rotator, ids, clock } = testEngine(10, { strategy: 'random' });
    const [id] = ids as [string];
    const picks = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const host = `h${i % 10}.test`;
      const lease = rotator.acquire({ host });
      if (host !== 'h0.test') picks.set(lease.proxy.id, (picks.get(lease.proxy.id) ?? 0) + 1);
      lease.settle({ verdict: host === 'h0.test' && lease.proxy.id === id ? 'banned' : 'success' });
      clock.advance(50);
    }
    expect(rotator.pool.get(id)?.health).toBe('closed');
    // 18,000 picks, a tenth each: three standard deviations are 121, 6.7 % of 1,800; the seed is fixed.
    expect(Math.abs((picks.get(id) ?? 0) / 1800 - 1)).toBeLessThan(0.05);
  });

  it('row 16 banned by three hosts: cools down as a whole, and comes back by a probe', () => {
    const { rotator, ids, clock } = testEngine(3, { random: constantly(0) });
    const [id] = ids as [string];
    for (const host of ['a', 'b']) ban(rotator, id, host);
    expect(rotator.pool.get(id)?.health).toBe('closed');
    ban(rotator, id, 'c');
    expect(rotator.pool.get(id)?.breaker).toEqual({ state: 'open', opens: 1, until: clock.now() + 10_000 });
    const exclude = ids.slice(1);
    expect(() => rotator.acquire({ host: 'd', exclude })).toThrow();
    clock.advance(10_000);
    expect(rotator.acquire({ host: 'd', exclude }).proxy.id).toBe(id);
    expect(rotator.pool.get(id)?.health).toBe('half-open');
  });
});

describe('a host that bans everybody', () => {
  /** How many of `proxies` are to blame after `hosts` banned them all, one proxy after the other. */
  const blamed = (proxies: number, hosts: number, spacingMs = 100, kind = 0): number => {
    const record = new BanRecord();
    let now = 0;
    let count = 0;
    for (let host = 0; host < hosts; host++) {
      for (let proxy = 0; proxy < proxies; proxy++) {
        now += spacingMs;
        if (proxy < kind) record.success(`h${host}`, `p${proxy}`, now);
        else if (record.ban(`h${host}`, `p${proxy}`, now)) count += 1;
      }
    }
    return count;
  };

  it('is itself to blame: its bans count for nobody', () => {
    expect(blamed(10, 6)).toBe(0);
    expect(blamed(5, 4)).toBe(0);
    expect(blamed(1000, 4)).toBe(0);
  });

  it('is one only with five proxies or more, four in five of which it banned within a minute', () => {
    expect(blamed(4, 3)).toBe(4);
    expect(blamed(5, 3, 15_001)).toBe(5);
    expect(blamed(10, 4, 100, 2)).toBe(0);
    // The last of ten makes it three banned of ten; those before it the like.
    expect(blamed(10, 3, 100, 7)).toBe(3);
  });

  it('stays so for bans of that time when it is long over', () => {
    const record = new BanRecord();
    for (let i = 0; i < 6; i++) for (const host of ['a', 'b']) record.ban(host, `p${i}`, i * 1000);
    expect(record.ban('c', 'p0', 5 * MINUTE)).toBe(false);
    expect(record.ban('d', 'p0', 6 * MINUTE)).toBe(false);
    expect(record.ban('e', 'p0', 7 * MINUTE)).toBe(true);
  });
});
