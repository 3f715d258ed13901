import { describe, expect, it } from 'vitest';
import { createProxy, type ProxyMetadata } from '../../src/core/proxy.js';
import { NoCandidateError, OptionsError } from '../../src/errors.js';
import { type CompositeSettings, composite } from '../../src/strategies/composite.js';
import type { CompositeFilter } from '../../src/strategies/filters.js';
import { geoTargeted } from '../../src/strategies/geo-targeted.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import { random } from '../../src/strategies/random.js';
import { StrategyRegistry } from '../../src/strategies/registry.js';
import { roundRobin } from '../../src/strategies/round-robin.js';
import type { Candidate, Candidates, Strategy } from '../../src/strategies/strategy.js';
import { describeStrategyContract } from '../contracts/strategy-contract.js';
import { StrategyHarness } from '../support/strategy-harness.js';
import { testEngine } from '../support/test-engine.js';

const registry = new StrategyRegistry();
registry.register('round-robin', () => roundRobin());
registry.register('random', () => random());
registry.register('least-used', () => leastUsed());
registry.register('even', () => even());
registry.register('composite', (settings) => composite(settings as unknown as CompositeSettings, resolve));
const resolve = (spec: Parameters<StrategyRegistry['resolve']>[0]): Strategy => registry.resolve(spec);

/** A filter of somebody's own. */
function even(): Strategy {
  return {
    name: 'even',
    choose: (candidates) => candidates.after(-1),
    narrow: (candidates) => candidates.where(({ slot }) => slot % 2 === 0),
  };
}

const everybody: CompositeFilter = () => true;

describeStrategyContract('composite', () => composite({ filters: [everybody], selector: roundRobin() }));
describeStrategyContract(
  'composite over least-used',
  () =>
    composite(
      { filters: [{ name: 'max-response-time', ms: 60_000 }, everybody], selector: 'least-used' },
      resolve,
    ),
  {},
);

function harnessOf(settings: CompositeSettings, metadata: readonly ProxyMetadata[]): StrategyHarness {
  const harness = new StrategyHarness(composite(settings, resolve), 0);
  harness.pool.add(...metadata.map((more, i) => createProxy({ host: '192.0.2.1', port: 8000 + i, ...more })));
  return harness;
}

function picks(harness: StrategyHarness, count: number): number[] {
  return Array.from({ length: count }, () => (harness.choose()?.proxy.port ?? 7999) - 8000);
}

const at = (countryCode: string, ...tags: string[]): ProxyMetadata => ({ geo: { countryCode }, tags });

describe('composite', () => {
  it('R-46 filters, then selects: strategies, tests and plain configuration', () => {
    const pool = [at('DE'), at('DE', 'fast'), at('FR', 'fast'), at('DE', 'fast', 'old'), at('DE', 'fast')];
    const harness = harnessOf(
      {
        filters: [
          geoTargeted({ countries: ['DE'] }),
          { name: 'tags', tags: ['fast'] },
          ({ proxy }: Candidate) => !proxy.tags.includes('old'),
        ],
        selector: 'round-robin',
      },
      pool,
    );
    expect(picks(harness, 4)).toEqual([1, 4, 1, 4]);
  });

  it('R-46 R-49 is made of plain configuration, also of one that went through JSON', () => {
    const settings = {
      name: 'composite',
      filters: [{ name: 'geo-targeted', countries: ['DE'] }, { name: 'even' }],
      selector: 'round-robin',
    };
    const strategy = registry.resolve(JSON.parse(JSON.stringify(settings)));
    const proxies = ['DE', 'DE', 'DE', 'FR', 'FR'].map((country, i) =>
      createProxy({ host: '192.0.2.1', port: 8000 + i, ...at(country) }),
    );
    const { rotator } = testEngine(0, { proxies, strategy, fallback: null });
    const ports = Array.from({ length: 4 }, () => rotator.acquire().proxy.port);
    expect(ports).toEqual([8000, 8002, 8000, 8002]);
  });

  it('R-46 hands the context of the request to its filters', () => {
    const wanted: CompositeFilter = ({ proxy }, { metadata }) => proxy.tags.includes(String(metadata?.plan));
    const harness = harnessOf({ filters: [wanted], selector: 'round-robin' }, [at('DE', 'a'), at('DE', 'b')]);
    expect(harness.choose(undefined, { metadata: { plan: 'b' } })?.slot).toBe(1);
    expect(harness.choose(undefined, { metadata: { plan: 'a' } })?.slot).toBe(0);
  });

  it.each([1, 100, 101, 150, 1000])('R-46 works over %s candidates, each of which is chosen', (size) => {
    const filters: CompositeFilter[] = [({ proxy }) => proxy.tags.includes('in'), everybody];
    const pool = Array.from({ length: 2 * size }, (_, i) => at('DE', i % 2 === 0 ? 'in' : 'out'));
    for (const selector of ['round-robin', 'least-used']) {
      const harness = harnessOf({ filters, selector }, pool);
      const chosen = Array.from({ length: size }, () => harness.request(() => 10)?.slot);
      expect(new Set(chosen).size).toBe(size);
      expect(chosen.every((slot) => (slot ?? 1) % 2 === 0)).toBe(true);
    }
  });

  it('R-46 filters work on views: nobody is walked before the selector asks', () => {
    let asked = 0;
    const counting: CompositeFilter = () => {
      asked += 1;
      return true;
    };
    const pool = Array.from({ length: 1000 }, () => at('DE'));
    const filters = [counting, { name: 'geo-targeted', countries: ['DE'] }, counting];
    const harness = harnessOf({ filters, selector: 'round-robin' }, pool);
    asked = 0;
    harness.choose();
    expect(asked).toBe(2);
  });

  it('R-08 max-response-time leaves out whose mean latency is known to be above', () => {
    const filters = [{ name: 'max-response-time', ms: 100 }];
    const harness = harnessOf({ filters, selector: 'round-robin' }, [at('DE'), at('DE'), at('DE')]);
    harness.serve(harness.member(0), 100);
    harness.serve(harness.member(1), 101);
    expect(picks(harness, 4)).toEqual([0, 2, 0, 2]);
  });

  it('R-08 min-success-rate leaves out whose share of successes is known to be below', () => {
    const filters = [{ name: 'min-success-rate', rate: 0.8 }];
    const harness = harnessOf({ filters, selector: 'round-robin' }, [at('DE'), at('DE'), at('DE')]);
    const results = [
      [1, 1, 1, 1, 0],
      [1, 1, 1, 0, 0],
      [0, 0, 0, 0],
    ];
    for (const [i, list] of results.entries()) {
      for (const good of list) harness.serve(harness.member(i), good === 1 ? 10 : null);
    }
    expect(picks(harness, 4)).toEqual([0, 2, 0, 2]);
  });

  it('R-23 R-46 names the filters that removed everybody', () => {
    const filters = [
      { name: 'geo-targeted', countries: ['DE'] },
      { name: 'tags', tags: ['fast'] },
    ];
    const harness = harnessOf({ filters, selector: 'random' }, [at('FR'), at('FR', 'fast'), at('DE')]);
    try {
      harness.choose();
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(NoCandidateError);
      expect((error as NoCandidateError).removedBy).toEqual({ 'geo-targeted': 2, tags: 1 });
    }
  });

  it('keeps the indexes of the selector true, and shows its score', () => {
    const harness = new StrategyHarness(composite({ filters: [even()], selector: leastUsed() }), 6);
    harness.setServing(harness.member(0), false);
    const chosen = Array.from({ length: 4 }, () => {
      const candidate = harness.choose();
      if (candidate !== undefined) harness.start(candidate);
      return candidate?.slot ?? -1;
    });
    expect(chosen.sort()).toEqual([2, 2, 4, 4]);
    expect(harness.strategy.score?.(harness.member(2), {}, harness.engine)).toBeCloseTo(-2 - 2 / 3);
  });

  it('forwards results and state to the selector and to filters that are strategies', () => {
    const heard: string[] = [];
    let state = 1;
    const listening = (name: string): Strategy => ({
      ...even(),
      name,
      attach: (serving) => heard.push(`${name} attach ${[...serving].length}`),
      changed: ({ slot }, serving) => heard.push(`${name} ${slot} ${serving}`),
      settled: (_candidate, { verdict }) => heard.push(`${name} ${verdict}`),
      save: () => state,
      load: (saved) => {
        state = saved as number;
      },
    });
    const strategy = composite({ filters: [listening('f')], selector: listening('s') });
    const { pool } = new StrategyHarness(roundRobin(), 2);
    const [candidate] = pool.list();
    if (candidate === undefined) return expect.unreachable();
    const engine = { now: 1000, random: () => 0 };
    // A generator can be walked once, and both have to see everybody.
    strategy.attach?.(
      (function* (): Generator<Candidate> {
        yield* pool.candidates();
      })(),
      engine,
    );
    strategy.changed?.(candidate, false, engine);
    strategy.settled?.(candidate, { verdict: 'success' }, engine);
    expect(heard).toEqual(['s attach 2', 'f attach 2', 's 0 false', 'f 0 false', 's success', 'f success']);
    const saved = strategy.save?.();
    state = 9;
    strategy.load?.(saved);
    expect(state).toBe(1);
    expect(composite({ filters: [], selector: random() })).not.toHaveProperty('changed');
  });

  it('R-46 is a filter itself, and narrows as its filters do', () => {
    const inner = composite({ filters: [even(), ({ slot }) => slot > 0], selector: random() });
    const { pool } = new StrategyHarness(roundRobin(), 6);
    const narrowed = inner.narrow?.(pool.candidates(), {}) as Candidates;
    expect([...narrowed].map(({ slot }) => slot)).toEqual([2, 4]);
  });

  it.each([
    [{}, 'filters: is missing'],
    [{ filters: [] }, 'selector: must be the name of a strategy'],
    [{ filters: {}, selector: 'random' }, 'filters: must be an array, not object'],
    [{ filters: [everybody, 3], selector: 'random' }, 'filters[1]: must be a filter with a name'],
    [{ filters: [null], selector: 'random' }, 'filters[0]: must be a filter with a name'],
    [{ filters: [{ name: 'fastest' }], selector: 'random' }, 'filters[0]: Unknown strategy "fastest"'],
    [{ filters: [{ name: 'random' }], selector: 'random' }, 'filters[0]: is a strategy that cannot narrow'],
    [{ filters: [random()], selector: 'random' }, 'filters[0]: is a strategy that cannot narrow'],
    [{ filters: [], selector: 'fastest' }, 'selector: Unknown strategy "fastest"'],
    [{ filters: [], selector: 7 }, 'selector: must be the name of a strategy'],
    [{ filters: [], selector: 'random', fallback: 'random' }, 'fallback: is no setting'],
    [{ filters: [{ name: 'tags' }], selector: 'random' }, 'filters[0].tags: is missing'],
    [{ filters: [{ name: 'tags', tags: 'x' }], selector: 'random' }, 'filters[0].tags: must be an array'],
    [
      { filters: [{ name: 'tags', tags: ['x'], any: 1 }], selector: 'random' },
      'filters[0].any: is no setting',
    ],
    [
      { filters: [{ name: 'max-response-time', ms: -1 }], selector: 'random' },
      'filters[0].ms: must be a number',
    ],
    [
      { filters: [{ name: 'min-success-rate', rate: 2 }], selector: 'random' },
      'filters[0].rate: must be a number from 0 to 1',
    ],
    [
      { filters: [everybody, { name: 'geo-targeted', countries: ['Germany'] }], selector: 'random' },
      'filters[1].countries: must be ISO 3166-1',
    ],
    [
      { filters: [{ name: 'geo-targeted', inner: 'random' }], selector: 'random' },
      'filters[0].inner: is no setting',
    ],
    [
      { filters: [{ name: 'geo-targeted', noMatch: 'random' }], selector: 'random' },
      "filters[0].noMatch: must be 'error' or 'any'",
    ],
  ])('R-30 R-46 is checked when it is built: %j', (settings, message) => {
    const make = (): unknown => composite(settings as CompositeSettings, resolve);
    expect(make).toThrow(OptionsError);
    expect(make).toThrow(message);
  });
});
