import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Events } from '../../src/core/events.js';
import { closed } from '../../src/core/health.js';
import { Pool } from '../../src/core/pool.js';
import { createProxy } from '../../src/core/proxy.js';
import { seededRandom } from '../support/seeded-random.js';

const COUNTRIES = ['DE', 'FR', 'US'] as const;

function poolOf(countries: readonly (string | null)[]): Pool {
  const pool = new Pool({ emaAlpha: 0.2, windowSeconds: 3600 }, new Events());
  pool.replace(
    countries.map((countryCode, i) =>
      createProxy({
        host: `10.0.${i >> 8}.${i & 255}`,
        port: 8000,
        ...(countryCode && { geo: { countryCode } }),
      }),
    ),
  );
  return pool;
}

describe('views of the pool', () => {
  it('R-43 inCountry() holds exactly the serving proxies of the country, in order, through any changes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...COUNTRIES, null), { minLength: 1, maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(59), fc.constantFrom('open', 'close', 'remove')), { maxLength: 60 }),
        fc.constantFrom(...COUNTRIES),
        (countries, changes, country) => {
          const pool = poolOf(countries);
          for (const [index, change] of changes) {
            const member = pool.list()[index % Math.max(pool.size, 1)];
            if (member === undefined) continue;
            if (change === 'remove') pool.remove(member.id);
            else if (change === 'open') pool.setBreaker(member, { state: 'open', until: 1, opens: 1 });
            else pool.setBreaker(member, closed);
          }
          const expected = pool
            .list()
            .filter((member) => member.health === 'closed' && member.proxy.geo?.countryCode === country)
            .map(({ slot }) => slot)
            .sort((a, b) => a - b);
          const view = pool.candidates().inCountry(country);
          expect([...view].map(({ slot }) => slot).sort((a, b) => a - b)).toEqual(expected);
          expect(view.empty).toBe(expected.length === 0);
          const walked: number[] = [];
          for (let at = view.after(-1); at !== undefined && walked.length < expected.length; ) {
            walked.push(at.slot);
            at = view.after(at.slot);
          }
          expect(walked).toEqual(expected);
          for (const member of pool.list()) expect(view.has(member)).toBe(expected.includes(member.slot));
        },
      ),
      { numRuns: Number(process.env['PW_FUZZ_RUNS'] ?? 200) },
    );
  });

  it('where() narrows without copying, in any order with inCountry()', () => {
    const pool = poolOf(Array.from({ length: 300 }, (_, i) => COUNTRIES[i % 3] ?? null));
    const even = ({ slot }: { slot: number }): boolean => slot % 2 === 0;
    const slots = (view: Iterable<{ slot: number }>): number[] =>
      [...view].map(({ slot }) => slot).sort((a, b) => a - b);
    const expected = Array.from({ length: 300 }, (_, i) => i).filter((i) => i % 6 === 0);
    expect(slots(pool.candidates().where(even).inCountry('DE'))).toEqual(expected);
    expect(slots(pool.candidates().inCountry('DE').where(even))).toEqual(expected);
    expect(slots(pool.candidates().inCountry('DE').inCountry('FR'))).toEqual([]);
    expect(pool.candidates().whole).toBe(true);
    expect(pool.candidates().where(even).whole).toBe(false);
    expect(pool.candidates().inCountry('DE').whole).toBe(false);
  });

  it('sample() finds the one candidate that passes among thousands', () => {
    const pool = poolOf(Array.from({ length: 3000 }, () => null));
    const view = pool.candidates().where(({ slot }) => slot === 1234);
    expect(view.sample(seededRandom(1))?.slot).toBe(1234);
    expect(
      pool
        .candidates()
        .where(() => false)
        .sample(seededRandom(1)),
    ).toBeUndefined();
    expect(pool.candidates().inCountry('DE').sample(seededRandom(1))).toBeUndefined();
  });

  it('has() knows a proxy that left from the one that took its slot', () => {
    const pool = poolOf([null]);
    const [old] = pool.list();
    if (old === undefined) throw new Error('no member');
    pool.remove(old.id);
    const [now] = pool.add('10.9.9.9:8000');
    expect(now?.slot).toBe(old.slot);
    expect(pool.candidates().has(old)).toBe(false);
    expect(now !== undefined && pool.candidates().has(now)).toBe(true);
  });
});
