import { type OptionIssue, OptionsError } from '../errors.js';

/** The rule that a setting breaks, or null. Texts of rules never repeat the value: it may be a credential. */
export type SettingRule = (value: unknown) => string | null;

/**
 * Checks the settings of a strategy: each known one by its rule unless it is absent, all others are refused.
 * @throws OptionsError that lists everything that is wrong
 */
export function checkSettings(settings: unknown, rules: Readonly<Record<string, SettingRule>>): void {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new OptionsError([{ path: 'settings', rule: `must be an object, not ${typeName(settings)}` }]);
  }
  const issues = Object.entries(settings).flatMap(([key, value]): OptionIssue[] => {
    if (!Object.hasOwn(rules, key)) return [{ path: nameable(key), rule: 'is no setting' }];
    const rule = value === undefined ? null : rules[key]?.(value);
    return rule == null ? [] : [{ path: key, rule }];
  });
  if (issues.length > 0) throw new OptionsError(issues);
}

/** What a value is, for a message that must not show the value. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value !== 'number') return typeof value;
  if (Number.isFinite(value)) return value < 0 ? 'a negative number' : 'number';
  return String(value);
}

/** A key that is no name is not repeated: it may be a misplaced URL. */
function nameable(key: string): string {
  return /^[A-Za-z_$][\w$]{0,63}$/.test(key) ? key : '(a key that is no name)';
}
