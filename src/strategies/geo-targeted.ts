import { NoCandidateError, StrategyMetadataError } from '../errors.js';
import { forwardTo } from './forward.js';
import {
  fulfils,
  type GeoDefaults,
  type GeoWish,
  geoWish,
  inPlace,
  missingFields,
  wishOf,
} from './geo-wish.js';
import { innerStrategy, objectsOnly, type ResolveStrategy } from './inner-strategy.js';
import { PlaceRotation } from './place-rotation.js';
import { oneOf, texts } from './setting-rules.js';
import { checkSettings, type SettingRule } from './settings.js';
import type { Candidates, SelectionContext, SelectionEngine, Strategy, StrategySpec } from './strategy.js';

/** Where the exits shall be, and what happens when none is there. */
export interface GeoTargetedSettings extends GeoDefaults {
  /** ISO 3166-1 alpha-2 codes, the preferred one first: the next one serves only while the first has nobody. */
  readonly countries?: readonly string[];
  /** One of these; letter case does not count. */
  readonly regions?: readonly string[];
  /** One of these; letter case does not count. */
  readonly cities?: readonly string[];
  /**
   * When nobody is where an exit is wanted: an error, anybody, chosen by `inner`, or a strategy that chooses among all.
   * @default 'error'
   */
  readonly noMatch?: 'error' | 'any' | StrategySpec;
  /** Who chooses among those that are in the right place. @default 'round-robin', in turn for each place */
  readonly inner?: StrategySpec;
}

const placeRules: Readonly<Record<string, SettingRule>> = {
  countries: (value) =>
    texts(value) ??
    ((value as string[]).every((code) => /^\s*[A-Za-z]{2}\s*$/.test(code))
      ? null
      : 'must be ISO 3166-1 alpha-2 codes, two letters each, such as DE'),
  regions: texts,
  cities: texts,
};

/**
 * Chooses among the proxies in a country, region or city, through another strategy. The request says where (`country`,
 * `region`, `city` of its context), else the settings do; a request that names a place is not bound by the settings
 * for it and for what is inside of it. Without a place, all are candidates.
 * @param resolve makes strategies of names; a rotator gives its own
 * @throws OptionsError when a setting is unknown or breaks its rule; `choose` throws NoCandidateError when nobody is
 * there, StrategyMetadataError when no candidate says where it is
 */
export function geoTargeted(
  settings: GeoTargetedSettings = {},
  resolve: ResolveStrategy = objectsOnly,
): Strategy {
  checkSettings(settings, { ...placeRules, noMatch: () => null, inner: () => null });
  const { noMatch = 'error', inner: spec } = settings;
  const rotation = spec === undefined || spec === 'round-robin' ? new PlaceRotation() : null;
  const inner = rotation === null ? innerStrategy('inner', spec, resolve) : rotating(rotation);
  const other = noMatch === 'error' || noMatch === 'any' ? null : innerStrategy('noMatch', noMatch, resolve);
  const toldOnes = other === null ? [inner] : [inner, other];
  const targeting = new Targeting(settings, noMatch !== 'error');

  function chooseWithin(
    key: string,
    candidates: Candidates,
    context: SelectionContext,
    engine: SelectionEngine,
  ): ReturnType<Strategy['choose']> {
    return rotation === null
      ? inner.choose(candidates, context, engine)
      : rotation.choose(key, candidates, context, engine);
  }

  return {
    name: 'geo-targeted',
    choosesPlace: true,
    choose(candidates, context, engine) {
      const wish = targeting.wish(context);
      if (wish === undefined) return chooseWithin('', candidates, context, engine);
      for (let i = 0; i < wish.keys.length; i++) {
        const there = inPlace(candidates, wish, i);
        const chosen = chooseWithin(wish.keys[i] ?? '', there, context, engine);
        // Candidates that the inner strategy does not want are no reason to leave the place.
        if (chosen !== undefined || !there.empty) return chosen;
      }
      if (candidates.empty) return undefined;
      if (other !== null) return other.choose(candidates, context, engine);
      if (noMatch === 'any') return chooseWithin('', candidates, context, engine);
      throw nobodyThere(candidates, wish);
    },
    ...forwardTo(toldOnes),
    narrow: (candidates, context) => targeting.narrow(candidates, context),
    score(candidate, context, engine) {
      const wish = targeting.wish(context);
      if (wish !== undefined && !fulfils(candidate, wish)) return null;
      return inner.score?.(candidate, context, engine) ?? null;
    },
  };
}

/** Settings of `geo-targeted` as a filter, which leaves the choice to others. */
export type GeoFilterSettings = GeoDefaults & { readonly noMatch?: 'error' | 'any' };

/** @throws OptionsError when a setting is unknown or breaks its rule */
export function geoFilter(settings: GeoFilterSettings): NonNullable<Strategy['narrow']> {
  checkSettings(settings, { ...placeRules, noMatch: oneOf('error', 'any') });
  const targeting = new Targeting(settings, settings.noMatch === 'any');
  return (candidates, context) => targeting.narrow(candidates, context);
}

/** More than there are countries, in any spelling that is likely. */
const MAX_WISHES = 1000;

class Targeting {
  readonly #defaults: GeoDefaults;
  readonly #defaultWish: GeoWish | undefined;
  readonly #lenient: boolean;
  /** Most requests name a country and nothing else: its wish is made once. */
  readonly #byCountry = new Map<string, GeoWish>();

  constructor(defaults: GeoDefaults, lenient: boolean) {
    this.#defaults = defaults;
    this.#defaultWish = geoWish(defaults);
    this.#lenient = lenient;
  }

  wish(context: SelectionContext): GeoWish | undefined {
    const { country, region, city } = context;
    if (region !== undefined || city !== undefined) return wishOf(context, this.#defaults);
    if (country === undefined) return this.#defaultWish;
    let wish = this.#byCountry.get(country);
    if (wish === undefined) {
      wish = wishOf(context, this.#defaults) as GeoWish;
      if (this.#byCountry.size === MAX_WISHES) this.#byCountry.clear();
      this.#byCountry.set(country, wish);
    }
    return wish;
  }

  /** Those in the first place that has somebody; else nobody, or all when any place will do. */
  narrow(candidates: Candidates, context: SelectionContext): Candidates {
    const wish = this.wish(context);
    if (wish === undefined) return candidates;
    const last = wish.keys.length - 1;
    for (let i = 0; i <= last; i++) {
      const there = inPlace(candidates, wish, i);
      // Whether the last place has somebody is no question when there is no other way.
      if ((i === last && !this.#lenient) || !there.empty) return there;
    }
    return candidates;
  }
}

function nobodyThere(candidates: Candidates, wish: GeoWish): Error {
  const missing = missingFields(candidates, wish);
  if (missing.length > 0) return new StrategyMetadataError('geo-targeted', missing);
  let count = 0;
  for (const _ of candidates) count += 1;
  return new NoCandidateError({ 'geo-targeted': count }, null);
}

/** The state of a rotation in the form of a strategy, to be saved with the others. */
function rotating(rotation: PlaceRotation): Strategy {
  return {
    name: 'round-robin',
    choose: (candidates, context, engine) => rotation.choose('', candidates, context, engine),
    save: () => rotation.save(),
    load: (state) => rotation.load(state),
  };
}
