import { type OptionIssue, OptionsError } from '../errors.js';
import { httpUrl } from '../transport/fetch-init.js';
import type { CheckTarget } from './probe.js';

/** Settings of a monitor. */
export interface MonitorSettings {
  /** Without it nothing is checked. @default none */
  readonly check?: CheckTarget | undefined;
  /** From one round to the next in ms, at least 1,000; each is up to a fifth shorter or longer. @default 30_000 */
  readonly intervalMs?: number | undefined;
  /** Checks at the same time. @default 10 */
  readonly concurrency?: number | undefined;
  /** Failed checks in a row that take a proxy out. @default 3 */
  readonly fall?: number | undefined;
  /** Passed checks in a row that bring it back. @default 2 */
  readonly rise?: number | undefined;
  /** One check in ms. @default 10_000 */
  readonly timeoutMs?: number | undefined;
}

export interface ResolvedMonitorSettings {
  readonly check: CheckTarget | undefined;
  readonly intervalMs: number;
  readonly concurrency: number;
  readonly fall: number;
  readonly rise: number;
  readonly timeoutMs: number;
}

/** @throws OptionsError */
export function resolveSettings(settings: MonitorSettings = {}): ResolvedMonitorSettings {
  const { check, intervalMs = 30_000, concurrency = 10, fall = 3, rise = 2, timeoutMs = 10_000 } = settings;
  const issues: OptionIssue[] = [];
  const whole = (path: string, value: number, least: number): void => {
    if (!Number.isSafeInteger(value) || value < least)
      issues.push({ path, rule: `must be a whole number of at least ${least}` });
  };
  // A pool of one that is down is asked once a second at most.
  whole('intervalMs', intervalMs, 1_000);
  whole('concurrency', concurrency, 1);
  whole('fall', fall, 1);
  whole('rise', rise, 1);
  whole('timeoutMs', timeoutMs, 1);
  const rule = 'must be an absolute http or https URL without credentials';
  if (check !== undefined && httpUrl(check.url) === null) issues.push({ path: 'check.url', rule });
  if (typeof check?.judge === 'object' && httpUrl(check.judge.url) === null)
    issues.push({ path: 'check.judge.url', rule });
  if (issues.length > 0) throw new OptionsError(issues);
  return Object.freeze({ check, intervalMs, concurrency, fall, rise, timeoutMs });
}

/** @throws OptionsError when there is none: nobody's site is asked unless the user says so */
export function checkOf({ check }: ResolvedMonitorSettings): CheckTarget {
  if (check !== undefined) return check;
  throw new OptionsError([{ path: 'check.url', rule: 'is needed for active checks; there is no default' }]);
}
