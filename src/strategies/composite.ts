import { NoCandidateError, OptionsError } from '../errors.js';
import { type CompositeFilter, type Narrowing, readFilter } from './filters.js';
import { forwardTo } from './forward.js';
import { innerStrategy, objectsOnly, type ResolveStrategy } from './inner-strategy.js';
import { checkSettings, typeName } from './settings.js';
import type { Candidates, SelectionContext, Strategy, StrategySpec } from './strategy.js';

export interface CompositeSettings {
  /** Each narrows what the one before it left. */
  readonly filters: readonly CompositeFilter[];
  /** Chooses among those that are left. */
  readonly selector: StrategySpec;
}

/**
 * Filters, then a selector. The filters work on views of the pool and copy nothing.
 * @param resolve makes strategies of names; a rotator gives its own
 * @throws OptionsError that names the filter (`filters[1]`) or the setting; `choose` throws NoCandidateError that
 * names the filters when they leave nobody
 */
export function composite(settings: CompositeSettings, resolve: ResolveStrategy = objectsOnly): Strategy {
  checkSettings(settings, {
    filters: (value) => (Array.isArray(value) ? null : `must be an array, not ${typeName(value)}`),
    selector: () => null,
  });
  if (settings.filters === undefined) {
    throw new OptionsError([{ path: 'filters', rule: 'is missing; without a filter, the selector will do' }]);
  }
  const filters = settings.filters.map((filter, i) => readFilter(filter, `filters[${i}]`, resolve));
  const selector = innerStrategy('selector', settings.selector, resolve);
  const narrow = (candidates: Candidates, context: SelectionContext): Candidates =>
    filters.reduce((left, filter) => filter.narrow(left, context), candidates);
  return {
    name: 'composite',
    choosesPlace: selector.choosesPlace === true || filters.some(({ name }) => name === 'geo-targeted'),
    choose(candidates, context, engine) {
      const left = narrow(candidates, context);
      const chosen = selector.choose(left, context, engine);
      if (chosen !== undefined || !left.empty || candidates.empty) return chosen;
      throw new NoCandidateError(removedBy(filters, candidates, context), null);
    },
    narrow,
    ...forwardTo([selector, ...filters.flatMap(({ strategy }) => strategy ?? [])]),
    ...(selector.score && { score: (...about) => selector.score?.(...about) ?? null }),
  };
}

/** Counts by the first filter that left them out. */
function removedBy(
  filters: readonly Narrowing[],
  candidates: Candidates,
  context: SelectionContext,
): Record<string, number> {
  const counts: Record<string, number> = {};
  let before = candidates;
  for (const { name, narrow } of filters) {
    const after = narrow(before, context);
    for (const candidate of before) if (!after.has(candidate)) counts[name] = (counts[name] ?? 0) + 1;
    before = after;
  }
  return counts;
}
