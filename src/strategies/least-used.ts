import { oneOf } from './setting-rules.js';
import { checkSettings } from './settings.js';
import type { Strategy } from './strategy.js';
import { type TieBreak, UsageIndex } from './usage-index.js';

export interface LeastUsedSettings {
  /**
   * Who is chosen among those that are used alike: the one whose id is the smallest text, which gives the same order
   * on each run, or one by chance. @default 'lowest-id'
   */
  readonly tieBreak?: TieBreak;
}

/**
 * The one with the fewest active requests; among those, the one with the fewest requests started in the sliding
 * window. Active ones count from the moment they start, so that concurrent requests never all go to a proxy that
 * merely has not completed any.
 *
 * One that joins an even pool is behind by the whole window and is preferred until it is level, but by one request at
 * a time: it gets a second active one only when every other has one as well. So it catches up at its own speed, and
 * in the end all have started alike. Where that is too much for a fresh proxy, `random` or `weighted` gives it its
 * share from the start. With more requests in flight than proxies, whoever has just completed is next, so the faster
 * ones get more.
 * @throws OptionsError when a setting is unknown or breaks its rule
 */
export function leastUsed(settings: LeastUsedSettings = {}): Strategy {
  checkSettings(settings, { tieBreak: oneOf('lowest-id', 'random') });
  const index = new UsageIndex(settings.tieBreak ?? 'lowest-id');
  return {
    name: 'least-used',
    choose: (candidates, _context, engine) => index.find(candidates, engine),
    attach: (serving, { now }) => index.attach(serving, now),
    changed(candidate, serving, { now }) {
      index.catchUp(now);
      if (serving) index.put(candidate, now);
      else index.remove(candidate);
    },
    // Each active request counts for more than all that were started; the fraction tells those apart.
    score({ stats }, _context, { now }) {
      const started = stats.windowCount(now);
      return 0 - stats.active - started / (started + 1);
    },
  };
}
