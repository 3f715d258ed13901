import { describe, expect, it } from 'vitest';
import { StrategyUnknownError } from '../../src/errors.js';
import { random } from '../../src/strategies/random.js';
import { roundRobin } from '../../src/strategies/round-robin.js';
import type { Strategy } from '../../src/strategies/strategy.js';
import { listening } from '../support/listening-strategy.js';
import { blame, record, testEngine } from '../support/test-engine.js';

describe('hot swap', () => {
  it('R-47 1,000 swaps among acquisitions under load: none fails, nothing is lost, each result goes home', async () => {
    const { rotator } = testEngine(20);
    const swaps = record(rotator, 'strategy');
    const selected = record(rotator, 'selected');
    const fallbacks = record(rotator, 'fallback');
    const strategies = [listening('first'), listening('second'), roundRobin(), random()];
    let failed = 0;
    let done = 0;
    const worker = async (): Promise<void> => {
      while (done < 12_000) {
        done += 1;
        const turns = done % 5;
        try {
          const lease = rotator.acquire(done % 3 === 0 ? { sessionId: `s${done % 40}` } : {});
          for (let turn = 0; turn < turns; turn++) await null;
          lease.succeed({ latencyMs: 10 });
        } catch {
          failed += 1;
        }
        await null;
      }
    };
    const swapper = async (): Promise<void> => {
      for (let i = 0; i < 1000; i++) {
        rotator.setStrategy(strategies[i % strategies.length] as Strategy);
        await null;
      }
    };
    await Promise.all([...Array.from({ length: 12 }, worker), swapper()]);
    expect(failed).toBe(0);
    expect(swaps).toHaveLength(1000);
    expect(fallbacks).toEqual([]);
    expect(rotator.stats()).toMatchObject({ started: done, succeeded: done, active: 0 });
    for (const strategy of strategies.slice(0, 2) as ReturnType<typeof listening>[]) {
      const chosen = selected.filter((event) => event.strategy === strategy.name);
      expect(chosen.length).toBeGreaterThan(100);
      expect(strategy.heard.length).toBe(chosen.length);
    }
  });

  it('R-47 requests in flight report to the strategy that chose them', () => {
    const [old, next] = [listening('old'), listening('next')];
    const { rotator, ids } = testEngine(2, { strategy: old });
    const before = rotator.acquire();
    rotator.setStrategy(next);
    const after = rotator.acquire({ exclude: [String(ids[0])] });
    after.fail({ verdict: 'proxy' });
    before.succeed();
    expect([old.heard, next.heard]).toEqual([[`success at ${ids[0]}`], [`proxy at ${ids[1]}`]]);
  });

  it('R-47 the verdict that is reported is the one that was charged', () => {
    const strategy = listening('listening');
    const { rotator, ids } = testEngine(2, { strategy });
    const [lame, sound] = ids as [string, string];
    rotator.acquireCarrier(sound, { host: 'a.test' })?.succeed();
    rotator.acquire({ host: 'a.test' }).settle({ verdict: 'ambiguous' });
    expect(strategy.heard).toEqual([`success at ${sound}`, `proxy at ${lame}`]);
  });

  it('R-47 one that cannot take over leaves the old one seated, in use and told of changes', () => {
    const old = listening('old');
    const { rotator, ids } = testEngine(2, { strategy: old });
    const swaps = record(rotator, 'strategy');
    const failing: Strategy = {
      ...roundRobin(),
      attach() {
        throw new Error('no index');
      },
    };
    expect(() => rotator.setStrategy(failing)).toThrow('no index');
    expect(rotator.strategy).toBe(old);
    expect(rotator.acquire().proxy.id).toBe(ids[0]);
    expect(swaps).toEqual([]);
  });

  it('R-47 one that takes over is given those that may serve, then each change', () => {
    const { rotator, ids } = testEngine(3);
    const [a, b, c] = ids as [string, string, string];
    const told: unknown[] = [];
    blame(rotator, a, 5);
    rotator.pool.drain(b);
    rotator.setStrategy({
      name: 'indexed',
      choose: (candidates) => candidates.after(-1),
      attach: (serving) => void told.push([...serving].map(({ proxy }) => proxy.id)),
      changed: ({ proxy, stats }, serving) => void told.push([proxy.id, serving, stats.active]),
    });
    const lease = rotator.acquire();
    rotator.pool.drain(b, false);
    lease.succeed();
    rotator.pool.remove(a);
    expect(told).toEqual([[c], [c, true, 1], [b, true, 0], [c, true, 0], [a, false, 0]]);
  });

  it('R-49 takes a name, a name with settings, or an object', () => {
    const own = listening('own');
    const { rotator } = testEngine(2);
    rotator.registerStrategy('counted', (settings) => ({ ...listening('counted'), settings }) as Strategy);
    for (const [spec, name] of [
      ['random', 'random'],
      [{ name: 'counted', depth: 3 }, 'counted'],
      [own, 'own'],
    ] as const) {
      rotator.setStrategy(spec);
      expect(rotator.strategy.name).toBe(name);
      rotator.acquire().release();
    }
    expect(rotator.strategy).toBe(own);
    rotator.setStrategy({ name: 'counted', depth: 3 });
    expect(rotator.strategy).toMatchObject({ settings: { depth: 3 } });
  });

  it.each([
    ['a name that is unknown', 'none', StrategyUnknownError],
    ['settings that the strategy does not have', { name: 'random', depth: 3 }, /depth/],
    ['an object without a name', { choose: () => undefined }, /no name/],
    ['nothing', undefined, StrategyUnknownError],
  ] as const)('R-49 refuses %s and keeps the old one', (_, spec, error) => {
    const { rotator } = testEngine(2);
    const before = rotator.strategy;
    expect(() => rotator.setStrategy(spec as never)).toThrow(error);
    expect(rotator.strategy).toBe(before);
  });
});
