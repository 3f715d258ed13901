import type { Random } from '../../src/core/clock.js';
import { Events } from '../../src/core/events.js';
import { closed } from '../../src/core/health.js';
import { type Filter, type Member, Pool } from '../../src/core/pool.js';
import type {
  Candidate,
  Candidates,
  SelectionContext,
  SelectionEngine,
  Strategy,
} from '../../src/strategies/strategy.js';
import { FakeClock } from './fake-clock.js';
import { seededRandom } from './seeded-random.js';
import { proxyLines } from './test-engine.js';

/**
 * A strategy over a real pool, with nothing of the engine but the calls that the interface promises: for what the
 * engine hides, such as the candidates that `choose` is given, or a strategy that is used without being attached.
 */
export class StrategyHarness {
  readonly pool: Pool = new Pool({ emaAlpha: 0.2, windowSeconds: 3600 }, new Events(), (member) =>
    this.changed(member),
  );
  readonly clock: FakeClock = new FakeClock();
  readonly random: Random;
  #strategy: Strategy;

  constructor(strategy: Strategy, proxies: number | readonly string[], seed = 12_345) {
    this.random = seededRandom(seed);
    this.#strategy = strategy;
    this.pool.add(...(typeof proxies === 'number' ? proxyLines(proxies) : proxies));
    this.use(strategy);
  }

  get strategy(): Strategy {
    return this.#strategy;
  }

  get members(): Member[] {
    return this.pool.list();
  }

  /** Member in the order of the proxies that were given. */
  member(index: number): Member {
    const member = this.members[index];
    if (member === undefined) throw new RangeError(`No member ${index}.`);
    return member;
  }

  /** Puts a strategy in use over the pool as it is. */
  use(strategy: Strategy): void {
    this.#strategy = strategy;
    strategy.attach?.(this.pool.candidates(), this.engine);
  }

  /** What strategies have warned of. */
  readonly warnings: string[] = [];

  get engine(): SelectionEngine {
    return {
      now: this.clock.now(),
      random: this.random,
      warn: (message) => void this.warnings.push(message),
    };
  }

  choose(filter?: Filter, context: SelectionContext = {}): Candidate | undefined {
    return this.chooseFrom(this.pool.candidates(filter), context);
  }

  chooseFrom(candidates: Candidates, context: SelectionContext = {}): Candidate | undefined {
    return this.#strategy.choose(candidates, context, this.engine);
  }

  start(candidate: Candidate): void {
    this.#own(candidate).stats.start(this.clock.now());
    this.changed(candidate);
  }

  finish(candidate: Candidate, result: 'succeeded' | 'failed' | 'neutral', latencyMs?: number): void {
    this.#own(candidate).stats.finish(result, latencyMs);
    this.changed(candidate);
  }

  /** One whole request: chosen, counted and settled. Undefined when nobody was chosen. */
  request(
    latencyOf: (candidate: Candidate) => number | null,
    filter?: Filter,
    context?: SelectionContext,
  ): Candidate | undefined {
    const chosen = this.choose(filter, context);
    if (chosen !== undefined) this.serve(chosen, latencyOf(chosen));
    return chosen;
  }

  /** One request through this proxy, past the strategy; a latency of null is a failure. */
  serve(candidate: Candidate, latencyMs: number | null): void {
    this.start(candidate);
    if (latencyMs === null) this.finish(candidate, 'failed');
    else this.finish(candidate, 'succeeded', latencyMs);
  }

  /** Opens or closes the breaker of a proxy. */
  setServing(candidate: Candidate, serving: boolean): void {
    const down = { state: 'open', until: Number.MAX_VALUE, opens: 1 } as const;
    this.pool.setBreaker(this.#own(candidate), serving ? closed : down);
  }

  add(line: string): Member {
    const [member] = this.pool.add(line);
    if (member === undefined) throw new RangeError('It is in the pool already.');
    return member;
  }

  remove(candidate: Candidate): void {
    this.pool.remove(candidate.proxy.id);
  }

  /** Tells the strategy what the engine tells it. */
  changed(candidate: Candidate): void {
    this.#strategy.changed?.(candidate, this.pool.isServing(this.#own(candidate)), this.engine);
  }

  /** What the pool hands out as candidates are its members. */
  #own(candidate: Candidate): Member {
    return candidate as Member;
  }
}
