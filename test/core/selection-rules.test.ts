import { describe, expect, it } from 'vitest';
import type { Rotator } from '../../src/core/rotator.js';
import type { AcquireContext } from '../../src/core/selection-rules.js';
import { NoCandidateError } from '../../src/errors.js';
import type { SelectionContext } from '../../src/strategies/strategy.js';
import { ban, placed, teach } from '../support/teaching.js';
import { blame, record, testEngine } from '../support/test-engine.js';

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

describe('the fields of a selection context', () => {
  const places = [
    placed(0, { geo: { countryCode: 'GB', region: 'England', city: 'London' }, tags: ['fast', 'home'] }),
    placed(1, { geo: { countryCode: 'GB', region: 'Scotland', city: 'Perth' }, tags: ['fast'] }),
    placed(2, { geo: { countryCode: 'DE', region: 'Hessen', city: 'Frankfurt' }, tags: ['home'] }),
    placed(3, {}),
  ];

  it.each([
    ['country', { country: 'GB' }, [0, 1]],
    ['country, as vendors write it', { country: 'UK' }, [0, 1]],
    ['country, in lower case', { country: 'de' }, [2]],
    ['region', { region: 'scotland' }, [1]],
    ['city', { city: 'LONDON' }, [0]],
    ['country and city', { country: 'DE', city: 'Frankfurt' }, [2]],
    ['one tag', { tags: ['home'] }, [0, 2]],
    ['all of two tags', { tags: ['home', 'fast'] }, [0]],
    ['no tags', { tags: [] }, [0, 1, 2, 3]],
    ['nothing', {}, [0, 1, 2, 3]],
  ])('R-09 %s decides who may be chosen', (_, context, expected) => {
    const { rotator, ids } = testEngine(0, { proxies: places });
    expect(picks(rotator, context)).toEqual(sorted(...expected.map((at) => ids[at])));
  });

  it.each([
    { country: 'FR' },
    { country: 'Atlantis' },
    { country: 'DE', city: 'London' },
    { tags: ['none'] },
    { region: '' },
  ])('R-09 %o is never relaxed', (context) => {
    const { rotator } = testEngine(0, { proxies: places });
    expect(() => rotator.acquire(context)).toThrow(NoCandidateError);
  });

  it('R-09 exclude holds for an array, a set and a generator', () => {
    const { rotator, ids } = testEngine(3);
    const [a, b, c] = ids;
    function* both(): Generator<string> {
      yield* [a as string, b as string];
    }
    expect(picks(rotator, { exclude: [a as string] })).toEqual(sorted(b, c));
    expect(picks(rotator, { exclude: new Set([a as string, b as string]) })).toEqual(sorted(c));
    expect(rotator.acquire({ exclude: both() }).proxy.id).toBe(c);
    expect(rotator.explain({ exclude: both() }).chosen).toBe(c);
    expect(rotator.explain({ exclude: both(), sessionId: 's' }).chosen).toBe(c);
  });

  it('R-09 avoid gives way when nobody else is left', () => {
    const { rotator, ids } = testEngine(3);
    const [a, b, c] = ids;
    expect(picks(rotator, { avoid: [a as string, b as string] })).toEqual(sorted(c));
    expect(picks(rotator, { avoid: ids })).toEqual(sorted(...ids));
    expect(picks(rotator, { avoid: [c as string], exclude: [a as string, b as string] })).toEqual(sorted(c));
  });

  it('R-09 maxResponseTimeMs leaves out who is known to be slower, to the ms', () => {
    const { rotator, ids } = testEngine(3);
    const [slow, quick, fresh] = ids;
    teach(rotator, String(slow), { ok: 1, latencyMs: 900 });
    teach(rotator, String(quick), { ok: 1, latencyMs: 300 });
    expect(picks(rotator, { maxResponseTimeMs: 300 })).toEqual(sorted(quick, fresh));
    expect(picks(rotator, { maxResponseTimeMs: 299 })).toEqual(sorted(fresh));
    expect(picks(rotator, { maxResponseTimeMs: 900 })).toEqual(sorted(slow, quick, fresh));
  });

  it('R-09 minSuccessRate leaves out who is known to fail more often, but nobody after four results', () => {
    const { rotator, ids } = testEngine(3);
    const [half, good, young] = ids;
    teach(rotator, String(half), { ok: 5, bad: 5 });
    teach(rotator, String(good), { ok: 9, bad: 1 });
    teach(rotator, String(young), { ok: 0, bad: 4 });
    expect(picks(rotator, { minSuccessRate: 0.9 })).toEqual(sorted(good, young));
    expect(picks(rotator, { minSuccessRate: 0.91 })).toEqual(sorted(young));
    expect(picks(rotator, { minSuccessRate: 0.5 })).toEqual(sorted(half, good, young));
    blame(rotator, String(young), 1);
    rotator.pool.drain(String(half));
    expect(() => rotator.acquire({ minSuccessRate: 0.91 })).toThrow(NoCandidateError);
  });

  it('R-09 url and host keep away from a proxy that this host has banned', () => {
    const { rotator, ids } = testEngine(2);
    const [banned, other] = ids;
    ban(rotator, String(banned), 'a.test');
    expect(picks(rotator, { url: 'https://a.test/x?y' })).toEqual(sorted(other));
    expect(picks(rotator, { host: 'a.test' })).toEqual(sorted(other));
    expect(picks(rotator, { url: 'https://b.test/' })).toEqual(sorted(banned, other));
    expect(picks(rotator, { url: 'https://a.test/', host: 'b.test' })).toEqual(sorted(banned, other));
    expect(picks(rotator)).toEqual(sorted(banned, other));
  });

  it('R-09 sessionId keeps the proxy of the session', () => {
    const { rotator } = testEngine(5);
    expect(picks(rotator, { sessionId: 's' })).toHaveLength(1);
    expect(picks(rotator)).toHaveLength(5);
  });

  it('R-09 priority: high tries nobody out, low takes the probe, normal does neither', () => {
    const { rotator, ids, clock } = testEngine(4, { breaker: { threshold: 1 } });
    const [proven, probing, fresh, other] = ids;
    for (const id of [proven, other, probing]) teach(rotator, String(id), { ok: 1 });
    blame(rotator, String(probing), 1);
    clock.advance(15_000);
    expect(picks(rotator, { priority: 'high' })).toEqual(sorted(proven, other));
    expect(picks(rotator, { priority: 'low' })).toEqual(sorted(probing));
    expect(picks(rotator, { priority: 'normal' })).toEqual(sorted(...ids));
    expect(picks(rotator)).toEqual(sorted(...ids));
    const selected = record(rotator, 'selected');
    const probe = rotator.acquire({ priority: 'low' });
    // One probe at a time: the next request of low priority is an ordinary one.
    expect(rotator.acquire({ priority: 'low' }).proxy.id).not.toBe(probing);
    expect(selected.map(({ reason }) => reason)).toEqual(['probe', 'strategy']);
    probe.succeed();
    expect(rotator.pool.get(String(probing))?.health).toBe('closed');
    expect(picks(rotator, { priority: 'high', exclude: [proven, probing, other].map(String) })).toEqual(
      sorted(fresh),
    );
  });

  it('R-09 priority: low keeps to the other fields when it takes a probe', () => {
    const { rotator, ids, clock } = testEngine(3, { breaker: { threshold: 1 } });
    const [probing, second, third] = ids;
    blame(rotator, String(probing), 1);
    clock.advance(15_000);
    expect(picks(rotator, { priority: 'low', avoid: [String(probing)] })).toEqual(sorted(second, third));
    expect(picks(rotator, { priority: 'low', tags: [] })).toEqual(sorted(probing));
  });

  it('R-09 priority does not move a session that has a proxy', () => {
    const { rotator, ids } = testEngine(2);
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(ids[0]);
    teach(rotator, String(ids[1]), { ok: 1 });
    expect(picks(rotator, { sessionId: 's', priority: 'high' })).toEqual(sorted(ids[0]));
  });

  it('R-09 everything reaches the strategy, metadata included', () => {
    const given: AcquireContext = {
      url: 'https://a.test/',
      country: 'DE',
      region: 'Hessen',
      city: 'Frankfurt',
      tags: ['home'],
      maxResponseTimeMs: 5,
      minSuccessRate: 0.5,
      priority: 'normal',
      sessionId: 's',
      metadata: { depth: 3 },
    };
    const seen: SelectionContext[] = [];
    const { rotator } = testEngine(0, {
      proxies: places,
      strategy: {
        name: 'listening',
        choose(candidates, context) {
          seen.push(context);
          return candidates.after(-1);
        },
      },
    });
    rotator.acquire(given);
    expect(seen).toEqual([expect.objectContaining(given)]);
  });

  it('R-09 metadata decides where the strategy reads it', () => {
    const { rotator, ids } = testEngine(3, {
      strategy: {
        name: 'told',
        choose: (candidates, { metadata }) => [...candidates].find(({ slot }) => slot === metadata?.['slot']),
      },
    });
    for (const slot of [2, 0, 1]) expect(rotator.acquire({ metadata: { slot } }).proxy.id).toBe(ids[slot]);
  });
});
