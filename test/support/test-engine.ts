import type { Random } from '../../src/core/clock.js';
import type { RotatorEvents } from '../../src/core/events.js';
import type { Rotator } from '../../src/core/rotator.js';
import { createRotator } from '../../src/create-rotator.js';
import type { RotatorOptions } from '../../src/options.js';
import { FakeClock } from './fake-clock.js';
import { seededRandom } from './seeded-random.js';

/** `http://192.0.2.x:port`: as many different proxies as a test asks for, none of which exists (RFC 5737). */
export function proxyLine(index: number): string {
  return `http://192.0.2.${(index % 250) + 1}:${8000 + Math.floor(index / 250)}`;
}

export function proxyLines(count: number): string[] {
  return Array.from({ length: count }, (_, index) => proxyLine(index));
}

export interface TestEngine {
  readonly rotator: Rotator;
  readonly clock: FakeClock;
  /** Ids of the proxies, in the order in which they were given. */
  readonly ids: readonly string[];
}

/** The real engine on a fake clock and a seeded random generator. */
export function testEngine(count: number, options: RotatorOptions = {}, seed = 12_345): TestEngine {
  const clock = new FakeClock();
  const rotator = createRotator({
    proxies: proxyLines(count),
    clock,
    random: seededRandom(seed),
    // The defaults reserve megabytes for each engine, and a property test makes thousands of engines.
    maxSessions: 5000,
    ...options,
    ban: { maxPairs: 500, ...options.ban },
    // Most tests ask whether a proxy is back, not how gently; and teach figures at which its breaker would open.
    breaker: { probeSuccesses: 1, warmingMs: 0, rateShare: 0, ...options.breaker },
    // Tests of other things make all of a small pool fail, which is what panic is about.
    panic: { share: 0, ...options.panic },
  });
  return { rotator, clock, ids: rotator.pool.list().map((member) => member.id) };
}

/** The same random number for ever: 0 takes all jitter away. */
export const constantly =
  (value: number): Random =>
  () =>
    value;

/** Collects the payloads of one event. */
export function record<N extends keyof RotatorEvents>(rotator: Rotator, name: N): RotatorEvents[N][] {
  const seen: RotatorEvents[N][] = [];
  rotator.on(name, (payload) => seen.push(payload));
  return seen;
}

/** Charges `faults` proxy faults to one proxy of the pool, past strategy and health. */
export function blame(rotator: Rotator, proxyId: string, faults: number): void {
  for (let fault = 0; fault < faults; fault++) rotator.acquireCarrier(proxyId)?.fail({ verdict: 'proxy' });
}
