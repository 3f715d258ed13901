import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lease } from '../../src/core/lease.js';
import { OptionsError } from '../../src/errors.js';
import { type LeastUsedSettings, leastUsed } from '../../src/strategies/least-used.js';
import { describeStrategyContract } from '../contracts/strategy-contract.js';
import { chiSquare, criticalChiSquare } from '../support/chi-square.js';
import { seededRandom } from '../support/seeded-random.js';
import { StrategyHarness } from '../support/strategy-harness.js';
import { proxyLine, type TestEngine, testEngine } from '../support/test-engine.js';

describeStrategyContract('least-used', () => leastUsed());
describeStrategyContract('least-used with a random tie-break', () => leastUsed({ tieBreak: 'random' }), {
  remembers: 'ties are drawn from a list whose order is that of the moves',
});

/** (most - fewest) / mean of the requests that were started. */
function spread({ rotator }: TestEngine): number {
  const started = rotator.stats().proxies.map((proxy) => proxy.windowCount);
  const mean = started.reduce((sum, count) => sum + count, 0) / started.length;
  return (Math.max(...started) - Math.min(...started)) / mean;
}

/** Runs `requests` with so many in flight; each takes a random time, so that they end in another order. */
function load({ rotator, clock }: TestEngine, requests: number, inFlight: number, seed = 1): void {
  const random = seededRandom(seed);
  const open: Lease[] = [];
  for (let i = 0; i < requests; i++) {
    open.push(rotator.acquire());
    if (open.length < inFlight) continue;
    clock.advance(5);
    open.splice(Math.floor(random() * open.length), 1)[0]?.succeed({ latencyMs: 50 });
  }
  for (const lease of open) lease.succeed({ latencyMs: 50 });
}

/** Requests that are started and completed by one proxy, past the strategy. */
function use({ rotator }: TestEngine, id: string, requests: number): void {
  for (let i = 0; i < requests; i++) rotator.acquireCarrier(id)?.succeed({ latencyMs: 50 });
}

const leastUsedEngine = (proxies: number, settings: LeastUsedSettings = {}, seed?: number): TestEngine =>
  testEngine(proxies, { strategy: leastUsed(settings), fallback: null }, seed);

describe('least-used', () => {
  it('R-35 chooses the fewest active, then the fewest started in the window', () => {
    const engine = leastUsedEngine(3);
    const [a, b, c] = engine.ids as [string, string, string];
    const { rotator } = engine;
    use(engine, a, 1);
    use(engine, b, 5);
    use(engine, c, 9);
    const open = [rotator.acquire(), rotator.acquire(), rotator.acquire()];
    expect(open.map(({ proxy }) => proxy.id)).toEqual([a, b, c]);
    open[2]?.succeed();
    expect(rotator.acquire().proxy.id).toBe(c);
  });

  // While a proxy is idle, counts differ by what is in flight. With more in flight than proxies, the one that has just
  // completed is the only one with the fewest active, so chance decides: of n requests each, the range of 50 counts
  // is about 4.5 / sqrt(n) of their mean, 10 % at 2000.
  it.each([
    { inFlight: 1, requests: 5000 },
    { inFlight: 25, requests: 5000 },
    { inFlight: 50, requests: 100_000 },
    { inFlight: 500, requests: 100_000 },
  ])('R-35 spread is below 20 % with $inFlight in flight', ({ inFlight, requests }) => {
    const engine = leastUsedEngine(50);
    load(engine, requests, inFlight);
    expect(spread(engine)).toBeLessThan(0.2);
  });

  it.each(['lowest-id', 'random'] as const)(
    'R-35 spread is below 20 percent over the whole run after an unequal start, tie-break %s',
    (tieBreak) => {
      for (const inFlight of [1, 10]) {
        const engine = leastUsedEngine(40, { tieBreak });
        for (const id of engine.ids.slice(0, 20)) use(engine, id, 100);
        expect(spread(engine)).toBe(2);
        load(engine, 4000, inFlight);
        expect(spread(engine)).toBeLessThan(0.2);
      }
    },
  );

  it('R-35 newcomers catch up without a stampede: none gets a second one while another has none', () => {
    const engine = leastUsedEngine(20);
    load(engine, 2000, 10);
    engine.rotator.pool.add(...Array.from({ length: 10 }, (_, i) => proxyLine(20 + i)));
    const burst = Array.from({ length: 60 }, () => engine.rotator.acquire());
    expect(engine.rotator.stats().proxies.every(({ active }) => active === 2)).toBe(true);
    for (const lease of burst) lease.succeed();
    load(engine, 2000, 10);
    expect(spread(engine)).toBeLessThan(0.2);
  });

  it('R-35 does not stampede to those that have completed the fewest', () => {
    const engine = leastUsedEngine(10);
    for (const id of engine.ids.slice(1)) use(engine, id, 20);
    // By completed count, all hundred would go to the first, which never gets to complete one.
    Array.from({ length: 100 }, () => engine.rotator.acquire());
    expect(engine.rotator.stats().proxies.map(({ active }) => active)).toEqual(Array(10).fill(10));
  });

  it('R-05 R-35 counts by the window: what has left it is forgotten, also of those that nobody touched', () => {
    const engine = leastUsedEngine(2);
    const [a, b] = engine.ids as [string, string];
    use(engine, a, 50);
    engine.clock.advance(30 * 60_000);
    use(engine, b, 10);
    expect(engine.rotator.acquire({ exclude: [] }).proxy.id).toBe(b);
    engine.clock.advance(31 * 60_000);
    const picks = Array.from({ length: 5 }, () => {
      const lease = engine.rotator.acquire();
      lease.succeed();
      return lease.proxy.id;
    });
    expect(picks.filter((id) => id === a).length).toBeGreaterThanOrEqual(4);
  });

  it('R-35 is right again after 1 choice for each 1024 proxies when the window has moved', () => {
    const size = 20_000;
    const harness = new StrategyHarness(leastUsed(), size);
    const [old, ...others] = harness.members;
    if (old === undefined) return expect.unreachable();
    for (let i = 0; i < 3; i++) harness.serve(old, 10);
    harness.clock.advance(59 * 60_000);
    for (const member of others) harness.serve(member, 10);
    harness.clock.advance(2 * 60_000);
    const choices = Math.ceil(size / 1024);
    for (let i = 0; i < choices; i++) harness.choose();
    expect(harness.choose()).toBe(old);
  });

  it('R-35 is what a look at everybody finds, through any history and any filter', () => {
    const step = fc.record({
      do: fc.constantFrom('start', 'start', 'finish', 'down', 'up', 'remove', 'add', 'wait'),
      index: fc.nat(11),
    });
    const left = fc.uniqueArray(fc.nat(11), { maxLength: 11 });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: 'max' }), left, (steps, leftOut) => {
        const harness = new StrategyHarness(leastUsed(), 6);
        for (const { do: what, index } of steps) {
          const { members } = harness;
          const member = members[index % Math.max(1, members.length)];
          if (what === 'add') harness.pool.add(proxyLine(index));
          else if (member === undefined) continue;
          else if (what === 'start') harness.start(member);
          else if (what === 'finish' && member.stats.active > 0) harness.finish(member, 'succeeded', 10);
          else if (what === 'remove') harness.remove(member);
          else if (what === 'wait') harness.clock.advance(7 * 60_000 * index);
          else if (what === 'up' || what === 'down') harness.setServing(member, what === 'up');
        }
        const now = harness.clock.now();
        const wanted = (allowed: (slot: number) => boolean): string | undefined =>
          [...harness.pool.candidates(({ slot }) => allowed(slot))].sort(
            ({ stats: a, proxy: p }, { stats: b, proxy: q }) =>
              a.active - b.active || a.windowCount(now) - b.windowCount(now) || (p.id < q.id ? -1 : 1),
          )[0]?.proxy.id;
        expect(harness.choose()?.proxy.id).toBe(wanted(() => true));
        const allowed = (slot: number): boolean => !leftOut.includes(slot);
        expect(harness.choose(({ slot }) => allowed(slot))?.proxy.id).toBe(wanted(allowed));
      }),
      { numRuns: 300 },
    );
  });

  it('R-36 the smallest id text goes first by default, also among those of a filter', () => {
    const engine = leastUsedEngine(300);
    const sorted = [...engine.ids].sort();
    const exclude = sorted.slice(0, 200);
    expect(engine.rotator.acquire({ exclude }).proxy.id).toBe(sorted[200]);
    const picks = Array.from({ length: 299 }, () => engine.rotator.acquire().proxy.id);
    expect(picks).toEqual(sorted.filter((id) => id !== sorted[200]));
  });

  it.each([0, 60])(
    'R-36 random gives those that are used alike the same chance (%s of 80 excluded)',
    (out) => {
      const harness = new StrategyHarness(leastUsed({ tieBreak: 'random' }), 100);
      const busy = harness.members.slice(0, 20);
      for (const member of busy) harness.serve(member, 10);
      const excluded = new Set(harness.members.slice(20, 20 + out));
      const counts = new Map<number | undefined, number>();
      for (let i = 0; i < 4000; i++) {
        const slot = harness.choose(out === 0 ? undefined : (member) => !excluded.has(member))?.slot;
        counts.set(slot, (counts.get(slot) ?? 0) + 1);
      }
      expect(counts.size).toBe(80 - out);
      expect(chiSquare([...counts.values()])).toBeLessThan(criticalChiSquare(80 - out));
    },
  );

  it('R-36 random and lowest-id differ, and the same seed repeats', () => {
    const picks = (settings: LeastUsedSettings, seed: number): string[] => {
      const { rotator } = leastUsedEngine(100, settings, seed);
      return Array.from({ length: 50 }, () => rotator.acquire().proxy.id);
    };
    expect(picks({ tieBreak: 'random' }, 1)).toEqual(picks({ tieBreak: 'random' }, 1));
    expect(picks({ tieBreak: 'random' }, 1)).not.toEqual(picks({ tieBreak: 'random' }, 2));
    expect(picks({}, 1)).toEqual(picks({ tieBreak: 'lowest-id' }, 2));
  });

  it('grows with the pool: ten times as many as it was attached to', () => {
    const harness = new StrategyHarness(leastUsed(), 50);
    for (let i = 50; i < 800; i++) harness.add(proxyLine(i));
    const sorted = harness.members.map(({ id }) => id).sort();
    const picks = sorted.map(() => harness.request(() => 10)?.proxy.id);
    expect(picks).toEqual(sorted);
  });

  it('scores by active first, then by started', () => {
    const harness = new StrategyHarness(leastUsed(), 3);
    const [idle, used, active] = harness.members;
    if (!idle || !used || !active) return expect.unreachable();
    for (let i = 0; i < 1000; i++) harness.serve(used, 10);
    harness.start(active);
    const scores = [idle, used, active].map((member) =>
      harness.strategy.score?.(member, {}, harness.engine),
    ) as number[];
    expect(scores[0]).toBe(0);
    expect([...scores].sort((a, b) => b - a)).toEqual(scores);
  });

  it.each([
    [{ tieBreak: 'oldest' }, "tieBreak: must be 'lowest-id' or 'random', not another text"],
    [{ tieBreak: 3 }, "tieBreak: must be 'lowest-id' or 'random', not number"],
    [{ ties: 'random' }, 'ties: is no setting'],
    [null, 'settings: must be an object, not null'],
  ])('R-30 refuses %j', (settings, message) => {
    const make = (): unknown => leastUsed(settings as LeastUsedSettings);
    expect(make).toThrow(OptionsError);
    expect(make).toThrow(message);
  });
});
