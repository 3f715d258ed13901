import { forwardTo } from './forward.js';
import { innerStrategy, objectsOnly, type ResolveStrategy } from './inner-strategy.js';
import { roundRobin } from './round-robin.js';
import { checkSettings } from './settings.js';
import type { Strategy, StrategySpec } from './strategy.js';

export interface SessionPersistenceSettings {
  /** Who chooses for a session that is not bound yet, or must move. @default 'round-robin' */
  readonly inner?: StrategySpec;
}

/**
 * The inner strategy under the name `session`. Sessions are the engine's: with any strategy, requests with a
 * `sessionId` stay with their proxy while it serves, so this one is asked only for a first proxy, for another one, and
 * for requests without a session.
 * @param resolve makes strategies of names; a rotator gives its own
 * @throws OptionsError when a setting is unknown or breaks its rule
 */
export function sessionPersistence(
  settings: SessionPersistenceSettings = {},
  resolve: ResolveStrategy = objectsOnly,
): Strategy {
  checkSettings(settings, { inner: () => null });
  const inner = settings.inner === undefined ? roundRobin() : innerStrategy('inner', settings.inner, resolve);
  return {
    name: 'session',
    choosesPlace: inner.choosesPlace === true,
    choose: (candidates, context, engine) => inner.choose(candidates, context, engine),
    ...forwardTo([inner]),
    ...(inner.score && { score: (...about) => inner.score?.(...about) ?? null }),
  };
}
