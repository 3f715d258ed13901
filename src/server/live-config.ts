import type { Rotator } from '../core/rotator.js';
import type { ApiConfig, ConfigChange, ResolvedApiOptions } from './api-options.js';

type Limits = Omit<ApiConfig, 'strategy'>;

/** The settings that may change while the server runs. What decides who may do what is not among them. */
export class LiveConfig {
  readonly #rotator: Rotator;
  #limits: Limits;
  #changed: ConfigChange = {};

  constructor(rotator: Rotator, { timeout, maxRetries, rateLimits }: ResolvedApiOptions) {
    const { perMinute, requestsPerMinute } = rateLimits;
    this.#rotator = rotator;
    this.#limits = { timeout, maxRetries, rateLimits: { perMinute, requestsPerMinute } };
  }

  /** Seconds. */
  get timeout(): number {
    return this.#limits.timeout;
  }

  get maxRetries(): number {
    return this.#limits.maxRetries;
  }

  get rateLimits(): ApiConfig['rateLimits'] {
    return this.#limits.rateLimits;
  }

  /** What clients have changed since the start. */
  get changed(): ConfigChange {
    return this.#changed;
  }

  /** Where the settings come from: the options, or a client who changed them. */
  get source(): 'options' | 'api' {
    return Object.keys(this.#changed).length === 0 ? 'options' : 'api';
  }

  /**
   * All or nothing; in force for the next request.
   * @returns what takes it back
   * @throws StrategyUnknownError, OptionsError, StrategyContractError; then nothing changed
   */
  change(change: ConfigChange): () => void {
    const [limits, changed, { strategy }] = [this.#limits, this.#changed, this.#rotator];
    const { strategy: wanted = strategy.name, ...some } = change;
    const swaps = wanted !== strategy.name;
    // The only step that can fail comes first.
    if (swaps) this.#rotator.setStrategy(wanted);
    this.#limits = merged(limits, some);
    // The strategy that is there already may have settings, which its name alone would lose.
    this.#changed = merged(changed, swaps ? change : some);
    return () => {
      // Not by its name: it may have settings, or be a caller's own.
      if (this.#rotator.strategy !== strategy) this.#rotator.setStrategy(strategy);
      this.#limits = limits;
      this.#changed = changed;
    };
  }

  view(): ApiConfig {
    return { strategy: this.#rotator.strategy.name, ...this.#limits };
  }
}

/** With what a change says; what it leaves out stays. */
export function merged<C extends ConfigChange>(before: C, change: ConfigChange): C {
  const rateLimits = { ...before.rateLimits, ...given(change.rateLimits ?? {}) };
  return {
    ...before,
    ...given(change),
    ...(Object.keys(rateLimits).length > 0 && { rateLimits }),
  };
}

function given(change: object): object {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
