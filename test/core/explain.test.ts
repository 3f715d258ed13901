import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Random } from '../../src/core/clock.js';
import type { ExplainedProxy, Explanation } from '../../src/core/explain.js';
import type { RotatorOptions } from '../../src/options.js';
import type { Strategy } from '../../src/strategies/strategy.js';
import {
  contexts,
  histories,
  knowledge,
  live,
  places,
  strategies,
  tryAcquire,
} from '../support/engine-history.js';
import { seededRandom } from '../support/seeded-random.js';
import { ban, placed, teach, witness } from '../support/teaching.js';
import { blame, record, type TestEngine, testEngine } from '../support/test-engine.js';

const strategyAt = fc.constantFrom(...strategies.keys());
const nameOf = (at: number): string => strategies[at]?.[0] ?? '';
const limits = fc.record({
  maxResponseTimeMs: fc.constantFrom(null, 300),
  minSuccessRate: fc.constantFrom(null, 0.4),
});

/** A lively pool: breakers open at the second fault. */
function livingEngine(at: number, options: RotatorOptions = {}, seed = 7): TestEngine {
  const strategy = strategies[at]?.[1]() as Strategy;
  return testEngine(
    0,
    { proxies: places, strategy, fallback: 'random', breaker: { threshold: 2 }, ...options },
    seed,
  );
}

function lineOf(explanation: Explanation, id: string | undefined): ExplainedProxy | undefined {
  return explanation.proxies.find(({ proxyId }) => proxyId === id);
}

const withStatus = ({ proxies }: Explanation, ...wanted: ExplainedProxy['status'][]): string[] =>
  proxies.filter(({ status }) => wanted.includes(status)).map(({ proxyId }) => proxyId);

describe('explain', () => {
  it('gives each proxy exactly once, and for each that is left out the reason', () => {
    const geo = { countryCode: 'DE', region: 'Hessen', city: 'Kassel' };
    const proxies = Array.from({ length: 14 }, (_, at) => placed(at, { geo, tags: ['t'] }));
    proxies[0] = placed(0, { geo: { ...geo, countryCode: 'FR' }, tags: ['t'] });
    proxies[1] = placed(1, { geo: { ...geo, region: 'Bayern' }, tags: ['t'] });
    proxies[2] = placed(2, { geo: { ...geo, city: 'Fulda' }, tags: ['t'] });
    proxies[3] = placed(3, { geo });
    const { rotator, ids } = testEngine(0, { proxies });
    const at = (index: number): string => ids[index] as string;
    for (const index of [4, 5, 11, 12, 13])
      teach(rotator, at(index), { ok: 5, latencyMs: index === 4 ? 900 : 90 });
    teach(rotator, at(5), { ok: 0, bad: 3 });
    rotator.pool.drain(at(7));
    blame(rotator, at(8), 5);
    ban(rotator, at(9), 'a.test');
    teach(rotator, at(9), { ok: 1, latencyMs: 90 });
    teach(rotator, at(10), { ok: 1, latencyMs: 90 });
    const explanation = rotator.explain({
      url: 'https://a.test/',
      country: 'DE',
      region: 'Hessen',
      city: 'Kassel',
      tags: ['t'],
      maxResponseTimeMs: 500,
      minSuccessRate: 0.7,
      exclude: [at(6)],
      avoid: [at(10)],
      priority: 'high',
    });
    expect(explanation.proxies.map(({ status, reason }) => reason ?? status)).toEqual([
      'country',
      'region',
      'city',
      'tags',
      'max-response-time',
      'min-success-rate',
      'excluded',
      'drained',
      'breaker',
      'cooldown',
      'avoided',
      'chosen',
      'eligible',
      'eligible',
    ]);
    expect(explanation.proxies.map(({ proxyId }) => proxyId)).toEqual(ids);
    expect(explanation).toMatchObject({ chosen: at(11), strategy: 'round-robin', reason: 'strategy' });
    expect(rotator.explain({ priority: 'high', exclude: ids.slice(4) })).toMatchObject({ chosen: at(0) });
    expect(lineOf(rotator.explain({ priority: 'high' }), at(0))).toMatchObject({ reason: 'priority' });
  });

  it('tells who was eligible, which are those that the strategy was given', () => {
    fc.assert(
      fc.property(histories, contexts, limits, (history, { sessionId: _, ...context }, limits) => {
        const strategy = witness();
        const { rotator, clock, ids } = livingEngine(0, { strategy, ...limits });
        live({ rotator, clock, ids }, history);
        const explanation = rotator.explain(context);
        expect(explanation.proxies.map(({ proxyId }) => proxyId)).toEqual(ids);
        expect(withStatus(explanation, 'chosen')).toHaveLength(explanation.chosen === null ? 0 : 1);
        for (const { status, reason } of explanation.proxies) {
          expect(reason !== null).toBe(status === 'excluded');
        }
        expect(withStatus(explanation, 'chosen', 'eligible').sort()).toEqual(strategy.seen);
      }),
      { numRuns: 500 },
    );
  });

  it('tells what the next acquire does, and the same when asked again', () => {
    fc.assert(
      fc.property(histories, contexts, strategyAt, limits, (history, context, at, limits) => {
        const engine = livingEngine(at, limits);
        live(engine, history);
        const explanation = engine.rotator.explain(context);
        expect(engine.rotator.explain(context)).toEqual(explanation);
        const selected = record(engine.rotator, 'selected');
        const chosen = tryAcquire(engine.rotator, context)?.proxy.id ?? null;
        expect([nameOf(at), chosen]).toEqual([nameOf(at), explanation.chosen]);
        if (explanation.reason === 'strategy' && chosen !== null) {
          expect(selected[0]?.strategy).toBe(explanation.strategy);
        }
        // A session may carry the probe of its proxy.
        if (selected[0]?.reason !== 'probe') {
          expect(explanation.reason === 'session').toBe(selected[0]?.reason === 'session');
        }
      }),
      { numRuns: 600 },
    );
  });

  it('changes nothing: figures, breakers, sessions, strategy, random numbers, events', () => {
    fc.assert(
      fc.property(histories, contexts, strategyAt, (history, context, at) => {
        const [asked, silent] = [livingEngine(at), livingEngine(at)];
        const events = [asked, silent].map(({ rotator }) =>
          (['selected', 'settled', 'breaker', 'cooldown', 'session', 'fallback'] as const).map((name) =>
            record(rotator, name),
          ),
        );
        const look = (): void => {
          asked.rotator.stats();
          const before = knowledge(asked.rotator);
          asked.rotator.explain(context);
          expect(knowledge(asked.rotator)).toBe(before);
        };
        const picks = live(asked, history, look);
        expect([nameOf(at), picks]).toEqual([
          nameOf(at),
          live(silent, history, () => silent.rotator.stats()),
        ]);
        expect(JSON.stringify(events[0])).toBe(JSON.stringify(events[1]));
      }),
      { numRuns: 300 },
    );
  });

  it('gives its inputs: the same history with the same inputs gives the same choice', () => {
    fc.assert(
      fc.property(histories, contexts, strategyAt, fc.nat(), (history, context, at, seed) => {
        const first = livingEngine(at, {}, seed);
        live(first, history);
        const { inputs, chosen } = first.rotator.explain(context);
        const { given, random } = JSON.parse(
          JSON.stringify({ given: inputs.context, random: inputs.random }),
        ) as { given: object; random: number[] };
        let source: Random = seededRandom(seed);
        const again = livingEngine(at, { random: () => source() });
        live(again, history);
        // The numbers come from the explanation, whatever the engine would have drawn.
        source = () => random.shift() ?? expect.unreachable('draws more than was explained');
        expect(again.clock.now()).toBe(inputs.now);
        expect([nameOf(at), tryAcquire(again.rotator, given)?.proxy.id ?? null]).toEqual([
          nameOf(at),
          chosen,
        ]);
      }),
      { numRuns: 400 },
    );
  });

  it.each([0, 2, 6].map((at) => [nameOf(at), at] as const))(
    'gives its inputs: a fresh engine with what was learned makes the same choice, by %s',
    (_, at) => {
      fc.assert(
        fc.property(histories, contexts, (history, context) => {
          const first = livingEngine(at);
          live(first, history.filter((step) => step.do !== 'drain').map(closedAtOnce));
          const { rotator } = first;
          const { inputs, chosen } = rotator.explain(context);
          const fresh = livingEngine(at, { random: () => 0 });
          fresh.clock.advance(inputs.now - fresh.clock.now());
          fresh.rotator.restore(JSON.parse(JSON.stringify(rotator.snapshot())));
          if (fresh.rotator.strategy.save !== undefined) fresh.rotator.strategy.load?.(inputs.state);
          expect(tryAcquire(fresh.rotator, inputs.context)?.proxy.id ?? null).toBe(chosen);
        }),
        { numRuns: 200 },
      );
    },
  );
});

/** Requests in flight end with their engine, so a fresh one knows nothing of them. */
function closedAtOnce<T extends { do: string }>(step: T): T {
  return step.do === 'request' ? { ...step, open: false } : step;
}
