import type { Candidate, Candidates, SelectionContext } from './strategy.js';

/** Where an exit is wanted, ready to be compared. */
export interface GeoWish {
  /** In order of preference; none = any country. */
  readonly countries: readonly string[];
  /** Lower case; one of them. Undefined: any. */
  readonly regions: readonly string[] | undefined;
  readonly cities: readonly string[] | undefined;
  /** A name for the wish in each of its countries, equal for equal places; made once, as hashing a text costs. */
  readonly keys: readonly string[];
}

/** Places that are wanted when the request does not say. */
export interface GeoDefaults {
  readonly countries?: readonly string[] | undefined;
  readonly regions?: readonly string[] | undefined;
  readonly cities?: readonly string[] | undefined;
}

/** Codes that vendors write for others; the pool holds the assigned ones. */
const aliases: Readonly<Record<string, string>> = { UK: 'GB', EL: 'GR' };

/** A country in the form in which the pool holds it. */
function countryCode(code: string): string {
  const upper = code.trim().toUpperCase();
  return Object.hasOwn(aliases, upper) ? (aliases[upper] as string) : upper;
}

const lower = (text: string): string => text.trim().toLowerCase();

/** Undefined when nothing is wanted. */
export function geoWish({ countries, regions, cities }: GeoDefaults): GeoWish | undefined {
  if (countries === undefined && regions === undefined && cities === undefined) return undefined;
  const parts = {
    countries: countries?.map(countryCode) ?? [],
    regions: regions?.map(lower),
    cities: cities?.map(lower),
  };
  const inside = [parts.regions, parts.cities].map((names) => names?.join('/')).join('|');
  const places = parts.countries.length === 0 ? ['*'] : parts.countries;
  return { ...parts, keys: places.map((country) => `${country}|${inside}`) };
}

/**
 * What one request wants: each field that it names replaces the default and the defaults of the finer fields, because
 * a region of one country is no place in another. Undefined when nothing is wanted.
 */
export function wishOf(
  { country, region, city }: SelectionContext,
  defaults: GeoDefaults,
): GeoWish | undefined {
  return geoWish({
    countries: country === undefined ? defaults.countries : [country],
    regions: region !== undefined ? [region] : country === undefined ? defaults.regions : undefined,
    cities:
      city !== undefined
        ? [city]
        : country === undefined && region === undefined
          ? defaults.cities
          : undefined,
  });
}

/** The candidates in the i-th country of the wish, in its regions and cities; views, nothing is copied. */
export function inPlace(candidates: Candidates, wish: GeoWish, i: number): Candidates {
  const country = wish.countries[i];
  const there = country === undefined ? candidates : candidates.inCountry(country);
  if (wish.regions === undefined && wish.cities === undefined) return there;
  return there.where((candidate) => inRegion(candidate, wish));
}

/** Whether a candidate is in any of the places. */
export function fulfils(candidate: Candidate, wish: GeoWish): boolean {
  const country = candidate.proxy.geo?.countryCode;
  const there = wish.countries.length === 0 || (country !== undefined && wish.countries.includes(country));
  return there && inRegion(candidate, wish);
}

/** Fields that the wish is about and that none of the candidates has. */
export function missingFields(candidates: Candidates, wish: GeoWish): string[] {
  const missing = new Set<'countryCode' | 'region' | 'city'>();
  if (wish.countries.length > 0) missing.add('countryCode');
  if (wish.regions !== undefined) missing.add('region');
  if (wish.cities !== undefined) missing.add('city');
  for (const { proxy } of candidates) {
    for (const field of missing) if (proxy.geo?.[field] !== undefined) missing.delete(field);
    if (missing.size === 0) break;
  }
  return [...missing].map((field) => `geo.${field}`);
}

function inRegion({ proxy: { geo } }: Candidate, { regions, cities }: GeoWish): boolean {
  return isOneOf(geo?.region, regions) && isOneOf(geo?.city, cities);
}

function isOneOf(known: string | undefined, wanted: readonly string[] | undefined): boolean {
  if (wanted === undefined) return true;
  return known !== undefined && wanted.includes(lower(known));
}
