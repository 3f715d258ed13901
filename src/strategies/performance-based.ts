import type { Random } from '../core/clock.js';
import { StrategyMetadataError } from '../errors.js';
import { CandidateList } from './candidate-list.js';
import { checkSettings, typeName } from './settings.js';
import type { Candidate, Candidates, Strategy } from './strategy.js';
import { WeightIndex } from './weight-index.js';

export interface PerformanceBasedSettings {
  /** Requests that each newcomer gets before its latency decides. @default 5 */
  readonly explorationTrials?: number;
}

/** A faster proxy is not told apart from one of this latency, in ms: it is the clock's noise. */
const FASTEST_MS = 1;

/**
 * What a proxy weighs that used up its trials without a success, as a share of the mean of those that have a latency:
 * little enough that a pool half of which is dead loses one request in twenty to it, but never nothing.
 */
const UNPROVEN_SHARE = 0.05;

/** Tries to hit a newcomer by chance before all newcomers, or all candidates, are looked at. */
const TRIES = 16;

/**
 * Chooses at random in proportion to 1 / EMA of the latency. Where medians are log-normal with a spread of sigma, the
 * mean latency is exp(-sigma^2) of round-robin's. Newcomers get their trials first, counted when they start, so that
 * concurrent requests do not all end up at one of them; a request of high priority is no trial while a proven proxy
 * is left. Latency is learned from successes only: a fast refusal is not a fast proxy.
 * @throws OptionsError when a setting is unknown or breaks its rule; `choose` throws StrategyMetadataError when no
 * proxy has a latency, no trial is left and none is under way
 */
export function performanceBased(settings: PerformanceBasedSettings = {}): Strategy {
  checkSettings(settings, {
    explorationTrials: (value) =>
      Number.isSafeInteger(value) && Number(value) >= 0
        ? null
        : `must be an integer of 0 or more, not ${typeName(value)}`,
  });
  const { explorationTrials = 5 } = settings;
  const weights = new WeightIndex(speed, UNPROVEN_SHARE);
  const newcomers = new CandidateList();
  const isNewcomer = ({ stats }: Candidate): boolean => stats.started < explorationTrials;
  let attached = false;

  function trial(candidates: Candidates, random: Random): Candidate | undefined {
    const { size } = newcomers;
    const passes = (candidate: Candidate | undefined): candidate is Candidate =>
      candidate !== undefined && isNewcomer(candidate) && candidates.has(candidate);
    if (attached && size <= TRIES) {
      // Few of them take turns: one that fails at once must not have all its trials before anybody else.
      let next: Candidate | undefined;
      for (let i = 0; i < size; i++) {
        const newcomer = newcomers.at(i);
        if (passes(newcomer) && newcomer.stats.started < (next?.stats.started ?? Number.POSITIVE_INFINITY))
          next = newcomer;
      }
      return next;
    }
    for (let i = 0; i < TRIES && attached; i++) {
      const drawn = newcomers.at(Math.floor(random() * size));
      if (passes(drawn)) return drawn;
    }
    return candidates.where(isNewcomer).sample(random);
  }

  return {
    name: 'performance-based',
    choose(candidates, { priority }, { random }) {
      const first =
        priority === 'high' ? weights.draw(candidates.where(isProven), random) : trial(candidates, random);
      if (first !== undefined) return first;
      const chosen =
        (priority === 'high' ? trial(candidates, random) : undefined) ?? weights.draw(candidates, random);
      if (chosen === undefined || isNewcomer(chosen) || isProven(chosen) || weights.known > 0) return chosen;
      for (const candidate of candidates)
        if (isProven(candidate) || candidate.stats.active > 0) return chosen;
      throw new StrategyMetadataError('performance-based', ['emaLatencyMs']);
    },
    attach(serving) {
      attached = true;
      newcomers.clear();
      weights.clear();
      for (const candidate of serving) {
        if (isNewcomer(candidate)) newcomers.add(candidate);
        weights.put(candidate);
      }
    },
    changed(candidate, serving) {
      if (serving && isNewcomer(candidate)) newcomers.add(candidate);
      else newcomers.delete(candidate);
      if (serving) weights.put(candidate);
      else weights.remove(candidate);
    },
    score(candidate) {
      // Requests per second, one after the other; nothing can be said of one that is still on trial.
      const weight = speed(candidate) ?? (isNewcomer(candidate) ? null : weights.guess);
      return weight === null ? null : 1000 * weight;
    },
  };
}

/** In 1/ms; null before the first success. */
function speed({ stats }: Candidate): number | null {
  return stats.emaLatencyMs === null ? null : 1 / Math.max(stats.emaLatencyMs, FASTEST_MS);
}

function isProven({ stats }: Candidate): boolean {
  return stats.emaLatencyMs !== null;
}
