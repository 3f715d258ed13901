const minMs = 1_000;
const maxMs = 300_000;

/**
 * How long `Retry-After` asks us to stay away, in ms, clamped to 1..300 s: a site may not lock a proxy out for a day,
 * nor have us hammer it. Seconds or a date (RFC 9110, 10.2.3). Null for what is neither, and for a date that is
 * over: it tells of a clock that is wrong, and the caller's own back-off knows better.
 *
 * @param nowWallMs what the date is read against, in ms since 1970; best the answer's own `Date`.
 * @param mostMs instead of 300 s
 */
export function parseRetryAfter(
  value: string | null | undefined,
  nowWallMs: number,
  mostMs: number = maxMs,
): number | null {
  const wish = value?.trim() ?? '';
  const ms = /^\d+$/.test(wish) ? Number(wish) * 1000 : dateMs(wish, nowWallMs) - nowWallMs;
  return ms >= 0 ? Math.min(Math.max(ms, minMs), mostMs) : null;
}

/** A date of HTTP in ms since 1970; null when it is none. `nowWallMs` tells the century of a two-digit year. */
export function parseHttpDate(value: string | null | undefined, nowWallMs: number): number | null {
  const ms = dateMs(value?.trim() ?? '', nowWallMs);
  return Number.isNaN(ms) ? null : ms;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** The three forms of RFC 9110, 5.6.7. `Date.parse` is no help: it takes almost anything, in local time. */
const forms: readonly RegExp[] = [
  /^[a-z]{3}, (?<day>\d\d) (?<month>[a-z]{3}) (?<year>\d{4}) (?<h>\d\d):(?<m>\d\d):(?<s>\d\d) gmt$/,
  /^[a-z]{6,9}, (?<day>\d\d)-(?<month>[a-z]{3})-(?<year>\d\d) (?<h>\d\d):(?<m>\d\d):(?<s>\d\d) gmt$/,
  /^[a-z]{3} (?<month>[a-z]{3}) (?<day>[ \d]\d) (?<h>\d\d):(?<m>\d\d):(?<s>\d\d) (?<year>\d{4})$/,
];

function dateMs(value: string, nowWallMs: number): number {
  const text = value.toLowerCase();
  const found = forms.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
  if (found === undefined) return Number.NaN;
  const month = months.indexOf(found.month ?? '');
  const [day, h, m, s] = [Number(found.day), Number(found.h), Number(found.m), Number(found.s)];
  if (month < 0 || h > 23 || m > 59 || s > 60) return Number.NaN;
  const date = new Date(0);
  date.setUTCFullYear(fullYear(found.year ?? '', nowWallMs), month, day);
  // 31 February rolls over into March.
  if (date.getUTCMonth() !== month) return Number.NaN;
  return date.setUTCHours(h, m, s);
}

/** Two digits that seem to be more than 50 years ahead are of the past century (RFC 9110, 5.6.7). */
function fullYear(digits: string, nowWallMs: number): number {
  const year = Number(digits);
  if (digits.length > 2) return year;
  const thisYear = new Date(nowWallMs).getUTCFullYear();
  const guess = thisYear - (thisYear % 100) + year;
  return guess > thisYear + 50 ? guess - 100 : guess;
}
