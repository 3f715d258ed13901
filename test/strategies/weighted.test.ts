import { describe, expect, it } from 'vitest';
import type { AcquireContext } from '../../src/core/selection-rules.js';
import { OptionsError } from '../../src/errors.js';
import type { Weights } from '../../src/strategies/custom-weights.js';
import { type WeightedSettings, weighted } from '../../src/strategies/weighted.js';
import { chiSquareOf, criticalChiSquare } from '../support/chi-square.js';
import { StrategyHarness } from '../support/strategy-harness.js';
import { proxyLine, testEngine } from '../support/test-engine.js';

/** How often each of the members was chosen, in their order. */
function counts(harness: StrategyHarness, draws: number, among?: ReadonlySet<number>): number[] {
  const found = harness.members.map(() => 0);
  const filter = among && (({ slot }: { slot: number }) => among.has(slot));
  for (let i = 0; i < draws; i++) {
    const slot = harness.choose(filter)?.slot;
    if (slot !== undefined) found[slot] = (found[slot] ?? 0) + 1;
  }
  return found;
}

/** Chi-square on the seed, p > 0.001; a weight of 0 must not be chosen at all. */
function expectProportional(found: readonly number[], weights: readonly number[]): void {
  expect(found.filter((count, i) => weights[i] === 0 && count > 0)).toEqual([]);
  const cells = weights.flatMap((weight, i) => (weight > 0 ? [{ weight, count: found[i] ?? 0 }] : []));
  const observed = cells.map(({ count }) => count);
  expect(
    chiSquareOf(
      observed,
      cells.map(({ weight }) => weight),
    ),
  ).toBeLessThan(criticalChiSquare(cells.length));
}

/** Results of one proxy, told to the strategy as the engine does. */
function results(harness: StrategyHarness, index: number, succeeded: number, failed: number): void {
  for (let i = 0; i < succeeded; i++) harness.serve(harness.member(index), 100);
  for (let i = 0; i < failed; i++) harness.serve(harness.member(index), null);
}

/** Weights by the number of the proxy: the last byte of its address minus 1. */
const byNumber =
  (weightOf: (index: number) => number): Weights =>
  ({ host }) =>
    weightOf(Number(host.split('.')[3]) - 1);

const issuesOf = (settings: unknown): unknown => {
  try {
    return weighted(settings as WeightedSettings);
  } catch (error) {
    expect(error).toBeInstanceOf(OptionsError);
    return (error as OptionsError).issues;
  }
};

describe('weighted by custom weights', () => {
  it('R-34 chooses in proportion to the weights (chi-square, p > 0.001)', () => {
    const harness = new StrategyHarness(weighted({ weights: byNumber((index) => index % 7) }), 50);
    expectProportional(
      counts(harness, 20_000),
      harness.members.map((_, i) => i % 7),
    );
  });

  it.each([
    ['half of them', (slot: number) => slot % 2 === 0],
    ['a few light ones, which drawing by chance would hardly meet', (slot: number) => slot < 4],
  ])('R-34 is exactly proportional among %s, whatever a filter leaves', (_, passes) => {
    const weightOf = (index: number): number => (index < 4 ? index + 1 : 1000);
    const harness = new StrategyHarness(weighted({ weights: byNumber(weightOf) }), 40);
    const among = new Set(harness.members.map(({ slot }) => slot).filter(passes));
    expectProportional(
      counts(harness, 20_000, among),
      harness.members.map(({ slot }) => (among.has(slot) ? weightOf(slot) : 0)),
    );
  });

  it('R-08 R-34 reads weights by id, host:port and host, the most exact one first; not named = 1', () => {
    const lines = [
      'a.test:80',
      'a.test:81',
      'a.test:82',
      'b.test:80',
      '[2001:db8::1]:80',
      '[2001:db8::2]:80',
    ];
    const { member } = new StrategyHarness(weighted(), lines);
    const { id } = new StrategyHarness(weighted(), lines).member(2);
    expect(member).toBeTypeOf('function');
    const weights = { [id]: 5, 'A.test:81': 3, 'a.test': 2, '[2001:db8::1]:80': 4, '2001:db8::2': 6 };
    const harness = new StrategyHarness(weighted({ weights }), lines);
    const { strategy, engine } = harness;
    expect(harness.members.map((each) => strategy.score?.(each, {}, engine))).toEqual([2, 3, 5, 1, 4, 6]);
    expectProportional(counts(harness, 10_000), [2, 3, 5, 1, 4, 6]);
  });

  it.each<[string, (ids: readonly string[]) => AcquireContext]>([
    ['by itself', () => ({})],
    ['when a retry avoids all others', (ids) => ({ avoid: ids.slice(1) })],
  ])('R-34 0 = never: the engine drains the proxy %s', (_, contextOf) => {
    const { rotator, ids } = testEngine(3, { strategy: weighted({ weights: { '192.0.2.1': 0 } }) });
    for (let i = 0; i < 300; i++) {
      const lease = rotator.acquire(contextOf(ids));
      lease.succeed();
      expect(lease.proxy.id).not.toBe(ids[0]);
    }
  });

  it('R-34 0 = never: nobody is chosen when only drained proxies are left', () => {
    const harness = new StrategyHarness(weighted({ weights: { '192.0.2.1': 0 } }), 2);
    harness.setServing(harness.member(1), false);
    expect(harness.choose()).toBeUndefined();
    harness.setServing(harness.member(1), true);
    expect(harness.choose(({ slot }) => slot === 0)).toBeUndefined();
    expect(harness.choose()).toBe(harness.member(1));
    expect(harness.warnings).toEqual([]);
  });

  it.each<[string, Weights]>([
    ['a record', Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`192.0.2.${i + 1}`, 0]))],
    ['a function', () => 0],
  ])('R-34 all zero by %s = uniform, with one warning', (_, weights) => {
    const harness = new StrategyHarness(weighted({ weights }), 20);
    expectProportional(counts(harness, 5000), Array<number>(20).fill(1));
    expectProportional(
      counts(harness, 5000, new Set([1, 2, 3])),
      harness.members.map(({ slot }) => Number(slot >= 1 && slot <= 3)),
    );
    expect(harness.warnings).toEqual([expect.stringContaining('All weights are 0')]);
  });

  it('follows proxies that join, leave, and take the slot of another', () => {
    const harness = new StrategyHarness(weighted({ weights: byNumber((index) => index + 1) }), 4);
    harness.remove(harness.member(3));
    const joined = harness.add(proxyLine(9));
    expect(joined.slot).toBe(3);
    expectProportional(counts(harness, 5000), [1, 2, 3, 10]);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])(
    'R-34 a function that gives %s for a proxy that joins is reported by each choice, until the proxy leaves',
    (weight) => {
      const harness = new StrategyHarness(weighted({ weights: byNumber((i) => (i === 9 ? weight : 1)) }), 3);
      const bad = harness.add(proxyLine(9));
      for (let i = 0; i < 2; i++)
        expect(() => harness.choose()).toThrow(`weights(${bad.id}): must be a number`);
      harness.remove(bad);
      expect(harness.choose()).toBeDefined();
    },
  );
});

describe('weighted by success rate', () => {
  it('R-34 chooses in proportion to succeeded / (succeeded + failed)', () => {
    const harness = new StrategyHarness(weighted(), 5);
    const rates = [1, 0.75, 0.5, 0.25, 0.1];
    for (const [i, rate] of rates.entries()) results(harness, i, rate * 20, 20 - rate * 20);
    expectProportional(counts(harness, 10_000), rates);
  });

  it('R-34 what ended without blame changes nothing', () => {
    const harness = new StrategyHarness(weighted(), 2);
    results(harness, 0, 3, 1);
    const score = (): unknown => harness.strategy.score?.(harness.member(0), {}, harness.engine);
    const before = score();
    for (let i = 0; i < 9; i++) {
      harness.start(harness.member(0));
      harness.finish(harness.member(0), 'neutral');
    }
    expect([before, score()]).toEqual([0.75, 0.75]);
  });

  it('R-34 a newcomer counts with the mean of the others, among all and among a few', () => {
    const harness = new StrategyHarness(weighted(), 6);
    for (const [i, succeeded] of [9, 6, 3].entries()) results(harness, i, succeeded, 10 - succeeded);
    const weights = [0.9, 0.6, 0.3, 0.6, 0.6, 0.6];
    expectProportional(counts(harness, 10_000), weights);
    expectProportional(
      counts(harness, 10_000, new Set([2, 5])),
      weights.map((weight, i) => (i === 2 || i === 5 ? weight : 0)),
    );
  });

  it('R-34 all are alike while nothing is known', () => {
    expectProportional(counts(new StrategyHarness(weighted(), 30), 9000), Array<number>(30).fill(1));
  });

  it('an unhealthy proxy that success never restores: one without a success is still tried, and comes back', () => {
    const harness = new StrategyHarness(weighted(), 2);
    results(harness, 0, 10, 0);
    results(harness, 1, 0, 5);
    expectProportional(counts(harness, 20_000), [1, 0.5 / 6]);
    results(harness, 1, 20, 0);
    expectProportional(counts(harness, 5000), [1, 0.8]);
  });
});

describe('settings of weighted', () => {
  it.each([
    [{ weights: { 'a.test:80': -1 } }, 'weights.a.test:80', 'not a negative number'],
    [{ weights: { 'a.test': Number.NaN } }, 'weights.a.test', 'not NaN'],
    [
      { weights: { px_0123456789abcdef: Number.POSITIVE_INFINITY } },
      'weights.px_0123456789abcdef',
      'not Infinity',
    ],
    [{ weights: { 'a.test': '3' } }, 'weights.a.test', 'a number from 0 to 1e12, not string'],
    [{ weights: { 'a.test': null } }, 'weights.a.test', 'not null'],
    [{ weights: { 'a.test': 2e12 } }, 'weights.a.test', 'from 0 to 1e12'],
    [{ weights: 3 }, 'weights', 'must be an object or a function, not number'],
    [{ weights: null }, 'weights', 'not null'],
    [{ weights: [1, 2] }, 'weights', 'not array'],
    [{ wieghts: {} }, 'wieghts', 'is no setting'],
    [{ toString: 1 }, 'toString', 'is no setting'],
    [7, 'settings', 'must be an object, not number'],
    [null, 'settings', 'must be an object, not null'],
  ])('R-30 R-34 %j names %s and its rule', (settings, path, rule) => {
    expect(issuesOf(settings)).toEqual([{ path, rule: expect.stringContaining(rule) as string }]);
  });

  it('R-30 names all that is wrong at once', () => {
    expect(issuesOf({ weights: { 'a.test': -1, 'b.test': -2, 'c.test': 1 } })).toHaveLength(2);
  });

  it.each([
    'http://user:canary@192.0.2.1:80',
    '192.0.2.1:80:user:canary',
    'user:canary@192.0.2.1',
    'be:80:ad:canary',
  ])('R-30 refuses %s as a name without repeating it', (key) => {
    for (const weight of [1, -1]) {
      const issues = JSON.stringify(issuesOf({ weights: { [key]: weight } }));
      expect(issues).toContain('must be named by a proxy id, a host:port or a host');
      expect(issues).not.toContain('canary');
    }
  });

  it('R-30 repeats no key that is no name', () => {
    expect(JSON.stringify(issuesOf({ 'http://user:canary@192.0.2.1': 1 }))).not.toContain('canary');
  });
});
