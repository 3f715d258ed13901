import { StrategyContractError, StrategyUnknownError } from '../errors.js';
import type { Strategy, StrategyFactory, StrategySpec } from './strategy.js';

/** Strategy names and how to make each. */
export class StrategyRegistry {
  readonly #factories = new Map<string, StrategyFactory>();

  /** Registering a name again replaces what it stood for. */
  register(name: string, factory: StrategyFactory): void {
    this.#factories.set(name, factory);
  }

  /** @throws StrategyUnknownError, StrategyContractError, and what the factory throws for its settings */
  readonly resolve = (spec: StrategySpec): Strategy => {
    if (typeof spec === 'object' && typeof spec?.choose === 'function') return strategyShaped(spec);
    const { name, ...settings } = typeof spec === 'string' ? { name: spec } : Object(spec);
    const factory = this.#factories.get(name);
    if (factory === undefined) throw new StrategyUnknownError(String(name), [...this.#factories.keys()]);
    return strategyShaped(factory(settings, this.resolve), name);
  };
}

/** @throws StrategyContractError unless it is an object with a name and `choose` */
function strategyShaped(made: unknown, name = 'without a name'): Strategy {
  const strategy = made as Partial<Strategy> | null;
  if (typeof strategy?.choose !== 'function') throw new StrategyContractError(name, 'has no choose()');
  if (typeof strategy.name !== 'string' || strategy.name === '')
    throw new StrategyContractError(name, 'has no name');
  return strategy as Strategy;
}
