import { OptionsError } from '../errors.js';
import { type GeoFilterSettings, geoFilter } from './geo-targeted.js';
import { innerStrategy, isStrategy, type ResolveStrategy, within } from './inner-strategy.js';
import { numberFrom, texts } from './setting-rules.js';
import { checkSettings, type SettingRule, typeName } from './settings.js';
import type { Candidate, Candidates, SelectionContext, Strategy, StrategySpec } from './strategy.js';

/** Whether a candidate may be chosen for a request. */
export type CandidateTest = (candidate: Candidate, context: SelectionContext) => boolean;

/**
 * A filter as plain configuration.
 *
 * | name | settings | leaves out |
 * |---|---|---|
 * | `geo-targeted` | `countries`, `regions`, `cities`, `noMatch: 'error' \| 'any'` | who is elsewhere |
 * | `tags` | `tags` | who lacks one of them |
 * | `max-response-time` | `ms` | whose mean latency is known to be above |
 * | `min-success-rate` | `rate`, 0 to 1 | whose share of successes, of 5 results at least, is below |
 *
 * Any other name is that of a strategy that can narrow.
 */
export type FilterSpec = { readonly name: string } & Readonly<Record<string, unknown>>;

/** A strategy that can narrow, a test, or plain configuration. */
export type CompositeFilter = Strategy | CandidateTest | FilterSpec;

/** A filter that is ready for use. */
export interface Narrowing {
  readonly name: string;
  readonly narrow: NonNullable<Strategy['narrow']>;
  /** Where the filter is a strategy: it may keep an index as well. */
  readonly strategy?: Strategy;
}

/** Results that a share of successes must rest on; with fewer, one failure would end a newcomer for good. */
const MIN_RESULTS = 5;

type MakeNarrow = (settings: Readonly<Record<string, unknown>>) => Narrowing['narrow'];

const builtIn: Readonly<Record<string, MakeNarrow>> = {
  'geo-targeted': (settings) => geoFilter(settings as GeoFilterSettings),
  tags(settings) {
    mustHold(settings, 'tags', texts);
    const wanted = [...(settings.tags as readonly string[])];
    return passing(({ proxy }) => wanted.every((tag) => proxy.tags.includes(tag)));
  },
  'max-response-time'(settings) {
    mustHold(settings, 'ms', numberFrom(0, Number.POSITIVE_INFINITY));
    const most = settings.ms as number;
    return passing(({ stats }) => stats.emaLatencyMs === null || stats.emaLatencyMs <= most);
  },
  'min-success-rate'(settings) {
    mustHold(settings, 'rate', numberFrom(0, 1));
    const least = settings.rate as number;
    return passing(({ stats: { succeeded, failed } }) => {
      const results = succeeded + failed;
      return results < MIN_RESULTS || succeeded >= least * results;
    });
  },
};

/**
 * Makes a filter ready.
 * @param path the setting that holds it, for errors
 * @throws OptionsError that names the setting
 */
export function readFilter(filter: unknown, path: string, resolve: ResolveStrategy): Narrowing {
  if (isStrategy(filter)) return byStrategy(filter, path);
  if (typeof filter === 'function') {
    const test = filter as CandidateTest;
    return {
      name: test.name || path,
      narrow: (candidates, context) => candidates.where((candidate) => test(candidate, context)),
    };
  }
  const { name, ...settings } = (filter ?? {}) as Partial<FilterSpec>;
  if (typeof filter !== 'object' || typeof name !== 'string') {
    const rule = `must be a filter with a name, a test, or a strategy that narrows, not ${typeName(filter)}`;
    throw new OptionsError([{ path, rule }]);
  }
  const make = Object.hasOwn(builtIn, name) ? builtIn[name] : undefined;
  if (make !== undefined) return { name, narrow: within(path, () => make(settings)) };
  return byStrategy(innerStrategy(path, filter as StrategySpec, resolve), path);
}

function byStrategy(strategy: Strategy, path: string): Narrowing {
  if (strategy.narrow === undefined) {
    const known = Object.keys(builtIn).join(', ');
    const rule = `is a strategy that cannot narrow, so it is no filter; built in are ${known}`;
    throw new OptionsError([{ path, rule }]);
  }
  const narrow: Narrowing['narrow'] = (candidates, context): Candidates =>
    strategy.narrow?.(candidates, context) ?? candidates;
  return { name: strategy.name, narrow, strategy };
}

function passing(test: (candidate: Candidate) => boolean): Narrowing['narrow'] {
  return (candidates) => candidates.where(test);
}

/** The one setting of a filter, which would not filter without it. */
function mustHold(settings: Readonly<Record<string, unknown>>, key: string, rule: SettingRule): void {
  checkSettings(settings, { [key]: rule });
  if (settings[key] === undefined) throw new OptionsError([{ path: key, rule: 'is missing' }]);
}
