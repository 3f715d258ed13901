import { describe, expect, it } from 'vitest';
import { createGeo, findCountry, normalizeCountry, type ProxyGeo } from '../../src/core/geo.js';
import { OptionsError } from '../../src/errors.js';

describe('R-06 country codes', () => {
  it.each([
    ['DE', 'DE'],
    ['de', 'DE'],
    ['UK', 'GB'],
    ['uk', 'GB'],
    ['GB', 'GB'],
    ['EL', 'GR'],
    ['AX', 'AX'],
    ['ZW', 'ZW'],
  ])('%s is %s', (given, expected) => {
    expect(findCountry(given)).toBe(expected);
    expect(normalizeCountry(` ${given} `)).toBe(expected);
  });

  it.each(['', 'D', 'DEU', 'XX', 'ZZ', 'A1', 'EU', '--', 'ß'])('%j is no code', (given) => {
    expect(findCountry(given)).toBeUndefined();
    expect(() => normalizeCountry(given)).toThrow(OptionsError);
  });

  it('knows the 249 assigned codes', () => {
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
    const found = letters
      .flatMap((a) => letters.map((b) => a + b))
      .filter((code) => findCountry(code) === code);
    expect(found).toHaveLength(249);
  });

  it('agrees with the names that the platform knows', () => {
    const names = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
    const codes = letters
      .flatMap((a) => letters.map((b) => a + b))
      .filter((code) => findCountry(code) === code);
    expect(codes.filter((code) => names.of(code) === undefined)).toEqual([]);
  });

  it('names the field, and shows only what can be a code', () => {
    expect(() => normalizeCountry('XX', 'country')).toThrow(/country: "XX" is no ISO 3166-1/);
    expect(() => normalizeCountry('http://user:hunter2@h:1')).toThrow(/this value is no ISO/);
    expect(() => normalizeCountry(7 as never)).toThrow(OptionsError);
  });
});

describe('R-06 createGeo', () => {
  it('keeps every field, normalises the code, and freezes', () => {
    const geo = createGeo({
      countryCode: 'uk',
      countryName: 'United Kingdom',
      region: 'England',
      city: 'London',
      latitude: 51.5,
      longitude: -0.1,
      timezone: 'Europe/London',
      asn: 64_496,
    });
    expect(geo).toEqual({
      countryCode: 'GB',
      countryName: 'United Kingdom',
      region: 'England',
      city: 'London',
      latitude: 51.5,
      longitude: -0.1,
      timezone: 'Europe/London',
      asn: 64_496,
    });
    expect(Object.isFrozen(geo)).toBe(true);
  });

  it('needs no field at all', () => {
    expect(createGeo({})).toEqual({});
  });

  it.each<[string, Record<string, unknown>]>([
    ['geo.countryCode', { countryCode: 'XX' }],
    ['geo.countryName', { countryName: ' ' }],
    ['geo.region', { region: 7 }],
    ['geo.city', { city: '' }],
    ['geo.timezone', { timezone: 'x'.repeat(201) }],
    ['geo.latitude', { latitude: 91 }],
    ['geo.latitude', { latitude: Number.NaN }],
    ['geo.longitude', { longitude: -181 }],
    ['geo.asn', { asn: 0 }],
    ['geo.asn', { asn: 1.5 }],
    ['geo.asn', { asn: '64496' }],
  ])('refuses a wrong %s', (path, fields) => {
    expect(() => createGeo(fields as ProxyGeo)).toThrow(path);
    expect(() => createGeo(fields as ProxyGeo)).toThrow(OptionsError);
  });
});
