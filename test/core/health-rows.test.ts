import { describe, expect, it } from 'vitest';
import {
  bannedAtOneHost,
  breakerTiming,
  builtIn,
  fastFailures,
  lostProbe,
  networkDown,
  openedAtOnce,
  poolOfOne,
} from '../support/health-rows.js';

// The bars are those of the fault matrix; clock and chance are simulated, so the figures are the same on each run.

describe('row 18 a proxy that fails in 1 ms among nine at 80 ms', () => {
  it.each(Object.keys(builtIn))(
    '%s: a tenth of the picks at most before it is ejected, 1 % after',
    (name) => {
      const { before, after, picks } = fastFailures(name, 20, 120);
      expect(picks).toBeLessThanOrEqual(5);
      expect(before).toBeGreaterThan(0);
      expect(before).toBeLessThanOrEqual(0.1);
      expect(after).toBeLessThanOrEqual(0.01);
    },
  );
});

describe('row 19 one host bans a proxy', () => {
  it('leaves its share on 9 other hosts unchanged within 5 %', () => {
    const { shareAtOthers, skipped, atBanning } = bannedAtOneHost('round-robin');
    expect(Math.abs(shareAtOthers - 1)).toBeLessThanOrEqual(0.05);
    expect(skipped).toBe(0);
    // In ten minutes it is asked again as its cooldown ends, which takes longer each time.
    expect(atBanning).toBeGreaterThan(1);
    expect(atBanning).toBeLessThan(7);
  });

  it.each(Object.keys(builtIn))('%s: never leaves it out at the others, nor gives it less', (name) => {
    const { shareAtOthers, skipped } = bannedAtOneHost(builtIn[name] ?? name);
    expect(skipped).toBe(0);
    expect(shareAtOthers).toBeGreaterThanOrEqual(0.95);
  });
});

describe('row 20 breaker timing', () => {
  it('is exact: 10 s, 20 s, 40 s, two probes, 30 s of warming', () => {
    expect(breakerTiming()).toEqual([
      { at: 0, to: 'open' },
      { at: 10_000, to: 'half-open' },
      { at: 10_000, to: 'open' },
      { at: 30_000, to: 'half-open' },
      { at: 30_000, to: 'open' },
      { at: 70_000, to: 'half-open' },
      { at: 70_000, to: 'warming' },
      { at: 100_000, to: 'closed' },
    ]);
  });
});

describe('row 21 a probe that is lost', () => {
  it.each([400, 5_000, 60_000])('is followed by the next within one lease of %s ms', (probeMs) => {
    expect(lostProbe(probeMs, 'never settled')).toBe(probeMs);
    expect(lostProbe(probeMs, 'aborted')).toBe(0);
  });
});

describe('row 22 1,000 proxies that open at once', () => {
  it('come back with no more than 5 % of the first probes in any second', () => {
    const { largestShare, probed } = openedAtOnce();
    expect(probed).toBe(1000);
    expect(largestShare).toBeLessThanOrEqual(0.05);
  });
});

describe('row 25 a pool of one', () => {
  it('is still probed, at most once a second', () => {
    const { probes, shortestGapMs } = poolOfOne();
    expect(probes).toBeGreaterThanOrEqual(8);
    expect(shortestGapMs).toBeGreaterThanOrEqual(1000);
  });
});

describe('row 26 own network down for 60 s', () => {
  it.each([
    [1, 10],
    [10, 50],
    [1000, 50],
  ])('deletes none of %s proxies and serves %s requests a second in full within 5 s', (size, perSecond) => {
    const { deleted, backMs } = networkDown(size, perSecond);
    expect(deleted).toBe(0);
    expect(backMs).toBeLessThanOrEqual(5_000);
  });
});
