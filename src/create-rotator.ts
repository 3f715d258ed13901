import type { BudgetSettings } from './core/budgets.js';
import { parseProxy } from './core/parse.js';
import type { Proxy } from './core/proxy.js';
import { Rotator } from './core/rotator.js';
import { assertStrategyContract } from './core/strategy-contract.js';
import { type OptionIssue, OptionsError, ProxyParseError, StrategyContractError } from './errors.js';
import { type BudgetOptions, type RotatorOptions, resolveRotatorOptions, unknownOption } from './options.js';
import { type CompositeSettings, composite } from './strategies/composite.js';
import { geoTargeted } from './strategies/geo-targeted.js';
import { leastUsed } from './strategies/least-used.js';
import { performanceBased } from './strategies/performance-based.js';
import { random } from './strategies/random.js';
import { StrategyRegistry } from './strategies/registry.js';
import { roundRobin } from './strategies/round-robin.js';
import { sessionPersistence } from './strategies/session.js';
import type { Strategy, StrategyFactory } from './strategies/strategy.js';
import { weighted } from './strategies/weighted.js';

export { parseProxy } from './core/parse.js';
export type { Rotator } from './core/rotator.js';
export type { AcquireContext } from './core/selection-rules.js';
export type { RotatorOptions } from './options.js';

/** Read once: the global is a getter, and every request asks for the time. */
const timer = performance;

/** Strategy names that are known from the start. */
const BUILT_IN: ReadonlyMap<string, StrategyFactory> = new Map<string, StrategyFactory>([
  ['round-robin', withoutSettings(roundRobin)],
  ['random', withoutSettings(random)],
  ['weighted', (settings) => weighted(settings)],
  ['least-used', (settings) => leastUsed(settings)],
  ['performance-based', (settings) => performanceBased(settings)],
  ['session', (settings, resolve) => sessionPersistence(settings, resolve)],
  ['geo-targeted', (settings, resolve) => geoTargeted(settings, resolve)],
  // Checked by composite() itself, as what is written beside any name.
  ['composite', (settings, resolve) => composite(settings as unknown as CompositeSettings, resolve)],
]);

/** Stretches open times and cooldowns by up to this share of themselves, so that proxies do not return at once. */
const JITTER = 0.5;

/**
 * The engine with the built-in strategies registered: no Crawlee, no cache, no network.
 * @throws OptionsError when an option is unknown or breaks its rule, or a proxy line cannot be read
 */
export function createRotator(given: RotatorOptions = {}): Rotator {
  const options = resolveRotatorOptions(given);
  const proxies = readProxies(options.proxies);
  const registry = new StrategyRegistry();
  for (const [name, factory] of BUILT_IN) registry.register(name, factory);
  const rotator = new Rotator({
    clock: options.clock ?? { now: () => timer.now() },
    random: options.random ?? Math.random,
    strategy: registry.resolve(options.strategy),
    fallback: options.fallback === null ? null : registry.resolve(options.fallback),
    resolveStrategy: registry.resolve,
    registerStrategy(name, factory) {
      if (BUILT_IN.has(name)) throw new StrategyContractError(name, 'is built in: choose another name');
      assertStrategyContract(name, () => factory({}, registry.resolve));
      registry.register(name, factory);
    },
    limits: { maxResponseTimeMs: options.maxResponseTimeMs, minSuccessRate: options.minSuccessRate },
    stats: { emaAlpha: options.emaAlpha, windowSeconds: options.windowSeconds },
    breaker: { ...options.breaker, jitter: JITTER },
    hosts: { ...options.ban, jitter: JITTER },
    panic: options.panic,
    budgets: options.budgets.map(budgetSettings),
    sessions: {
      idleTimeoutSeconds: options.sessionTimeoutSeconds,
      maxAgeSeconds: options.sessionMaxAgeSeconds,
      maxSessions: options.maxSessions,
    },
  });
  rotator.pool.replace(proxies);
  return rotator;
}

function budgetSettings({ bytes, cost, tag, source, windowSeconds }: BudgetOptions): BudgetSettings {
  const unit = bytes === undefined ? 'cost' : 'bytes';
  const limit = bytes ?? cost ?? 0;
  return { unit, limit, tag: tag ?? null, source: source ?? null, windowSeconds: windowSeconds ?? null };
}

/** Reads all entries, so that one error names every line that is wrong. Blank and comment lines are neither. */
function readProxies(entries: readonly (string | Proxy)[]): Proxy[] {
  const issues: OptionIssue[] = [];
  const proxies = entries.flatMap((entry, index) => {
    if (typeof entry !== 'string') {
      if (isProxy(entry)) return entry;
      issues.push({
        path: `proxies[${index}]`,
        rule: `must be a proxy line or a parsed proxy, not ${typeof entry}`,
      });
      return [];
    }
    if (/^\s*(?:$|#|;|\/\/)/.test(entry)) return [];
    try {
      return parseProxy(entry);
    } catch (error) {
      if (!(error instanceof ProxyParseError)) throw error;
      issues.push({ path: `proxies[${index}]`, rule: `line ${index + 1}: ${error.message}` });
      return [];
    }
  });
  if (issues.length > 0) throw new OptionsError(issues);
  return proxies;
}

/** One that went through JSON is none: its password is gone, and it would fail at its first request. */
function isProxy(value: unknown): value is Proxy {
  const { id, host, port, password } = (value ?? {}) as Partial<Proxy>;
  if (typeof id !== 'string' || typeof host !== 'string' || typeof port !== 'number') return false;
  return password === null || typeof password?.reveal === 'function';
}

/** A factory that refuses settings: one that is accepted and never read would be a lie. */
function withoutSettings(make: () => Strategy): StrategyFactory {
  return (settings) => {
    const unknown = Object.keys(settings);
    if (unknown.length > 0) throw new OptionsError(unknown.map((key) => unknownOption('strategy', key)));
    return make();
  };
}
