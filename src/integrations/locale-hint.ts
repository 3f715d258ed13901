import type { ProxyGeo } from '../core/geo.js';

/** What a visitor from the place of a proxy would have; only what is known. */
export interface LocaleHint {
  /** BCP 47: the language that most people of the country speak, and the country: `de-DE`. */
  readonly locale?: string;
  /** IANA name: the proxy's own, or that of its country where the whole country has one time. */
  readonly timezoneId?: string;
  /** Degrees. */
  readonly geolocation?: { readonly latitude: number; readonly longitude: number };
}

/** Two moments that tell zones apart, summer time included: all zones in use differ in one of them. */
const seasons = [Date.UTC(2026, 0, 15, 12), Date.UTC(2026, 6, 15, 12)];

/** By Unicode's likely subtags and Node's table of zones: nothing is asked, nothing is guessed beyond that. */
export function localeHint(geo: ProxyGeo = {}): LocaleHint {
  const { countryCode, timezone, latitude, longitude } = geo;
  const locale = localeOf(geo);
  const timezoneId = timezone === undefined ? countryCode && onlyTimeOf(countryCode) : knownZone(timezone);
  return {
    ...(locale === undefined ? {} : { locale }),
    ...(timezoneId === undefined ? {} : { timezoneId }),
    ...(latitude === undefined || longitude === undefined ? {} : { geolocation: { latitude, longitude } }),
  };
}

/** `Accept-Language` of a visitor from there, as browsers write it: `de-DE,de;q=0.9`. */
export function acceptLanguage(geo: ProxyGeo = {}): string | undefined {
  const locale = localeOf(geo);
  return locale && `${locale},${new Intl.Locale(locale).language};q=0.9`;
}

function localeOf({ countryCode }: ProxyGeo): string | undefined {
  if (countryCode === undefined) return undefined;
  return `${new Intl.Locale('und', { region: countryCode }).maximize().language}-${countryCode}`;
}

/** Lists and vendors write what they like; a browser refuses a name that it does not know. */
function knownZone(timezone: string): string | undefined {
  // `+02:00` is a time zone for Node, but for no browser.
  if (!/^[A-Za-z]/.test(timezone)) return undefined;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: timezone }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** Node 20 has the zones of a country as a property, later versions by a method; TypeScript has neither. */
type WithZones = Intl.Locale & { readonly timeZones?: string[]; getTimeZones?(): string[] };

function onlyTimeOf(countryCode: string): string | undefined {
  const country: WithZones = new Intl.Locale('und', { region: countryCode });
  const zones = country.getTimeZones?.() ?? country.timeZones ?? [];
  const [first] = zones;
  return first !== undefined && new Set(zones.map(timesOf)).size === 1 ? first : undefined;
}

function timesOf(timeZone: string): string {
  const format = new Intl.DateTimeFormat('en', { timeZone, dateStyle: 'short', timeStyle: 'short' });
  return seasons.map((at) => format.format(at)).join();
}
