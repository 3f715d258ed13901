import { OptionsError, StrategyUnknownError } from '../errors.js';
import { typeName } from './settings.js';
import type { Strategy, StrategySpec } from './strategy.js';

/** Turns a name, a name with settings, or an object into a strategy. */
export type ResolveStrategy = (spec: StrategySpec) => Strategy;

/**
 * What a factory does that was called on its own: names are known to a rotator, an object needs none.
 * @throws OptionsError for a name
 */
export const objectsOnly: ResolveStrategy = (spec) => {
  if (isStrategy(spec)) return spec;
  throw new OptionsError([
    {
      path: 'name',
      rule: 'strategies have names only inside of a rotator; here, give an object such as random()',
    },
  ]);
};

/**
 * The strategy that a setting of another one holds.
 * @param path the setting, for errors
 * @throws OptionsError that names the setting
 */
export function innerStrategy(path: string, spec: unknown, resolve: ResolveStrategy): Strategy {
  const named = typeof spec === 'string' || typeof (spec as { name?: unknown } | null)?.name === 'string';
  if (!named && !isStrategy(spec)) {
    const rule = `must be the name of a strategy, an object with a name, or a strategy, not ${typeName(spec)}`;
    throw new OptionsError([{ path, rule }]);
  }
  return within(path, () => resolve(spec as StrategySpec));
}

/** Puts the path of a setting before what is wrong inside of it. */
export function within<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof StrategyUnknownError) throw new OptionsError([{ path, rule: error.message }]);
    if (!(error instanceof OptionsError)) throw error;
    throw new OptionsError(error.issues.map((issue) => ({ ...issue, path: `${path}.${issue.path}` })));
  }
}

export function isStrategy(value: unknown): value is Strategy {
  return typeof (value as { choose?: unknown } | null | undefined)?.choose === 'function';
}
