import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lease } from '../../src/core/lease.js';
import type { AcquireContext } from '../../src/core/selection-rules.js';
import { ProxyWhirlError } from '../../src/errors.js';
import type { RotatorOptions } from '../../src/options.js';
import type { Candidates, Strategy } from '../../src/strategies/strategy.js';
import { seededRandom } from '../support/seeded-random.js';
import { StrategyHarness } from '../support/strategy-harness.js';
import { blame, proxyLine, record, type TestEngine, testEngine } from '../support/test-engine.js';

/** Where a strategy is allowed to differ; each difference is a reason in words, shown in the title of its test. */
export interface StrategyContractOptions {
  /** Handed over with each acquisition. */
  readonly context?: AcquireContext;
  /** Why `choose` looks at each candidate although nothing is filtered. */
  readonly walks?: string;
  /** Why a new instance over the same figures may choose another proxy than the one that saw them come about. */
  readonly remembers?: string;
}

/** Latency of a proxy in ms: spread widely, the same for ever. */
const latencyOf = (index: number): number => 50 + ((index * 7919) % 950);

/**
 * What every strategy has to keep, whatever it prefers. Nearly all of it runs through the real engine; a selection in
 * which the engine's fallback had to step in is a failure of the strategy.
 * @param make a new strategy with default settings
 */
export function describeStrategyContract(
  name: string,
  make: () => Strategy,
  options: StrategyContractOptions = {},
): void {
  const { context = {}, walks, remembers } = options;

  function engineOf(count: number, more: RotatorOptions = {}, seed?: number): TestEngine {
    const engine = testEngine(count, { strategy: make(), fallback: null, ...more }, seed);
    engine.rotator.on('fallback', ({ error }) => problems.push(error));
    return engine;
  }

  /** Each problem of the strategy that the engine contained. */
  let problems: unknown[] = [];
  function law(title: string, test: () => void | Promise<void>): void {
    it(title, async () => {
      problems = [];
      await test();
      expect(problems).toEqual([]);
    });
  }

  /** Whole requests; every tenth fails by the target's fault, which costs the proxy nothing. */
  function drive({ rotator, ids }: TestEngine, requests: number, more: AcquireContext = {}): string[] {
    return Array.from({ length: requests }, (_, i) => {
      const lease = rotator.acquire({ ...context, ...more });
      const { id } = lease.proxy;
      if (i % 10 === 9) lease.fail({ verdict: 'target', status: 503 });
      else lease.succeed({ latencyMs: latencyOf(ids.indexOf(id)) });
      return id;
    });
  }

  /** A pool of which everything is known: each proxy with results, most of them successes. */
  function trained(count: number): StrategyHarness {
    const harness = new StrategyHarness(make(), count);
    for (const [index, member] of harness.members.entries()) {
      for (let i = 0; i < 6; i++) harness.serve(member, i === index % 6 ? null : latencyOf(index));
    }
    return harness;
  }

  describe(`${name} keeps the contract of a strategy`, () => {
    law('R-20 has a name and chooses at once, not by a promise', () => {
      const harness = new StrategyHarness(make(), 3);
      expect(harness.strategy.name).toMatch(/^[\w.-]{1,64}$/);
      expect(harness.choose(undefined, context)).toHaveProperty('slot');
    });

    law('R-20 chooses nobody when there is nobody, attached or not', () => {
      const nobody = (): boolean => false;
      const harness = new StrategyHarness(make(), 5);
      expect(harness.choose(nobody, context)).toBeUndefined();
      const empty = new StrategyHarness(make(), 0);
      expect(empty.choose(undefined, context)).toBeUndefined();
      const loose = make();
      expect(loose.choose(harness.pool.candidates(nobody), context, harness.engine)).toBeUndefined();
    });

    law('R-20 works over a pool that it was never attached to', () => {
      const { pool, engine } = new StrategyHarness(make(), 50);
      const loose = make();
      const view = pool.candidates(({ slot }) => slot % 2 === 0);
      for (let i = 0; i < 100; i++) {
        const chosen = loose.choose(view, context, engine);
        expect(chosen !== undefined && view.has(chosen)).toBe(true);
      }
    });

    for (const size of [1, 2, 101, 1000]) {
      law(`R-20 serves a pool of ${size} with default settings, all through its life`, () => {
        const engine = engineOf(size);
        const picks = drive(engine, Math.max(60, 7 * size));
        expect(picks.every((id) => engine.ids.includes(id))).toBe(true);
        expect(engine.rotator.stats()).toMatchObject({ active: 0, started: picks.length });
      });

      law(`R-27 chooses out of ${size} in less than 5 ms (median)`, () => {
        const engine = engineOf(size);
        drive(engine, size);
        const exclude = new Set(engine.ids.slice(0, Math.floor(size / 2)));
        const times = Array.from({ length: 51 }, () => {
          const before = performance.now();
          engine.rotator.acquire({ ...context, exclude }).succeed({ latencyMs: 90 });
          return performance.now() - before;
        });
        expect(times.sort((a, b) => a - b)[25]).toBeLessThan(5);
      });
    }

    law('R-21 never chooses one that is excluded: 50 of 100, and all but one', () => {
      const engine = engineOf(100);
      const { ids } = engine;
      const allowed = new Set(ids.slice(50));
      for (const exclude of [ids.slice(0, 50), new Set(ids.slice(0, 50))]) {
        expect(drive(engine, 400, { exclude }).filter((id) => !allowed.has(id))).toEqual([]);
      }
      const [only, ...others] = ids;
      expect(new Set(drive(engine, 20, { exclude: others }))).toEqual(new Set([only]));
    });

    law('R-21 never chooses one that is unhealthy, and has it back when it has recovered', () => {
      const engine = engineOf(12);
      drive(engine, 100);
      const down = new Set(engine.ids.slice(0, 11));
      for (const id of down) blame(engine.rotator, id, 5);
      const [last] = engine.ids.slice(11);
      expect(new Set(drive(engine, 60))).toEqual(new Set([last]));
      engine.clock.advance(60_000);
      const exclude = [last as string];
      expect(drive(engine, 60, { exclude }).every((id) => down.has(id))).toBe(true);
    });

    law('R-21 keeps to the candidates of any filter', () => {
      const harness = trained(120);
      const choosable = fc.uniqueArray(fc.nat(119), { minLength: 1, maxLength: 120 });
      fc.assert(
        fc.property(choosable, (indexes) => {
          const allowed = new Set(indexes.map((index) => harness.member(index).slot));
          for (let i = 0; i < 5; i++) {
            const chosen = harness.choose(({ slot }) => allowed.has(slot), context);
            expect(allowed.has(chosen?.slot ?? -1)).toBe(true);
            if (chosen !== undefined) harness.serve(chosen, 80);
          }
        }),
        { numRuns: 60 },
      );
    });

    law('R-12 survives proxies that come and go, breakers, and slots that are used again', () => {
      const step = fc.oneof(
        { weight: 6, arbitrary: fc.record({ do: fc.constant('acquire' as const), index: fc.nat(9) }) },
        { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const), index: fc.nat(9) }) },
        fc.record({ do: fc.constantFrom('add' as const, 'remove' as const), index: fc.nat(9) }),
        fc.record({ do: fc.constantFrom('blame' as const, 'wait' as const), index: fc.nat(9) }),
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
          const { rotator, clock } = engineOf(4);
          const open: Lease[] = [];
          for (const { do: what, index } of steps) {
            const lines = rotator.pool.list();
            const id = lines[index % Math.max(lines.length, 1)]?.proxy.id ?? '';
            if (what === 'add') rotator.pool.add(proxyLine(index));
            else if (what === 'remove') rotator.pool.remove(id);
            else if (what === 'blame') blame(rotator, id, 5);
            else if (what === 'wait') clock.advance(6000);
            else if (what === 'settle') open.splice(index, 1)[0]?.succeed({ latencyMs: 10 + index });
            else {
              for (const lease of acquired(() => rotator.acquire(context))) {
                expect(rotator.pool.get(lease.proxy.id)?.health).toMatch(/^(?:closed|half-open)$/);
                open.push(lease);
              }
            }
          }
          for (const lease of open) lease.succeed({ latencyMs: 10 });
          expect(rotator.stats().active).toBe(0);
        }),
        { numRuns: 60 },
      );
    });

    law('R-28 loses no count in 10,000 concurrent acquisitions', () => {
      const { rotator } = engineOf(100);
      const leases = Array.from({ length: 10_000 }, () => rotator.acquire(context));
      expect(rotator.stats()).toMatchObject({ started: 10_000, active: 10_000 });
      for (const lease of leases) lease.succeed({ latencyMs: 100 });
      expect(rotator.stats()).toMatchObject({ succeeded: 10_000, active: 0 });
    });

    law('makes the same choices from the same seed', () => {
      const picks = (): string[] => drive(engineOf(60, {}, 77), 600);
      expect(picks()).toEqual(picks());
    });

    if (walks === undefined) {
      law('copies and walks nobody while nothing is filtered, untried or known', () => {
        const fresh = new StrategyHarness(make(), 1000);
        for (const harness of [fresh, trained(1000)]) {
          const view = notIterable(harness.pool.candidates());
          for (let i = 0; i < 200; i++) {
            const chosen = harness.chooseFrom(view, context);
            if (chosen === undefined) expect.unreachable('nobody was chosen');
            else harness.serve(chosen, 70);
          }
        }
      });
    } else {
      it(`walks the candidates: ${walks}`, () => expect(walks).toMatch(/\w+ \w+/));
    }

    law('gives the same next choice after save and load, through JSON', () => {
      const harness = trained(40);
      for (let i = 0; i < 25; i++) harness.request(() => 60, undefined, context);
      const { strategy, pool } = harness;
      const state: unknown = strategy.save?.();
      const stored: unknown = state === undefined ? undefined : JSON.parse(JSON.stringify(state));
      const next = (): (number | undefined)[] => {
        const engine = { now: harness.clock.now(), random: seededRandom(5) };
        return Array.from({ length: 12 }, () => strategy.choose(pool.candidates(), context, engine)?.slot);
      };
      const first = next();
      strategy.load?.(stored);
      expect(next()).toEqual(first);
    });

    if (remembers === undefined) {
      law('R-20 owns no statistics: a new instance chooses from the figures of the pool', () => {
        const old = trained(40);
        for (let i = 0; i < 200; i++) old.request(({ slot }) => latencyOf(slot), undefined, context);
        const fresh = make();
        fresh.attach?.(old.pool.candidates(), old.engine);
        fresh.load?.(old.strategy.save?.());
        const picks = (strategy: Strategy): (number | undefined)[] => {
          const engine = { now: old.clock.now(), random: seededRandom(9) };
          return Array.from(
            { length: 60 },
            () => strategy.choose(old.pool.candidates(), context, engine)?.slot,
          );
        };
        expect(picks(fresh)).toEqual(picks(old.strategy));
      });
    } else {
      it(`remembers more than the figures: ${remembers}`, () => expect(remembers).toMatch(/\w+ \w+/));
    }

    law('R-47 takes over in the middle of a run, and hands over', () => {
      const engine = engineOf(30, { strategy: 'round-robin' });
      const { rotator } = engine;
      const before = rotator.acquire(context);
      drive(engine, 100);
      rotator.setStrategy(make());
      const during = rotator.acquire(context);
      before.succeed({ latencyMs: 40 });
      drive(engine, 100);
      rotator.setStrategy('random');
      during.succeed({ latencyMs: 40 });
      drive(engine, 10);
      expect(rotator.stats()).toMatchObject({ started: 212, active: 0 });
    });

    law('scores each candidate with a finite number or null', () => {
      for (const harness of [new StrategyHarness(make(), 20), trained(20)]) {
        const { strategy, engine } = harness;
        for (const candidate of harness.pool.candidates()) {
          const score = strategy.score?.(candidate, context, engine) ?? null;
          expect(score === null || Number.isFinite(score)).toBe(true);
        }
      }
    });

    law('R-24 R-30 shows no credential in errors, events or saved state', () => {
      const canary = 'canary-password';
      const proxies = Array.from(
        { length: 8 },
        (_, i) => `http://user${canary}${i}:${canary}@192.0.2.1:80${i + 10}`,
      );
      const engine = engineOf(0, { proxies });
      const events = (['selected', 'settled', 'strategy', 'fallback'] as const).map((event) =>
        record(engine.rotator, event),
      );
      drive(engine, 60);
      const errors = [{ exclude: engine.ids }, { tags: ['nobody'] }].map((more) => {
        try {
          return engine.rotator.acquire({ ...context, ...more });
        } catch (error) {
          expect(error).toBeInstanceOf(ProxyWhirlError);
          return [String(error), error];
        }
      });
      const { strategy } = engine.rotator;
      expect(JSON.stringify([events, errors, strategy.save?.() ?? null, strategy])).not.toContain(canary);
    });
  });
}

/**
 * The lease, or nothing where the engine may refuse: nobody is there, or nobody has the data that is needed and
 * there is no fallback.
 */
function acquired(acquire: () => Lease): Lease[] {
  try {
    return [acquire()];
  } catch (error) {
    if (
      error instanceof ProxyWhirlError &&
      /^PW_(?:NO_CANDIDATE|POOL_EMPTY|STRATEGY_METADATA)$/.test(error.code)
    )
      return [];
    throw error;
  }
}

/** The same candidates, but whoever walks over all of them fails. */
function notIterable(candidates: Candidates): Candidates {
  const walked = (): never => {
    throw new Error('walked over all candidates');
  };
  return new Proxy(candidates, {
    get(target, key) {
      if (key === Symbol.iterator) return walked;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
