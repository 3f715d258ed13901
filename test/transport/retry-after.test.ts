import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHttpDate, parseRetryAfter } from '../../src/transport/retry-after.js';

const now = Date.UTC(1994, 10, 6, 8, 49, 37);

describe('Retry-After', () => {
  it.each([
    ['120', 120_000],
    [' 120\t', 120_000],
    ['0', 1_000],
    ['1', 1_000],
    ['300', 300_000],
    ['301', 300_000],
    ['86400', 300_000],
    ['9'.repeat(400), 300_000],
    ['007', 7_000],
  ])('in seconds: %s', (value, ms) => {
    expect(parseRetryAfter(value, now)).toBe(ms);
  });

  it.each([
    ['Sun, 06 Nov 1994 08:50:37 GMT', 60_000],
    ['Sunday, 06-Nov-94 08:50:37 GMT', 60_000],
    ['Sun Nov  6 08:50:37 1994', 60_000],
    ['sun, 06 nov 1994 08:50:37 gmt', 60_000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 1_000],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 300_000],
    ['Mon, 07 Nov 1994 08:49:37 GMT', 300_000],
  ])('as a date: %s', (value, ms) => {
    expect(parseRetryAfter(value, now)).toBe(ms);
  });

  it.each([
    null,
    undefined,
    '',
    ' ',
    '-5',
    '+5',
    '1.5',
    '1e3',
    '0x10',
    'soon',
    'Infinity',
    'NaN',
    '120, 60',
    '5 minutes',
    '\u0661\u0662',
    'Sun, 06 Nov 1994 08:49:36 GMT',
    'Thu, 01 Jan 1970 00:00:00 GMT',
    'Sun, 06 Nov 1994 08:50:37',
    'Sun, 06 Nov 1994 08:50:37 CET',
    'Sun, 31 Feb 1995 08:50:37 GMT',
    'Sun, 06 Foo 1994 08:50:37 GMT',
    'Sun, 06 Nov 1994 24:50:37 GMT',
    'Sun, 06 Nov 1994 08:60:37 GMT',
    'Sun, 06 Nov 1994 08:50:61 GMT',
    '1994-11-06T08:50:37Z',
  ])('that says nothing: %j', (value) => {
    expect(parseRetryAfter(value, now)).toBeNull();
  });

  it('is null or within 1..300 s, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.integer().map(String), fc.date().map(String)),
        fc.integer(),
        (value, at) => {
          const ms = parseRetryAfter(value, at);
          if (ms !== null) expect(ms >= 1_000 && ms <= 300_000).toBe(true);
        },
      ),
      { numRuns: 2_000, seed: 17 },
    );
  });

  it('is within 1 s of the clamped date, however it is written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), (seconds) => {
        const value = new Date(now + seconds * 1000).toUTCString();
        expect(parseRetryAfter(value, now)).toBe(Math.min(Math.max(seconds, 1), 300) * 1000);
      }),
    );
  });
});

describe('a date of HTTP', () => {
  it.each([
    ['Sunday, 06-Nov-94 08:49:37 GMT', 2025, 1994],
    ['Sunday, 06-Nov-75 08:49:37 GMT', 2025, 2075],
    ['Sunday, 06-Nov-76 08:49:37 GMT', 2025, 1976],
    ['Sunday, 06-Nov-26 08:49:37 GMT', 2025, 2026],
  ])('with two digits of a year, %s in %s', (value, thisYear, year) => {
    const ms = parseHttpDate(value, Date.UTC(thisYear, 5, 1));
    expect(new Date(ms ?? 0).getUTCFullYear()).toBe(year);
  });

  it('is null when it is none', () => {
    expect(parseHttpDate('120', now)).toBeNull();
    expect(parseHttpDate(null, now)).toBeNull();
    expect(parseHttpDate('Sun, 06 Nov 1994 08:49:60 GMT', now)).toBe(now + 23_000);
  });
});
