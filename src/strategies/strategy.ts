import type { Random } from '../core/clock.js';
import type { Outcome } from '../core/outcome.js';
import type { Proxy } from '../core/proxy.js';
import type { ProxyFigures } from '../core/stats.js';

/** A proxy that may be chosen, and what is known of it. */
export interface Candidate {
  readonly proxy: Proxy;
  readonly stats: ProxyFigures;
  /** Small integer, stable and unique while the proxy is in the pool: its place in the pool's circular order. */
  readonly slot: number;
  /** Set by an operator; undefined = none. */
  readonly weight?: number | undefined;
}

/**
 * The proxies that may be chosen for one request: healthy, not excluded, not cooling down. A view of the pool, not
 * a copy: walking it is the expensive way, `sample`, `after` and `has` are the cheap ones.
 */
export interface Candidates extends Iterable<Candidate> {
  /** True when nobody who may serve is left out. */
  readonly whole: boolean;
  /** No candidate at all? */
  readonly empty: boolean;
  /** One at random, each with the same chance; undefined when empty. */
  sample(random: Random): Candidate | undefined;
  /** The next one after `slot` in circular order (-1 starts at the beginning); undefined when empty. */
  after(slot: number): Candidate | undefined;
  /** Whether this one is among them. */
  has(candidate: Candidate): boolean;
  /** Those of them that pass the test. */
  where(test: (candidate: Candidate) => boolean): Candidates;
  /** Those of them in a country (ISO 3166-1 alpha-2, upper case); from an index, whatever the size of the pool. */
  inCountry(countryCode: string): Candidates;
}

/** What is known of the request that a proxy is chosen for. */
export interface SelectionContext {
  readonly url?: string;
  /** `host:port` of the target; taken from `url` when absent. */
  readonly host?: string;
  readonly sessionId?: string;
  /** ISO 3166-1 alpha-2 code of the exit that is wanted. */
  readonly country?: string;
  readonly region?: string;
  readonly city?: string;
  /** All of them must be among the proxy's tags. */
  readonly tags?: readonly string[];
  /** Proxies whose mean latency is known to be above are left out, in ms. */
  readonly maxResponseTimeMs?: number;
  /** Proxies whose share of successes is known to be below are left out, 0..1. */
  readonly minSuccessRate?: number;
  /** `high` is never used to try out a proxy while a proven one is left; `low` takes probes first. Default `normal`. */
  readonly priority?: 'low' | 'normal' | 'high';
  /** Anything that a strategy of your own wants to know. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Time and chance of the engine that asks; a strategy has none of its own, so that a seed replays it. */
export interface SelectionEngine {
  /** Monotonic ms. */
  readonly now: number;
  readonly random: Random;
  /** Tells the user, as an event, what is odd about their settings or data. Absent where a choice is only looked at. */
  readonly warn?: (message: string) => void;
}

/**
 * A strategy chooses one candidate and owns no statistics. `choose` must be synchronous, return one of the
 * candidates that it was given, or undefined when there is none or when it wants none of them (a drained proxy); a
 * NoCandidateError says the same with reasons. It may throw StrategyMetadataError when no candidate has the data it
 * needs; then the fallback serves.
 *
 * One that is fast on a large pool keeps an index by slot: `attach` fills it, `changed` keeps it true. An index holds
 * all that may serve, so what it finds still has to be checked against the candidates of the request (`has`).
 */
export interface Strategy {
  readonly name: string;
  /** True when it looks after country, region and city of the context itself, also when nobody is there. */
  readonly choosesPlace?: boolean;
  choose(candidates: Candidates, context: SelectionContext, engine: SelectionEngine): Candidate | undefined;
  /** The strategy comes into use over these: build indexes anew. */
  attach?(serving: Iterable<Candidate>, engine: SelectionEngine): void;
  /** Figures of a candidate changed, or whether it may serve at all. Called after each start, result and state change. */
  changed?(candidate: Candidate, serving: boolean, engine: SelectionEngine): void;
  /** A request that this strategy chose for has ended, also when another strategy is in use by now. */
  settled?(candidate: Candidate, outcome: Outcome, engine: SelectionEngine): void;
  /** Only for a filter in a composite: narrows the candidates. */
  narrow?(candidates: Candidates, context: SelectionContext): Candidates;
  /** How good a candidate looks, for `explain()`; higher is better, the unit is the strategy's own. */
  score?(candidate: Candidate, context: SelectionContext, engine: SelectionEngine): number | null;
  /** What `choose` changes, as JSON, so that a choice can be looked at without being made. */
  save?(): unknown;
  load?(state: unknown): void;
}

/** A strategy by name, by name and settings, or as an object. */
export type StrategySpec =
  | string
  | ({ readonly name: string } & Readonly<Record<string, unknown>>)
  | Strategy;

/**
 * Makes a strategy from the settings that were written beside its name; `resolve` makes the strategies that these
 * settings name in turn.
 */
export type StrategyFactory = (
  settings: Readonly<Record<string, unknown>>,
  resolve: (spec: StrategySpec) => Strategy,
) => Strategy;
