import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Rotator } from '../../src/core/rotator.js';
import type { AcquireContext } from '../../src/core/selection-rules.js';
import { NoCandidateError } from '../../src/errors.js';
import { ban, placed, teach, witness } from '../support/teaching.js';
import { blame, testEngine } from '../support/test-engine.js';
import { thrownBy } from '../support/thrown-by.js';

/** Who is chosen in twenty requests, sorted. */
function picks(rotator: Rotator, context: AcquireContext = {}): string[] {
  const chosen = Array.from({ length: 20 }, () => {
    const lease = rotator.acquire(context);
    lease.release();
    return lease.proxy.id;
  });
  return [...new Set(chosen)].sort();
}

const sorted = (...ids: (string | undefined)[]): string[] => ids.map(String).sort();

describe('limits of the engine', () => {
  it('R-08 maxResponseTimeMs holds for each selection, and the context overrides it both ways', () => {
    const { rotator, ids } = testEngine(2, { maxResponseTimeMs: 200 });
    const [slow, quick] = ids;
    teach(rotator, String(slow), { ok: 1, latencyMs: 300 });
    teach(rotator, String(quick), { ok: 1, latencyMs: 100 });
    expect(picks(rotator)).toEqual(sorted(quick));
    expect(picks(rotator, { maxResponseTimeMs: 300 })).toEqual(sorted(slow, quick));
    expect(() => rotator.acquire({ maxResponseTimeMs: 50 })).toThrow(NoCandidateError);
  });

  it('R-08 minSuccessRate holds for each selection, and the context overrides it both ways', () => {
    const { rotator, ids } = testEngine(2, { minSuccessRate: 0.8 });
    const [poor, good] = ids;
    teach(rotator, String(poor), { ok: 5, bad: 5 });
    teach(rotator, String(good), { ok: 9, bad: 1 });
    expect(picks(rotator)).toEqual(sorted(good));
    expect(picks(rotator, { minSuccessRate: 0 })).toEqual(sorted(poor, good));
    expect(() => rotator.acquire({ minSuccessRate: 1 })).toThrow(NoCandidateError);
  });

  it('R-08 a session leaves a proxy that has become too slow for it', () => {
    const { rotator, ids } = testEngine(2, { maxResponseTimeMs: 200 });
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(ids[0]);
    teach(rotator, String(ids[0]), { ok: 1, latencyMs: 900 });
    expect(picks(rotator, { sessionId: 's' })).toEqual(sorted(ids[1]));
  });
});

describe('rules that give way', () => {
  const host = 'a.test';
  const proxy = fc.record({
    proven: fc.boolean(),
    cooling: fc.boolean(),
    avoided: fc.boolean(),
    excluded: fc.boolean(),
  });

  it('R-09 are priority, then cooldown, then avoid, one rank at a time; what is excluded stays so', () => {
    fc.assert(
      fc.property(
        fc.array(proxy, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('normal', 'high'),
        (kinds, priority) => {
          const strategy = witness();
          const { rotator, ids } = testEngine(kinds.length, { strategy });
          const idsWhere = (test: (kind: (typeof kinds)[number]) => boolean): string[] =>
            ids.filter((_, at) => test(kinds[at] as (typeof kinds)[number]));
          for (const id of idsWhere(({ proven }) => proven)) teach(rotator, id, { ok: 1 });
          for (const id of idsWhere(({ cooling }) => cooling)) ban(rotator, id, host);
          const context: AcquireContext = {
            host,
            priority,
            avoid: idsWhere(({ avoided }) => avoided),
            exclude: idsWhere(({ excluded }) => excluded),
          };
          const expected = [
            idsWhere((k) => !k.excluded && !k.avoided && !k.cooling && (priority === 'normal' || k.proven)),
            idsWhere((k) => !k.excluded && !k.avoided && !k.cooling),
            idsWhere((k) => !k.excluded && !k.avoided),
            idsWhere((k) => !k.excluded),
          ].find((some) => some.length > 0);
          if (expected === undefined) {
            expect(thrownBy(() => rotator.acquire(context))).toMatchObject({
              removedBy: { excluded: ids.length },
            });
            return;
          }
          rotator.acquire(context);
          expect(strategy.seen).toEqual([...expected].sort());
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('NoCandidateError', () => {
  it('R-23 names each reason with its count, the first that holds for each proxy', () => {
    const good = { geo: { countryCode: 'DE', region: 'Hessen', city: 'Kassel' }, tags: ['t'] };
    const proxies = Array.from({ length: 11 }, (_, i) => placed(i, good));
    proxies[0] = placed(0, { ...good, geo: { ...good.geo, countryCode: 'FR' } });
    proxies[1] = placed(1, { tags: ['t'] });
    proxies[2] = placed(2, { ...good, geo: { ...good.geo, region: 'Bayern' } });
    proxies[3] = placed(3, { ...good, geo: { ...good.geo, city: 'Fulda' } });
    proxies[4] = placed(4, { ...good, tags: ['u'] });
    const { rotator, ids } = testEngine(0, { proxies, random: () => 0 });
    const [, , , , , slow, poor, excluded, drained, broken, avoided] = ids as string[];
    teach(rotator, String(slow), { ok: 9, latencyMs: 900 });
    teach(rotator, String(poor), { ok: 4, bad: 4 });
    rotator.pool.drain(String(drained));
    for (const id of [broken, avoided]) blame(rotator, String(id), 5);
    const error = thrownBy(() =>
      rotator.acquire({
        country: 'DE',
        region: 'Hessen',
        city: 'Kassel',
        tags: ['t'],
        maxResponseTimeMs: 500,
        minSuccessRate: 0.6,
        exclude: [String(excluded)],
        avoid: [String(avoided)],
      }),
    );
    expect(error).toMatchObject({
      removedBy: {
        country: 2,
        region: 1,
        city: 1,
        tags: 1,
        'max-response-time': 1,
        // Those whose breaker is open have failed all of their requests.
        'min-success-rate': 3,
        excluded: 1,
        drained: 1,
      },
      retryAfterMs: null,
    });
    expect(
      thrownBy(() => rotator.acquire({ exclude: ids.slice(0, 9), avoid: [String(avoided)] })),
    ).toMatchObject({
      removedBy: { excluded: 9, breaker: 2 },
      retryAfterMs: 10_000,
    });
  });
});
