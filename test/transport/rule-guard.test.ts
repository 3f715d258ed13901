import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RuleGuard, type RuleGuardSettings, type SuspectRule } from '../../src/transport/rule-guard.js';
import { FakeClock } from '../support/fake-clock.js';

const host = 'shop.example';

function guardOf(settings: Partial<RuleGuardSettings> = {}) {
  const clock = new FakeClock();
  const told: SuspectRule[] = [];
  const guard = new RuleGuard(clock, (suspect) => told.push(suspect), settings);
  /** `n` answers over `proxies` proxies; returns how many were believed. */
  const feed = (n: number, rule: string | null, proxies = 10, of = host): number => {
    let believed = 0;
    for (let i = 0; i < n; i++) {
      clock.advance(10);
      if (guard.believes({ host: of, proxyId: `p${i % proxies}`, rule })) believed += 1;
    }
    return believed;
  };
  return { clock, told, guard, feed };
}

describe('a rule that flags everything', () => {
  it('is believed 19 times, then no more, and is told of once', () => {
    const { told, feed, guard } = guardOf();
    expect(feed(19, 'status-403')).toBe(19);
    expect(guard.isSuspect(host, 'status-403')).toBe(false);
    expect(feed(200, 'status-403')).toBe(0);
    expect(guard.isSuspect(host, 'status-403')).toBe(true);
    expect(told).toEqual([{ host, rule: 'status-403', answers: 20, flagged: 20, proxies: 10 }]);
  });

  it('is suspect at 90 %, not below', () => {
    const at = guardOf();
    at.feed(2, null);
    expect(at.feed(18, 'mine')).toBe(17);
    const below = guardOf();
    below.feed(3, null);
    expect(below.feed(20, 'mine')).toBe(20);
  });

  it('is not suspect through four proxies: they may well be banned', () => {
    const few = guardOf();
    expect(few.feed(60, 'mine', 4)).toBe(60);
    const enough = guardOf();
    expect(enough.feed(60, 'mine', 5)).toBe(19);
  });

  it('is believed again when its share has fallen, and may be told of again', () => {
    const { feed, guard, told } = guardOf();
    feed(30, 'mine');
    feed(12, null);
    // 30 of 42: less than what makes it suspect, more than what clears it.
    expect(guard.isSuspect(host, 'mine')).toBe(true);
    feed(1, null);
    expect(guard.isSuspect(host, 'mine')).toBe(false);
    expect(feed(1, 'mine')).toBe(1);
    feed(64, 'mine');
    expect(told).toHaveLength(2);
  });

  it('starts afresh when the window is over', () => {
    const { feed, guard, clock } = guardOf();
    feed(30, 'mine');
    clock.advance(600_000);
    expect(guard.isSuspect(host, 'mine')).toBe(false);
    expect(feed(19, 'mine')).toBe(19);
  });

  it('needs its answers within the window', () => {
    const { feed, clock, guard } = guardOf();
    for (let i = 0; i < 10; i++) {
      feed(15, 'mine');
      clock.advance(600_000);
    }
    expect(guard.isSuspect(host, 'mine')).toBe(false);
  });

  it('is suspect on its host only, and alone', () => {
    const { feed, guard } = guardOf();
    feed(30, 'mine');
    expect(guard.isSuspect('other.example', 'mine')).toBe(false);
    expect(guard.isSuspect(host, 'datadome')).toBe(false);
    expect(feed(1, 'datadome')).toBe(1);
    expect(feed(5, 'mine', 5, 'other.example')).toBe(5);
  });

  it('trips in the first round of a pool of 20, before any proxy is banned twice', () => {
    const { guard, clock } = guardOf();
    const verdicts = Array.from({ length: 20 }, (_, i) => {
      clock.advance(50);
      return guard.believes({ host, proxyId: `p${i}`, rule: 'mine' });
    });
    expect(verdicts.filter(Boolean)).toHaveLength(19);
  });

  it('leaves the guard whole when the listener throws', () => {
    const guard = new RuleGuard(new FakeClock(), () => {
      throw new Error('listener');
    });
    const believes = (i: number): boolean => guard.believes({ host, proxyId: `p${i}`, rule: 'mine' });
    for (let i = 0; i < 19; i++) expect(believes(i)).toBe(true);
    expect(() => believes(19)).toThrow('listener');
    expect(believes(20)).toBe(false);
  });
});

describe('a host that bans one proxy', () => {
  it('raises no suspicion', () => {
    const { guard, told } = guardOf();
    for (let i = 0; i < 1_000; i++) {
      const rule = i % 10 === 0 ? 'datadome' : null;
      expect(guard.believes({ host, proxyId: `p${i % 10}`, rule })).toBe(true);
    }
    expect(told).toEqual([]);
  });
});

describe('memory', () => {
  it('is bounded in hosts and answers: who was least recently used is forgotten', () => {
    const { feed, guard } = guardOf({ maxHosts: 3 });
    feed(30, 'mine', 10, 'a.example');
    for (const name of ['b', 'c', 'd']) feed(1, null, 1, `${name}.example`);
    expect(guard.isSuspect('a.example', 'mine')).toBe(false);
    const { feed: feedMany, told } = guardOf({ maxAnswers: 20 });
    feedMany(500, null);
    feedMany(20, 'mine');
    expect(told.map(({ answers }) => answers)).toEqual([20]);
  });
});

describe('whatever comes', () => {
  it('an answer without a rule is believed, and no suspicion rests on less than was promised', () => {
    const answers = fc.array(
      fc.record({
        proxyId: fc.constantFrom('p1', 'p2', 'p3', 'p4', 'p5', 'p6'),
        rule: fc.constantFrom('a', 'a', 'a', 'a', 'b', null),
        wait: fc.constantFrom(0, 1, 1_000, 60_000),
      }),
      { minLength: 20, maxLength: 200 },
    );
    fc.assert(
      fc.property(answers, (list) => {
        const { clock, guard, told } = guardOf();
        for (const { proxyId, rule, wait } of list) {
          clock.advance(wait);
          const believed = guard.believes({ host, proxyId, rule });
          expect(believed).toBe(rule === null || !guard.isSuspect(host, rule));
        }
        for (const { answers, flagged, proxies } of told) {
          expect(answers >= 20 && flagged >= answers * 0.9 && proxies >= 5).toBe(true);
        }
      }),
      { seed: 18 },
    );
  });
});
