import type { AcquireContext } from '../core/selection-rules.js';
import { isSessionId } from '../core/sessions.js';
import { type OptionIssue, OptionsError } from '../errors.js';

/** Which proxy a client asks for. */
export interface ClientContext {
  /** All requests with this id use one proxy, for as long as that proxy serves. @default none */
  readonly sessionId?: string | undefined;
  /** ISO 3166-1 alpha-2 code or name of the proxy's country. @default any */
  readonly country?: string | undefined;
  /** Tags that the proxy must have, all of them. @default any */
  readonly tags?: readonly string[] | undefined;
}

const contextRules: Readonly<Record<keyof ClientContext, readonly [(value: unknown) => boolean, string]>> = {
  sessionId: [isId, 'must be 1 to 128 letters, digits or ._~-'],
  country: [isText, 'must be a text that is not empty'],
  tags: [(value) => Array.isArray(value) && value.every(isText), 'must be an array of texts, none empty'],
};

/** Further options: name -> test and what it says. */
export type OptionRules = Readonly<Record<string, readonly [(value: unknown) => boolean, string]>>;

export const wholeMs: OptionRules[string] = [
  (value) => Number.isInteger(value) && (value as number) > 0,
  'must be a whole number of ms above 0',
];
export const flag: OptionRules[string] = [(value) => typeof value === 'boolean', 'must be true or false'];
export const settings: OptionRules[string] = [
  (value) => typeof value === 'object' && value !== null,
  'must be an object',
];

/**
 * Checks options; unknown names are refused.
 * @throws OptionsError that names each of them
 */
export function checkOptions(given: object, rules: OptionRules = {}): void {
  const known: OptionRules = { ...contextRules, ...rules };
  const issues: OptionIssue[] = [];
  for (const [path, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const rule = Object.hasOwn(known, path) ? known[path] : undefined;
    if (rule === undefined) issues.push({ path, rule: 'is not known' });
    else if (!rule[0](value)) issues.push({ path, rule: rule[1] });
  }
  if (issues.length > 0) throw new OptionsError(issues);
}

/** What the engine is asked with. */
export function acquireContext({ sessionId, country, tags }: ClientContext, url?: string): AcquireContext {
  return {
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(country === undefined ? {} : { country }),
    ...(tags === undefined ? {} : { tags }),
    ...(url === undefined ? {} : { url }),
  };
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && isSessionId(value);
}
