import fc from 'fast-check';
import type { Lease } from '../../src/core/lease.js';
import type { Verdict } from '../../src/core/outcome.js';
import type { Rotator } from '../../src/core/rotator.js';
import type { AcquireContext } from '../../src/core/selection-rules.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import { performanceBased } from '../../src/strategies/performance-based.js';
import { random } from '../../src/strategies/random.js';
import { roundRobin } from '../../src/strategies/round-robin.js';
import type { Strategy } from '../../src/strategies/strategy.js';
import { weighted } from '../../src/strategies/weighted.js';
import { fewestFailures } from './plugin-strategy.js';
import { ban, placed } from './teaching.js';
import { blame, type TestEngine } from './test-engine.js';

/** Six proxies, half of them somewhere. */
export const places = Array.from({ length: 6 }, (_, at) =>
  placed(
    at,
    at % 2 === 0 ? {} : { geo: { countryCode: at === 1 ? 'DE' : 'GB', city: 'Perth' }, tags: [`t${at % 3}`] },
  ),
);

const ids = places.map(({ id }) => id);
const id = fc.constantFrom(...ids);
const hosts = ['a.test', 'b.test'];

export const contexts: fc.Arbitrary<AcquireContext> = fc.record(
  {
    sessionId: fc.constantFrom('s1', 's2'),
    host: fc.constantFrom(...hosts),
    country: fc.constantFrom('DE', 'UK'),
    city: fc.constant('perth'),
    tags: fc.constantFrom([], ['t1']),
    exclude: fc.uniqueArray(id, { maxLength: 3 }),
    avoid: fc.uniqueArray(id, { maxLength: 6 }),
    priority: fc.constantFrom('low' as const, 'normal' as const, 'high' as const),
    maxResponseTimeMs: fc.constantFrom(50, 500),
    minSuccessRate: fc.constantFrom(0.3, 0.8),
  },
  { requiredKeys: [] },
);

const verdict = fc.constantFrom<Verdict>(
  'success',
  'success',
  'proxy',
  'banned',
  'ambiguous',
  'target',
  'auth',
);

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('request' as const),
      context: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: contexts }),
      verdict,
      latencyMs: fc.integer({ min: 1, max: 900 }),
      open: fc.boolean(),
    }),
  },
  fc.record({ do: fc.constant('blame' as const), id, faults: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ do: fc.constant('ban' as const), id, host: fc.constantFrom(...hosts) }),
  fc.record({ do: fc.constant('drain' as const), id, drained: fc.boolean() }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 4000, 12_000, 70_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export const histories: fc.Arbitrary<Step[]> = fc.array(step, { maxLength: 30, size: 'max' });

/** What a strategy is called in a failing example, and how to make it. */
export const strategies: readonly (readonly [name: string, make: () => Strategy])[] = [
  ['round-robin', roundRobin],
  ['random', random],
  ['least-used', leastUsed],
  ['least-used, random tie-break', () => leastUsed({ tieBreak: 'random' })],
  ['performance-based', performanceBased],
  ['weighted', weighted],
  ['a plugin', fewestFailures],
  [
    'a plugin that fails',
    () => ({
      name: 'failing',
      choose() {
        throw new Error('always');
      },
    }),
  ],
];

/** Lives through a history; who was chosen in it, 'nobody' where it was none. Requests may stay open. */
export function live(
  { rotator, clock }: TestEngine,
  history: readonly Step[],
  before: () => void = () => {},
): string[] {
  const leases: Lease[] = [];
  return history.map((step) => {
    before();
    if (step.do === 'wait') clock.advance(step.ms);
    else if (step.do === 'blame') blame(rotator, step.id, step.faults);
    else if (step.do === 'ban') ban(rotator, step.id, step.host);
    else if (step.do === 'drain') rotator.pool.drain(step.id, step.drained);
    else {
      const lease = tryAcquire(rotator, step.context);
      if (lease === undefined) return 'nobody';
      leases.push(lease);
      if (!step.open) leases.shift()?.settle({ verdict: step.verdict, latencyMs: step.latencyMs });
      return lease.proxy.id;
    }
    return step.do;
  });
}

/** Undefined when there is nobody to give. */
export function tryAcquire(rotator: Rotator, context: AcquireContext): Lease | undefined {
  try {
    return rotator.acquire(context);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'PW_NO_CANDIDATE') return undefined;
    throw error;
  }
}

/** Everything that can be seen of an engine, as JSON. */
export function knowledge(rotator: Rotator): string {
  const members = rotator.pool
    .list()
    .map(({ id, breaker, lastSuccessAt, drained }) => [id, breaker, lastSuccessAt, drained]);
  const state: unknown = rotator.strategy.save?.();
  return JSON.stringify([rotator.stats(), members, rotator.snapshot(), state]);
}
