import { NoCandidateError, StrategyMetadataError } from '../errors.js';
import type {
  Candidate,
  Candidates,
  SelectionContext,
  SelectionEngine,
  Strategy,
} from '../strategies/strategy.js';
import type { Events } from './events.js';
import type { Outcome } from './outcome.js';

/** What was chosen, and which strategy it was. */
export interface Choice {
  readonly candidate: Candidate;
  readonly strategy: Strategy;
}

/**
 * Holds the strategy in use and keeps the engine safe from it: one that throws, or names a proxy that it was not
 * given, costs nothing but an event; the fallback serves.
 */
export class StrategySeat {
  readonly #events: Events;
  readonly #fallback: Strategy | null;
  #current: Strategy;
  /** Where the circle stands that is walked when no strategy can choose. */
  #place = -1;
  #listens: boolean;

  constructor(strategy: Strategy, fallback: Strategy | null, events: Events) {
    this.#current = strategy;
    this.#fallback = fallback;
    this.#events = events;
    this.#listens = this.#anyListens();
  }

  /** Whether anybody keeps an index: lets the hot path skip what nobody hears. */
  get listens(): boolean {
    return this.#listens;
  }

  get current(): Strategy {
    return this.#current;
  }

  /** Lets the strategies build their indexes over those that may serve. */
  attach(serving: Iterable<Candidate>, engine: SelectionEngine): void {
    const all = [...serving];
    this.#current.attach?.(all, engine);
    this.#fallback?.attach?.(all, engine);
  }

  /** Lets them build their indexes anew; one that fails at it is an event, and its choices are checked as ever. */
  reattach(serving: Iterable<Candidate>, engine: SelectionEngine): void {
    const all = [...serving];
    for (const strategy of this.#fallback === null ? [this.#current] : [this.#current, this.#fallback]) {
      try {
        strategy.attach?.(all, engine);
      } catch (error) {
        this.#report(strategy, error);
      }
    }
  }

  /** The next choice is made by `strategy`; requests in flight report to the one that chose for them. */
  swap(strategy: Strategy, serving: Iterable<Candidate>, engine: SelectionEngine): void {
    // Attached before it is seated: one that cannot take over leaves the old one where it is.
    strategy.attach?.(serving, engine);
    const from = this.#current.name;
    this.#current = strategy;
    this.#listens = this.#anyListens();
    this.#events.emit('strategy', { from, to: strategy.name });
  }

  /**
   * @param quiet when the choice is only looked at: no event
   * @returns undefined when there is no candidate, or none that the strategy wants
   * @throws StrategyMetadataError when data is missing and there is no fallback; NoCandidateError
   */
  choose(
    candidates: Candidates,
    context: SelectionContext,
    engine: SelectionEngine,
    quiet = false,
  ): Choice | undefined {
    const strategy = this.#current;
    const chosen = tryChoose(strategy, candidates, context, engine);
    if (chosen === undefined) return undefined;
    if (!(chosen instanceof Problem)) return { candidate: chosen, strategy };
    const { error } = chosen;
    // The fallback knows nothing of places: it would serve from anywhere.
    if (error instanceof StrategyMetadataError && (this.#fallback === null || strategy.choosesPlace))
      throw error;
    if (!quiet) this.#report(strategy, error);
    return this.#standIn(candidates, context, engine, quiet);
  }

  /** Tells the indexes of the strategy in use and of the fallback. */
  changed(candidate: Candidate, serving: boolean, engine: SelectionEngine): void {
    this.#tell(this.#current, candidate, serving, engine);
    if (this.#fallback !== null) this.#tell(this.#fallback, candidate, serving, engine);
  }

  /** Tells the strategy that chose, also when another is in use by now. */
  settled(strategy: Strategy, candidate: Candidate, outcome: Outcome, engine: SelectionEngine): void {
    if (strategy.settled === undefined) return;
    try {
      strategy.settled(candidate, outcome, engine);
    } catch (error) {
      this.#report(strategy, error);
    }
  }

  /** Runs `trial` and puts the strategies' own state back afterwards. */
  rehearse<T>(trial: () => T): { readonly result: T; readonly state: unknown } {
    const [strategy, fallback, place] = [this.#current, this.#fallback, this.#place];
    const state = strategy.save?.();
    const fallbackState = fallback?.save?.();
    try {
      return { result: trial(), state };
    } finally {
      if (strategy.save !== undefined) strategy.load?.(state);
      if (fallback?.save !== undefined) fallback.load?.(fallbackState);
      this.#place = place;
    }
  }

  /** The candidates that the filters of the strategy in use leave; all of them where it has none or they fail. */
  narrow(candidates: Candidates, context: SelectionContext): Candidates {
    try {
      return this.#current.narrow?.(candidates, context) ?? candidates;
    } catch (error) {
      this.#report(this.#current, error);
      return candidates;
    }
  }

  #anyListens(): boolean {
    return this.#current.changed !== undefined || this.#fallback?.changed !== undefined;
  }

  #tell(strategy: Strategy, candidate: Candidate, serving: boolean, engine: SelectionEngine): void {
    if (strategy.changed === undefined) return;
    try {
      strategy.changed(candidate, serving, engine);
    } catch (error) {
      this.#report(strategy, error);
    }
  }

  /** The fallback's choice; without one, or when it fails as well, the next in circular order. */
  #standIn(
    candidates: Candidates,
    context: SelectionContext,
    engine: SelectionEngine,
    quiet: boolean,
  ): Choice | undefined {
    const fallback = this.#fallback;
    // Whoever stands in keeps to the filters of the one that could not choose.
    const left = this.narrow(candidates, context);
    if (fallback !== null) {
      const chosen = tryChoose(fallback, left, context, engine);
      if (chosen === undefined) return undefined;
      if (!(chosen instanceof Problem)) return { candidate: chosen, strategy: fallback };
      if (!quiet) this.#report(fallback, chosen.error);
    }
    const next = left.after(this.#place);
    if (next === undefined) return undefined;
    this.#place = next.slot;
    return { candidate: next, strategy: this.#current };
  }

  #report(strategy: Strategy, error: unknown): void {
    const fallback = strategy === this.#fallback ? null : (this.#fallback?.name ?? null);
    this.#events.emit('fallback', { strategy: strategy.name, fallback, error });
  }
}

/** Why a strategy's choice cannot be used. */
class Problem {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** Undefined when there is nobody, or nobody whom the strategy wants. */
function tryChoose(
  strategy: Strategy,
  candidates: Candidates,
  context: SelectionContext,
  engine: SelectionEngine,
): Candidate | Problem | undefined {
  try {
    const chosen: Candidate | undefined = strategy.choose(candidates, context, engine);
    if (chosen === undefined || candidates.has(chosen)) return chosen;
    // One that is asynchronous may fail later, and an unhandled rejection ends the process.
    if (chosen instanceof Promise) chosen.catch(() => {});
    return new Problem(new Error('chose what is no candidate'));
  } catch (error) {
    // A refusal with reasons is an answer, not a problem.
    if (error instanceof NoCandidateError) throw error;
    return new Problem(error);
  }
}
