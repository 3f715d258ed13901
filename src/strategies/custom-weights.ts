import type { Proxy } from '../core/proxy.js';
import { type OptionIssue, OptionsError } from '../errors.js';
import { typeName } from './settings.js';

/** Weights by proxy id, `host:port` or host (the most exact one counts), or a function of the proxy. */
export type Weights = Readonly<Record<string, number>> | ((proxy: Proxy) => number);

/** Far above any use, and far enough below the largest number that a sum of millions stays finite. */
const MAX_WEIGHT = 1e12;

/** An id, or a host with or without a port: what can be named in a message without showing a credential. */
const safeKey = /^(?:px_[0-9a-f]{16}|(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?)$/i;
const bareIpv6 = /^[0-9a-f]*:[0-9a-f:]*(?::\d+(?:\.\d+){3})?$/i;

/**
 * @returns the weight of a proxy; a proxy that a record does not name weighs 1
 * @throws OptionsError when a weight is no number from 0 to 1e12, or a key is neither a proxy id, a `host:port` nor a
 * host; the function that is returned, when the caller's own gives such a weight
 */
export function readWeights(weights: unknown): (proxy: Proxy) => number {
  if (typeof weights === 'function') {
    return (proxy) => {
      const weight: unknown = (weights as (proxy: Proxy) => unknown)(proxy);
      const rule = weightRule(weight);
      if (rule !== null) throw new OptionsError([{ path: `weights(${proxy.id})`, rule }]);
      return weight as number;
    };
  }
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights)) {
    throw new OptionsError([
      { path: 'weights', rule: `must be an object or a function, not ${typeName(weights)}` },
    ]);
  }
  return fromRecord(weights as Readonly<Record<string, unknown>>);
}

function fromRecord(record: Readonly<Record<string, unknown>>): (proxy: Proxy) => number {
  const issues: OptionIssue[] = [];
  const byKey = new Map<string, number>();
  for (const [key, weight] of Object.entries(record)) {
    const path = `weights.${safeKey.test(key) ? key : '(a key that is not shown)'}`;
    if (!safeKey.test(key) && !bareIpv6.test(key)) {
      issues.push({ path, rule: 'must be named by a proxy id, a host:port or a host' });
    }
    const rule = weightRule(weight);
    if (rule !== null) issues.push({ path, rule });
    // Hosts of proxies are lower case.
    byKey.set(key.toLowerCase(), weight as number);
  }
  if (issues.length > 0) throw new OptionsError(issues);
  return ({ id, host, url }) =>
    byKey.get(id) ?? byKey.get(url.slice(url.indexOf('//') + 2)) ?? byKey.get(host) ?? 1;
}

function weightRule(weight: unknown): string | null {
  const holds = typeof weight === 'number' && weight >= 0 && weight <= MAX_WEIGHT;
  return holds ? null : `must be a number from 0 to 1e12, not ${typeName(weight)}`;
}
