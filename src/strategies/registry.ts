import { StrategyUnknownError } from '../errors.js';
import type { Strategy, StrategySpec } from './strategy.js';

/** Makes a strategy from the settings that were written beside its name. */
export type StrategyFactory = (settings: Readonly<Record<string, unknown>>) => Strategy;

/** Strategy names and how to make each. */
export class StrategyRegistry {
  readonly #factories = new Map<string, StrategyFactory>();

  register(name: string, factory: StrategyFactory): void {
    this.#factories.set(name, factory);
  }

  /** @throws StrategyUnknownError */
  resolve(spec: StrategySpec): Strategy {
    if (typeof spec === 'object' && typeof spec.choose === 'function') return spec as Strategy;
    const { name, ...settings } = typeof spec === 'string' ? { name: spec } : spec;
    const factory = this.#factories.get(name);
    if (factory === undefined) throw new StrategyUnknownError(name, [...this.#factories.keys()]);
    return factory(settings);
  }
}
