import type { Strategy } from '../../src/strategies/strategy.js';

/** Takes the first one, and keeps the ids of the proxies whose requests were reported to it. */
export function listening(name: string): Strategy & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    name,
    choose: (candidates) => candidates.after(-1),
    settled: (candidate, { verdict }) => void heard.push(`${verdict} at ${candidate.proxy.id}`),
  };
}
