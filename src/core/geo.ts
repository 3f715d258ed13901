import { OptionsError } from '../errors.js';

/** Where a proxy lets its traffic out. Every field is optional; none of them is part of the proxy's identity. */
export interface ProxyGeo {
  /** ISO 3166-1 alpha-2, upper case. */
  readonly countryCode?: string;
  readonly countryName?: string;
  readonly region?: string;
  readonly city?: string;
  /** Degrees, -90 to 90. */
  readonly latitude?: number;
  /** Degrees, -180 to 180. */
  readonly longitude?: number;
  /** IANA name such as `Europe/Berlin`. */
  readonly timezone?: string;
  /** Number of the autonomous system, 1 to 4,294,967,295. */
  readonly asn?: number;
}

/** The 249 assigned codes of ISO 3166-1 alpha-2, two letters each. */
const assigned =
  'ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZ' +
  'DEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISIT' +
  'JEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZ' +
  'NANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZ' +
  'TCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW';

const codes: ReadonlySet<string> = new Set(assigned.match(/../g));

/** In use by vendors and by the European Union for years, but reserved and never assigned. */
const aliases: Readonly<Record<string, string>> = { UK: 'GB', EL: 'GR' };

/** The ISO 3166-1 alpha-2 code in upper case (`uk` -> `GB`, `el` -> `GR`); undefined when it is no code. */
export function findCountry(code: string): string | undefined {
  if (code.length !== 2) return undefined;
  const upper = code.toUpperCase();
  const known = Object.hasOwn(aliases, upper) ? aliases[upper] : upper;
  return known !== undefined && codes.has(known) ? known : undefined;
}

/**
 * {@link findCountry} for a code that somebody configured.
 * @throws OptionsError naming `path` when it is no ISO 3166-1 alpha-2 code.
 */
export function normalizeCountry(code: string, path = 'countryCode'): string {
  const known = typeof code === 'string' ? findCountry(code.trim()) : undefined;
  if (known !== undefined) return known;
  // Two or three letters can be shown; anything else may be a credential in the wrong place.
  const shown = typeof code === 'string' && /^[A-Za-z]{2,3}$/.test(code) ? `"${code}"` : 'this value';
  throw new OptionsError([
    { path, rule: `${shown} is no ISO 3166-1 alpha-2 country code; write two letters such as DE or US` },
  ]);
}

const texts = ['countryName', 'region', 'city', 'timezone'] as const;

/**
 * Checks and freezes the geo data of a proxy; the country code is normalised.
 * @throws OptionsError with one issue for each field that breaks its rule.
 */
export function createGeo(fields: ProxyGeo): ProxyGeo {
  const issues: { path: string; rule: string }[] = [];
  const geo: { -readonly [K in keyof ProxyGeo]: ProxyGeo[K] } = {};
  if (fields.countryCode !== undefined)
    geo.countryCode = normalizeCountry(fields.countryCode, 'geo.countryCode');
  for (const key of texts) {
    const value: unknown = fields[key];
    if (value === undefined) continue;
    if (typeof value !== 'string' || value.trim() === '' || value.length > 200)
      issues.push({ path: `geo.${key}`, rule: 'must be a text of 1 to 200 characters' });
    else geo[key] = value;
  }
  const numbers = [
    ['latitude', -90, 90, 'must be degrees from -90 to 90', false],
    ['longitude', -180, 180, 'must be degrees from -180 to 180', false],
    ['asn', 1, 4_294_967_295, 'must be an integer from 1 to 4294967295', true],
  ] as const;
  for (const [key, least, most, rule, integer] of numbers) {
    const value: unknown = fields[key];
    if (value === undefined) continue;
    const fits =
      typeof value === 'number' && value >= least && value <= most && (!integer || Number.isInteger(value));
    if (fits) geo[key] = value;
    else issues.push({ path: `geo.${key}`, rule });
  }
  if (issues.length > 0) throw new OptionsError(issues);
  return Object.freeze(geo);
}
