import { parseProxy } from './core/parse.js';
import type { Proxy } from './core/proxy.js';
import { Rotator } from './core/rotator.js';
import { type OptionIssue, OptionsError, ProxyParseError } from './errors.js';
import { type RotatorOptions, resolveRotatorOptions, unknownOption } from './options.js';
import { random } from './strategies/random.js';
import { type StrategyFactory, StrategyRegistry } from './strategies/registry.js';
import { roundRobin } from './strategies/round-robin.js';
import type { Strategy } from './strategies/strategy.js';

export { parseProxy } from './core/parse.js';
export type { AcquireContext, Rotator } from './core/rotator.js';
export type { RotatorOptions } from './options.js';

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
  registry.register('round-robin', withoutSettings(roundRobin));
  registry.register('random', withoutSettings(random));
  const rotator = new Rotator({
    clock: options.clock ?? { now: () => performance.now() },
    random: options.random ?? Math.random,
    strategy: registry.resolve(options.strategy),
    resolveStrategy: (spec) => registry.resolve(spec),
    stats: { emaAlpha: options.emaAlpha, windowSeconds: options.windowSeconds },
    breaker: { ...options.breaker, jitter: JITTER },
    hosts: { ...options.ban, jitter: JITTER },
    sessions: {
      idleTimeoutSeconds: options.sessionTimeoutSeconds,
      maxAgeSeconds: options.sessionMaxAgeSeconds,
      maxSessions: options.maxSessions,
    },
  });
  rotator.pool.replace(proxies);
  return rotator;
}

/** A factory that refuses settings: one that is accepted and never read would be a lie. */
function withoutSettings(make: () => Strategy): StrategyFactory {
  return (settings) => {
    const unknown = Object.keys(settings);
    if (unknown.length > 0) throw new OptionsError(unknown.map((key) => unknownOption('strategy', key)));
    return make();
  };
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
