import type { Strategy } from './strategy.js';

/**
 * Strict circular order over whoever is available; the place is kept while proxies come and go. Requests that leave
 * some out (a retry, a banned host) have a place of their own: they would push the others past the same proxies again
 * and again.
 */
export function roundRobin(): Strategy {
  let place = { whole: -1, narrowed: -1 };
  return {
    name: 'round-robin',
    choose(candidates) {
      const kind = candidates.whole ? 'whole' : 'narrowed';
      const next = candidates.after(place[kind]);
      if (next !== undefined) place[kind] = next.slot;
      return next;
    },
    save: () => ({ ...place }),
    load(state) {
      place = { ...(state as typeof place) };
    },
  };
}
