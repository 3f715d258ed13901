import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createProxy, type Proxy, type ProxyMetadata } from '../../src/core/proxy.js';
import { NoCandidateError, OptionsError, StrategyMetadataError } from '../../src/errors.js';
import { type GeoTargetedSettings, geoTargeted } from '../../src/strategies/geo-targeted.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import { random } from '../../src/strategies/random.js';
import { roundRobin } from '../../src/strategies/round-robin.js';
import type { SelectionContext, Strategy } from '../../src/strategies/strategy.js';
import { describeStrategyContract } from '../contracts/strategy-contract.js';
import { StrategyHarness } from '../support/strategy-harness.js';
import { blame, proxyLine, testEngine } from '../support/test-engine.js';

describeStrategyContract('geo-targeted', () => geoTargeted());
describeStrategyContract(
  'geo-targeted over least-used, any place',
  () => geoTargeted({ countries: ['DE'], noMatch: 'any', inner: leastUsed() }),
  { walks: 'nobody of the pool is in the place, which is found out by looking' },
);

type Geo = NonNullable<ProxyMetadata['geo']>;

function proxiesAt(places: readonly (Geo | undefined)[]): Proxy[] {
  return places.map((geo, i) => createProxy({ host: '192.0.2.1', port: 8000 + i, geo }));
}

function harnessAt(strategy: Strategy, places: readonly (Geo | undefined)[]): StrategyHarness {
  const harness = new StrategyHarness(strategy, 0);
  harness.pool.add(...proxiesAt(places));
  return harness;
}

/** Indexes of the proxies that are chosen, in order. */
function picks(harness: StrategyHarness, count: number, context: SelectionContext = {}): number[] {
  return Array.from({ length: count }, () => {
    const chosen = harness.request(() => 10, undefined, context);
    return chosen === undefined ? -1 : chosen.proxy.port - 8000;
  });
}

const de: Geo = { countryCode: 'DE', region: 'Bavaria', city: 'Munich' };
const berlin: Geo = { countryCode: 'DE', region: 'Berlin', city: 'Berlin' };
const fr: Geo = { countryCode: 'FR', region: 'Bretagne', city: 'Brest' };
const us: Geo = { countryCode: 'US', region: 'New Hampshire', city: 'Berlin' };

describe('geo-targeted', () => {
  it('R-43 is 100 % right wherever such a proxy exists: random pools, health and wishes', () => {
    const place = fc.option(
      fc.record(
        {
          countryCode: fc.constantFrom('DE', 'FR', 'GB'),
          region: fc.constantFrom('North', 'south'),
          city: fc.constantFrom('Aa', 'bB', 'cc'),
        },
        { requiredKeys: [] },
      ),
      { nil: undefined, freq: 6 },
    );
    const wish = fc.record(
      {
        country: fc.constantFrom('DE', 'fr', 'uk', 'SE'),
        region: fc.constantFrom('NORTH', 'South'),
        city: fc.constantFrom('aa', 'BB', 'cc'),
      },
      { requiredKeys: [] },
    );
    const inner = fc.constantFrom(
      () => roundRobin(),
      () => random(),
      () => leastUsed(),
    );
    const down = fc.array(fc.nat(29), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(place, { maxLength: 30 }), down, wish, inner, (places, out, context, make) => {
        const harness = harnessAt(geoTargeted({ inner: make(), noMatch: 'any' }), places);
        for (const i of out) if (i < places.length) harness.setServing(harness.member(i), false);
        const code = context.country?.toUpperCase().replace('UK', 'GB');
        const same = (known: string | undefined, wanted: string | undefined): boolean =>
          wanted === undefined || known?.toLowerCase() === wanted.toLowerCase();
        const right = places.flatMap((geo, i) =>
          !out.includes(i) &&
          same(geo?.countryCode, code) &&
          same(geo?.region, context.region) &&
          same(geo?.city, context.city)
            ? i
            : [],
        );
        const chosen = picks(harness, 8, context);
        if (right.length > 0) for (const i of chosen) expect(right).toContain(i);
        // Nobody is there: anybody who serves.
        else expect(chosen.every((i) => i === -1)).toBe(places.every((_, i) => out.includes(i)));
      }),
      { numRuns: 400 },
    );
  });

  it('R-08 prefers the countries of the settings in their order, and R-43 one that is down gives way', () => {
    const harness = harnessAt(geoTargeted({ countries: ['FR', 'de'] }), [de, fr, us, de]);
    expect(picks(harness, 3)).toEqual([1, 1, 1]);
    harness.setServing(harness.member(1), false);
    expect(picks(harness, 3)).toEqual([0, 3, 0]);
  });

  it('R-08 R-43 regions and cities of the settings are all that is used, whatever their letter case', () => {
    expect(
      picks(harnessAt(geoTargeted({ regions: ['BERLIN', 'bretagne'] }), [de, berlin, fr, us]), 4),
    ).toEqual([1, 2, 1, 2]);
    expect(picks(harnessAt(geoTargeted({ cities: ['berlin'] }), [de, berlin, fr, us]), 4)).toEqual([
      1, 3, 1, 3,
    ]);
    const both = geoTargeted({ countries: ['US', 'DE'], cities: ['berlin', 'munich'] });
    expect(picks(harnessAt(both, [de, berlin, fr, us]), 2)).toEqual([3, 3]);
  });

  it('R-09 the country, region or city of a request replaces the settings for it and what is inside of it', () => {
    const make = (): StrategyHarness =>
      harnessAt(geoTargeted({ countries: ['DE'], cities: ['Munich'] }), [de, berlin, fr, us]);
    expect(picks(make(), 2)).toEqual([0, 0]);
    expect(picks(make(), 2, { country: 'fr' })).toEqual([2, 2]);
    expect(picks(make(), 2, { city: 'berlin' })).toEqual([1, 1]);
    expect(picks(make(), 2, { region: 'berlin' })).toEqual([1, 1]);
    expect(picks(make(), 2, { country: 'US', city: 'Berlin' })).toEqual([3, 3]);
    expect(picks(make(), 1, { region: 'bavaria', city: 'munich' })).toEqual([0]);
  });

  it('R-09 R-43 works through the engine, by the context of each request', () => {
    const proxies = proxiesAt([de, fr, us, berlin, fr]);
    const { rotator } = testEngine(0, { proxies, strategy: geoTargeted(), fallback: null });
    const countryOf = (context: SelectionContext): string | undefined =>
      rotator.acquire(context).proxy.geo?.countryCode;
    for (const country of ['DE', 'FR', 'US', 'fr', 'de']) {
      expect(countryOf({ country })).toBe(country.toUpperCase());
    }
    expect(rotator.acquire({ city: 'berlin', country: 'US' }).proxy.geo).toMatchObject(us);
    expect(countryOf({ region: 'bretagne' })).toBe('FR');
  });

  it('without a place, all are candidates', () => {
    expect(picks(harnessAt(geoTargeted(), [de, undefined, us]), 4)).toEqual([0, 1, 2, 0]);
  });

  it('R-44 error by default: NoCandidateError that names it', () => {
    const harness = harnessAt(geoTargeted({ countries: ['SE'] }), [de, fr, undefined]);
    expect(() => harness.choose()).toThrow(NoCandidateError);
    expect(() => harness.choose()).toThrow('3 by geo-targeted');
  });

  it('R-44 R-23 StrategyMetadataError lists the fields that no candidate has', () => {
    const fieldsOf = (settings: GeoTargetedSettings, places: (Geo | undefined)[]): unknown => {
      try {
        harnessAt(geoTargeted(settings), places).choose();
      } catch (error) {
        if (error instanceof StrategyMetadataError) return error.fields;
        throw error;
      }
      return null;
    };
    const countries = ['SE'];
    expect(fieldsOf({ countries }, [undefined, {}])).toEqual(['geo.countryCode']);
    expect(fieldsOf({ countries, cities: ['Lund'] }, [{ countryCode: 'SE' }])).toEqual(['geo.city']);
    expect(fieldsOf({ regions: ['x'], cities: ['y'] }, [undefined])).toEqual(['geo.region', 'geo.city']);
  });

  it('R-44 any region: the inner strategy chooses among all', () => {
    const harness = harnessAt(geoTargeted({ countries: ['SE'], noMatch: 'any' }), [de, fr, us]);
    expect(picks(harness, 4)).toEqual([0, 1, 2, 0]);
  });

  it('R-44 a named strategy chooses among all', () => {
    const resolve = (): Strategy => ({ name: 'last', choose: (all) => [...all].at(-1) });
    const harness = harnessAt(geoTargeted({ countries: ['SE'], noMatch: 'last' }, resolve), [de, fr, us]);
    expect(picks(harness, 3)).toEqual([2, 2, 2]);
    expect(picks(harness, 1, { country: 'DE' })).toEqual([0]);
  });

  it('R-45 any other strategy chooses among those that remain', () => {
    const places = [de, fr, de, fr, de, us];
    const least = harnessAt(geoTargeted({ countries: ['DE'], inner: leastUsed() }), places);
    for (const i of [0, 2]) least.serve(least.member(i), 10);
    expect(picks(least, 1)).toEqual([4]);
    const byName = geoTargeted({ countries: ['DE'], inner: 'random' }, () => random());
    expect(new Set(picks(harnessAt(byName, places), 60))).toEqual(new Set([0, 2, 4]));
  });

  it('R-31 R-45 round-robin keeps a place for each place: countries in turn do not starve anybody', () => {
    for (const inner of [undefined, 'round-robin']) {
      const harness = harnessAt(geoTargeted(inner === undefined ? {} : { inner }), [de, fr, de, fr, de, fr]);
      const chosen = Array.from({ length: 12 }, (_, i) =>
        picks(harness, 1, { country: i % 2 === 0 ? 'DE' : 'FR' }),
      ).flat();
      expect(chosen).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
    }
  });

  it('saves and loads the place of each place', () => {
    const harness = harnessAt(geoTargeted(), [de, fr, de, fr, de]);
    picks(harness, 1, { country: 'DE' });
    const state = JSON.parse(JSON.stringify(harness.strategy.save?.()));
    expect(picks(harness, 2, { country: 'DE' })).toEqual([2, 4]);
    harness.strategy.load?.(state);
    expect(picks(harness, 2, { country: 'DE' })).toEqual([2, 4]);
  });

  it('forgets the oldest of a thousand places, and no more', () => {
    const harness = harnessAt(geoTargeted({ noMatch: 'any' }), [berlin, berlin]);
    for (let i = 0; i < 3000; i++) harness.choose(undefined, { city: `c${i}` });
    const [places] = (harness.strategy.save?.() ?? []) as unknown[][];
    expect(places).toHaveLength(1000);
  });

  it('narrows as a filter: to the first country that has somebody, else to nobody or, with any, to all', () => {
    const count = (settings: GeoTargetedSettings): number => {
      const harness = harnessAt(geoTargeted(settings), [de, fr, fr, us]);
      return [...(harness.strategy.narrow?.(harness.pool.candidates(), {}) ?? [])].length;
    };
    expect(count({ countries: ['FR', 'DE'] })).toBe(2);
    expect(count({ countries: ['SE', 'DE'] })).toBe(1);
    expect(count({ countries: ['SE'] })).toBe(0);
    expect(count({ countries: ['SE'], noMatch: 'any' })).toBe(4);
    expect(count({})).toBe(4);
  });

  it('scores those in the place by the inner strategy, and nobody else', () => {
    const harness = harnessAt(geoTargeted({ countries: ['DE'], inner: leastUsed() }), [de, fr]);
    harness.start(harness.member(0));
    const score = (i: number): unknown => harness.strategy.score?.(harness.member(i), {}, harness.engine);
    expect([score(0), score(1)]).toEqual([-1.5, null]);
  });

  it('R-47 tells the inner strategy of breakers and of proxies that come and go', () => {
    const proxies = [...proxiesAt([de, de, fr])];
    const strategy = geoTargeted({ countries: ['DE'], inner: leastUsed() });
    const { rotator, ids } = testEngine(0, { proxies, strategy, fallback: null });
    blame(rotator, ids[0] as string, 5);
    const late = createProxy({ host: '192.0.2.9', port: 9000, geo: de });
    rotator.pool.add(proxyLine(5), late);
    const chosen = Array.from({ length: 4 }, () => rotator.acquire().proxy.id);
    expect(chosen.sort()).toEqual([ids[1], ids[1], late.id, late.id].sort());
  });

  it.each([
    [{ countries: 'DE' }, 'countries: must be an array of texts, not string'],
    [{ countries: [] }, 'countries: must hold one text at least; leave it out for none'],
    [{ countries: ['Germany'] }, 'countries: must be ISO 3166-1 alpha-2 codes'],
    [{ regions: [3] }, 'regions: must be an array of texts; entry 0 is number'],
    [{ cities: ['Rome', ' '] }, 'cities: must be an array of texts; entry 1 is blank'],
    [
      { noMatch: 3 },
      'noMatch: must be the name of a strategy, an object with a name, or a strategy, not number',
    ],
    [{ noMatch: 'random' }, 'noMatch.name: strategies have names only inside of a rotator'],
    [
      { inner: null },
      'inner: must be the name of a strategy, an object with a name, or a strategy, not null',
    ],
    [{ inner: 'fast' }, 'inner.name: strategies have names only inside of a rotator'],
    [{ country: 'DE' }, 'country: is no setting'],
  ])('R-30 refuses %j', (settings, message) => {
    const make = (): unknown => geoTargeted(settings as GeoTargetedSettings);
    expect(make).toThrow(OptionsError);
    expect(make).toThrow(message);
  });
});
