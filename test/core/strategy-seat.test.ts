import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lease } from '../../src/core/lease.js';
import { createProxy } from '../../src/core/proxy.js';
import { StrategyMetadataError } from '../../src/errors.js';
import { composite } from '../../src/strategies/composite.js';
import type { Candidate, Strategy } from '../../src/strategies/strategy.js';
import { listening } from '../support/listening-strategy.js';
import { blame, record, testEngine } from '../support/test-engine.js';
import { thrownBy } from '../support/thrown-by.js';

/** Breaks the contract in one way. */
const broken = {
  throws: () => {
    throw new Error('of the plugin');
  },
  'chooses what is no proxy of the pool': (candidates) => ({ ...(candidates.after(-1) as Candidate) }),
  'gives null': () => null as never,
  'gives a number': () => 7 as never,
  'is asynchronous': (async () => undefined) as never,
  'is asynchronous and fails': (async () => {
    throw new Error('later');
  }) as never,
} satisfies Record<string, Strategy['choose']>;

const names = Object.keys(broken) as (keyof typeof broken)[];
const breaking = (how: keyof typeof broken): Strategy => ({ name: 'broken', choose: broken[how] });

describe('a strategy that breaks its contract while it serves', () => {
  it.each(names)('R-48 is contained when it %s: the fallback serves, an event tells', (how) => {
    const fallback = listening('spare');
    const { rotator, ids } = testEngine(3, { strategy: breaking(how), fallback });
    const [selected, told] = [record(rotator, 'selected'), record(rotator, 'fallback')];
    rotator.acquire().succeed();
    expect(selected).toMatchObject([{ proxyId: ids[0], strategy: 'spare', reason: 'strategy' }]);
    expect(told).toEqual([{ strategy: 'broken', fallback: 'spare', error: expect.any(Error) }]);
    expect(fallback.heard).toEqual([`success at ${ids[0]}`]);
  });

  it.each(names)('R-48 without a fallback the next in circular order serves when it %s', (how) => {
    const { rotator, ids } = testEngine(3, { strategy: breaking(how), fallback: null });
    const told = record(rotator, 'fallback');
    const chosen = Array.from({ length: 6 }, () => rotator.acquire().proxy.id);
    expect(chosen).toEqual([...ids, ...ids]);
    expect(told).toHaveLength(6);
    expect(told[0]).toMatchObject({ strategy: 'broken', fallback: null });
  });

  it.each(names)('R-48 a fallback that %s as well is contained, too', (how) => {
    const spare: Strategy = { name: 'spare', choose: broken[how] };
    const { rotator, ids } = testEngine(3, { strategy: breaking('throws'), fallback: spare });
    const told = record(rotator, 'fallback');
    const exclude = [String(ids[0])];
    const chosen = Array.from({ length: 4 }, () => rotator.acquire({ exclude }).proxy.id);
    expect(chosen).toEqual([ids[1], ids[2], ids[1], ids[2]]);
    expect(told.slice(0, 2)).toMatchObject([
      { strategy: 'broken', fallback: 'spare' },
      { strategy: 'spare', fallback: null },
    ]);
  });

  it('R-48 never gets an excluded or unhealthy proxy through, whatever it and its fallback name', () => {
    const pick = fc.record({
      mine: fc.nat(5),
      spare: fc.nat(5),
      exclude: fc.uniqueArray(fc.nat(5), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(pick, { maxLength: 12 }), fc.nat(5), fc.boolean(), (steps, down, withFallback) => {
        const wanted = { mine: 0, spare: 0 };
        let members: readonly Candidate[] = [];
        const naming = (who: 'mine' | 'spare'): Strategy => ({
          name: who,
          choose: () => members[wanted[who]],
        });
        const { rotator, ids } = testEngine(6, {
          strategy: naming('mine'),
          fallback: withFallback ? naming('spare') : null,
        });
        members = rotator.pool.list() as unknown as Candidate[];
        blame(rotator, String(ids[down]), 5);
        for (const { exclude, ...more } of steps) {
          Object.assign(wanted, more);
          const barred = new Set([...exclude, down].map((at) => ids[at] as string));
          if (barred.size === ids.length) continue;
          const { id } = rotator.acquire({ exclude: exclude.map((at) => ids[at] as string) }).proxy;
          expect(barred.has(id)).toBe(false);
          if (!barred.has(String(ids[more.mine]))) expect(id).toBe(ids[more.mine]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each(['changed', 'settled'] as const)(
    'R-48 is contained when %s throws: the request is counted',
    (hook) => {
      const strategy: Strategy = {
        ...listening('deaf'),
        [hook]: () => {
          throw new Error(hook);
        },
      };
      const { rotator } = testEngine(2, { strategy });
      const told = record(rotator, 'fallback');
      rotator.acquire().succeed({ latencyMs: 5 });
      rotator.pool.add('192.0.2.99:1');
      expect(rotator.stats()).toMatchObject({ size: 3, succeeded: 1, active: 0 });
      expect(told[0]).toMatchObject({ strategy: 'deaf', error: { message: hook } });
    },
  );

  it('R-48 is contained when it cannot index what a snapshot brought back', () => {
    let attached = 0;
    const strategy: Strategy = {
      ...listening('once'),
      attach() {
        if (attached++ > 0) throw new Error('again');
      },
    };
    const { rotator } = testEngine(2, { strategy });
    const told = record(rotator, 'fallback');
    rotator.restore(rotator.snapshot());
    expect(told).toMatchObject([{ strategy: 'once', error: { message: 'again' } }]);
    rotator.acquire().succeed();
  });

  it('is told nothing of the requests of a proxy that was removed', () => {
    const strategy = listening('listening');
    const { rotator } = testEngine(2, { strategy });
    const lease: Lease = rotator.acquire();
    rotator.pool.remove(lease.proxy.id);
    lease.succeed();
    expect(strategy.heard).toEqual([]);
  });
});

describe('a strategy that lacks data', () => {
  const lacking: Strategy = {
    name: 'lacking',
    choose() {
      throw new StrategyMetadataError('lacking', ['cost', 'geo']);
    },
  };

  it('R-23 R-08 leaves the choice to the fallback, which is told as an event', () => {
    const { rotator } = testEngine(2, { strategy: lacking });
    const [selected, told] = [record(rotator, 'selected'), record(rotator, 'fallback')];
    rotator.acquire();
    expect(selected).toMatchObject([{ strategy: 'round-robin' }]);
    expect(told).toMatchObject([
      { strategy: 'lacking', fallback: 'round-robin', error: { fields: ['cost', 'geo'] } },
    ]);
  });

  it.each([
    ['random', 'random'],
    [{ name: 'random' }, 'random'],
    [listening('own'), 'own'],
  ] as const)('R-08 R-49 the fallback is the one that was configured: %o', (fallback, name) => {
    const { rotator } = testEngine(2, { strategy: lacking, fallback });
    const selected = record(rotator, 'selected');
    rotator.acquire();
    expect(selected).toMatchObject([{ strategy: name }]);
  });

  it('R-23 without a fallback is a StrategyMetadataError that lists the fields, and counts nothing', () => {
    const { rotator } = testEngine(2, { strategy: lacking, fallback: null });
    const told = record(rotator, 'fallback');
    const error = thrownBy(() => rotator.acquire({ sessionId: 's' }));
    expect(error).toBeInstanceOf(StrategyMetadataError);
    expect(error).toMatchObject({ code: 'PW_STRATEGY_METADATA', fields: ['cost', 'geo'] });
    expect(rotator.stats()).toMatchObject({ started: 0, active: 0, sessions: 0 });
    expect(told).toEqual([]);
  });

  it('R-23 a fallback that lacks data is contained', () => {
    const { rotator, ids } = testEngine(2, { strategy: lacking, fallback: { ...lacking, name: 'spare' } });
    expect([rotator.acquire().proxy.id, rotator.acquire().proxy.id]).toEqual(ids);
  });
});

describe('places and filters', () => {
  const exits = (): ReturnType<typeof createProxy>[] =>
    ['DE', 'US', 'US', 'FR'].map((countryCode, i) =>
      createProxy({ host: `192.0.2.${i + 1}`, port: 8000, geo: { countryCode } }),
    );

  it('R-44 noMatch holds whatever other rules the request has', () => {
    const { rotator } = testEngine(0, {
      proxies: exits(),
      strategy: { name: 'geo-targeted', noMatch: 'any' },
    });
    const [first] = rotator.pool.list();
    const contexts = [{}, { exclude: [first?.id ?? ''] }, { priority: 'low' }, { priority: 'high' }] as const;
    for (const context of contexts) {
      expect(() => rotator.acquire({ country: 'SE', ...context }).release()).not.toThrow();
      expect(rotator.acquire({ country: 'FR', ...context }).proxy.geo?.countryCode).toBe('FR');
    }
  });

  it('R-46 R-48 whoever stands in for a failing selector keeps to the filters', () => {
    const broken: Strategy = {
      name: 'broken',
      choose: () => {
        throw new Error('broken');
      },
    };
    const { rotator } = testEngine(0, {
      proxies: exits(),
      strategy: composite({ filters: [{ name: 'geo-targeted', countries: ['DE'] }], selector: broken }),
    });
    for (let i = 0; i < 8; i++) expect(rotator.acquire().proxy.geo?.countryCode).toBe('DE');
  });

  it('explain names what the filters of the strategy leave out', () => {
    const { rotator } = testEngine(0, {
      proxies: exits(),
      strategy: { name: 'geo-targeted', countries: ['DE'] },
    });
    const { proxies } = rotator.explain();
    expect(proxies.map(({ status, reason }) => [status, reason])).toEqual([
      ['chosen', null],
      ['excluded', 'filter'],
      ['excluded', 'filter'],
      ['excluded', 'filter'],
    ]);
  });
});
