import { type SettingRule, typeName } from './settings.js';

/** One of a few words. */
export function oneOf(...words: readonly string[]): SettingRule {
  const rule = words.map((word) => `'${word}'`).join(' or ');
  return (value) =>
    typeof value === 'string' && words.includes(value) ? null : `must be ${rule}, not ${shown(value)}`;
}

/** A list of texts, none of them blank, with one at least. */
export const texts: SettingRule = (value) => {
  if (!Array.isArray(value)) return `must be an array of texts, not ${typeName(value)}`;
  if (value.length === 0) return 'must hold one text at least; leave it out for none';
  const wrong = value.findIndex((entry) => typeof entry !== 'string' || entry.trim() === '');
  if (wrong < 0) return null;
  const what = typeof value[wrong] === 'string' ? 'blank' : typeName(value[wrong]);
  return `must be an array of texts; entry ${wrong} is ${what}`;
};

/** A number from `least` to `most`. */
export function numberFrom(least: number, most: number): SettingRule {
  const range = most === Number.POSITIVE_INFINITY ? `of ${least} or more` : `from ${least} to ${most}`;
  return (value) => {
    if (typeof value !== 'number') return `must be a number ${range}, not ${typeName(value)}`;
    return Number.isFinite(value) && value >= least && value <= most ? null : `must be a number ${range}`;
  };
}

function shown(value: unknown): string {
  return typeof value === 'string' ? 'another text' : typeName(value);
}
