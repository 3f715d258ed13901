import type { ProxyFigures } from '../core/stats.js';
import { readWeights, type Weights } from './custom-weights.js';
import { checkSettings } from './settings.js';
import type { Candidate, Strategy } from './strategy.js';
import { WeightIndex } from './weight-index.js';

export interface WeightedSettings {
  /**
   * How often each proxy is chosen, relative to the others: by proxy id, `host:port` or host (the most exact one
   * counts), or by a function, which is asked once when the proxy comes in. 0 = never, not named = 1. Without weights
   * the share of successes decides.
   */
  readonly weights?: Weights;
}

/**
 * Chooses in proportion to custom weights, else to the share of successes, succeeded / (succeeded + failed). A proxy
 * without a result yet counts with the mean of the others; one that never succeeded counts as if the next of its
 * requests succeeded by half, so that it can come back.
 *
 * With custom weights, 0 drains a proxy: it is not chosen even when nobody else is left, and `choose` gives undefined.
 * Only when there is no positive weight at all are all chosen alike, with a warning.
 *
 * A weight that an operator has given a proxy (`pool.adjust`) counts in place of either.
 * @throws OptionsError when a setting is unknown or breaks its rule
 */
export function weighted(settings: WeightedSettings = {}): Strategy {
  checkSettings(settings, { weights: () => null });
  return settings.weights === undefined ? bySuccessRate() : byCustomWeight(settings.weights);
}

function bySuccessRate(): Strategy {
  const weightOf = ({ stats, weight }: Candidate): number | null => weight ?? successRate(stats);
  const index = new WeightIndex(weightOf, 1);
  return {
    name: 'weighted',
    choose: (candidates, _context, { random }) => index.draw(candidates, random),
    attach(serving) {
      index.clear();
      for (const candidate of serving) index.put(candidate);
    },
    changed: (candidate, serving) => (serving ? index.put(candidate) : index.remove(candidate)),
    score: (candidate) => weightOf(candidate) ?? index.guess,
  };
}

function byCustomWeight(weights: Weights): Strategy {
  const read = readWeights(weights);
  // A proxy whose weight is positive somewhere shows that a weight of 0 is meant to drain.
  let drains = typeof weights === 'object' && Object.values(weights).some((weight) => weight > 0);
  let warned = false;
  const weightOf = ({ proxy, weight: adjusted }: Candidate): number => {
    const weight = adjusted ?? read(proxy);
    drains ||= weight > 0;
    return weight;
  };
  const index = new WeightIndex(weightOf, 1);
  /** Proxies for which the caller's function gave no weight: never left out in silence. */
  const faults = new Map<Candidate, unknown>();
  return {
    name: 'weighted',
    choose(candidates, _context, { random, warn }) {
      for (const fault of faults.values()) throw fault;
      const drawn = index.draw(candidates, random);
      if (drawn !== undefined || drains) return drawn;
      const any = candidates.sample(random);
      if (any !== undefined && !warned) {
        warned = true;
        warn?.('All weights are 0: all proxies are chosen alike.');
      }
      return any;
    },
    attach(serving) {
      faults.clear();
      index.clear();
      for (const candidate of serving) index.put(candidate);
    },
    changed(candidate, serving) {
      if (!serving) {
        faults.delete(candidate);
        index.remove(candidate);
        return;
      }
      // The weight of a proxy does not change; its figures do, with each request.
      if (index.has(candidate) || faults.has(candidate)) return;
      try {
        index.put(candidate);
      } catch (error) {
        faults.set(candidate, error);
      }
    },
    score: ({ proxy, weight }) => weight ?? read(proxy),
  };
}

function successRate({ succeeded, failed }: ProxyFigures): number | null {
  if (succeeded + failed === 0) return null;
  return succeeded > 0 ? succeeded / (succeeded + failed) : 0.5 / (failed + 1);
}
