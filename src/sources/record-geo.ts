import { findCountry, type ProxyGeo } from '../core/geo.js';
import { type Fields, toFields } from './record-fields.js';

const nested = ['geo', 'geolocation', 'ipdata', 'location'];
const placeholders = new Set(['unknown', 'n/a', 'na', 'null', 'none', 'undefined', '-', '--', '?']);

/** Geo data of a record. What is missing, malformed or a placeholder is left out: it never costs the proxy. */
export function readGeo(record: Fields): ProxyGeo | undefined {
  const scopes = withNested(record);
  const codes = pick(
    scopes,
    ['countrycode', 'countryiso', 'countrycode2', 'isocode', 'code', 'cc', 'country', 'geo'],
    code,
  );
  const geo = {
    countryCode: codes,
    countryName: pick(scopes, ['countryname', 'country'], name),
    region: pick(scopes, ['region', 'regionname', 'state'], text),
    city: pick(scopes, ['city', 'cityname'], text),
    latitude: pick(scopes, ['latitude', 'lat'], (value) => number(value, 90)),
    longitude: pick(scopes, ['longitude', 'lon', 'lng'], (value) => number(value, 180)),
    timezone: pick(scopes, ['timezone'], text),
    asn: pick(scopes, ['asn', 'as', 'autonomoussystemnumber'], asn),
  };
  const known = Object.entries(geo).filter(([, value]) => value !== undefined);
  return known.length === 0 ? undefined : (Object.fromEntries(known) as ProxyGeo);
}

/** The record, then its geo objects, then theirs: coordinates lie two levels deep in lists made from MaxMind data. */
function withNested(record: Fields): Fields[] {
  const scopes: Fields[] = [record];
  for (let i = 0, depth = 0; depth < 2; depth++) {
    for (const end = scopes.length; i < end; i++) {
      for (const key of nested) {
        const value = scopes[i]?.get(key);
        if (isObject(value)) scopes.push(toFields(value));
      }
    }
  }
  return scopes;
}

function pick<T>(
  scopes: readonly Fields[],
  keys: readonly string[],
  read: (value: unknown) => T | undefined,
): T | undefined {
  for (const scope of scopes) {
    for (const key of keys) {
      const found = read(scope.get(key));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function text(value: unknown): string | undefined {
  // MaxMind's shape: { names: { en: "Berlin" } }.
  if (isObject(value)) {
    const fields = toFields(value);
    const names = fields.get('names');
    return text(fields.get('name') ?? (isObject(names) ? toFields(names).get('en') : undefined));
  }
  if (typeof value !== 'string') return undefined;
  const trimmed = value.trim();
  return trimmed === '' || trimmed.length > 200 || placeholders.has(trimmed.toLowerCase())
    ? undefined
    : trimmed;
}

function code(value: unknown): string | undefined {
  if (isObject(value)) return code(toFields(value).get('isocode'));
  return typeof value === 'string' ? findCountry(value.trim()) : undefined;
}

/** A country in words: two letters are a code, or an attempt at one. */
function name(value: unknown): string | undefined {
  const found = text(value);
  return found === undefined || found.length < 3 ? undefined : found;
}

function number(value: unknown, most: number): number | undefined {
  const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof parsed === 'number' && Math.abs(parsed) <= most ? parsed : undefined;
}

/** `16276`, `"16276"`, `"AS16276"` or `"AS16276 Example"`. */
function asn(value: unknown): number | undefined {
  if (isObject(value)) return asn(toFields(value).get('autonomoussystemnumber'));
  const digits = /^(?:AS)?([0-9]{1,10})(?: |$)/i.exec(String(value ?? ''))?.[1];
  const parsed = Number(digits);
  return parsed >= 1 && parsed <= 4_294_967_295 ? parsed : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
