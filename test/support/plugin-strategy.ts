import type { Candidate, Strategy } from '../../src/strategies/strategy.js';

/**
 * A strategy as a user would write one: of those that failed least often, the next in circular order. It keeps no
 * index, so it looks at everybody, and its place in the circle is state that `choose` changes.
 */
export function fewestFailures(): Strategy {
  let last = -1;
  return {
    name: 'fewest-failures',
    choose(candidates) {
      let best: Candidate | undefined;
      for (const candidate of candidates) {
        if (best === undefined || candidate.stats.failed < best.stats.failed) best = candidate;
      }
      const fewest = best?.stats.failed;
      const chosen = candidates.where(({ stats }) => stats.failed === fewest).after(last);
      last = chosen?.slot ?? last;
      return chosen;
    },
    score: ({ stats }) => -stats.failed,
    save: () => last,
    load(state) {
      last = Number(state);
    },
  };
}
