import { OptionsError } from '../errors.js';
import type { CheckTarget } from './check-target.js';

/** Settings of a monitor, with their rules kept and their defaults filled in. */
export interface MonitorSettings {
  /** Without it nothing is checked. */
  readonly check?: CheckTarget | undefined;
  /** From one round to the next in ms; each is up to a fifth shorter or longer. */
  readonly intervalMs: number;
  /** Checks at the same time. */
  readonly concurrency: number;
  /** Failed checks in a row that take a proxy out. */
  readonly fall: number;
  /** Passed checks in a row that bring it back. */
  readonly rise: number;
  /** One check in ms. */
  readonly timeoutMs: number;
}

/** @throws OptionsError when there is none: nobody's site is asked unless the user says so */
export function checkOf({ check }: MonitorSettings): CheckTarget {
  if (check !== undefined) return check;
  throw new OptionsError([
    { path: 'health.check.url', rule: 'is needed for active checks; there is no default' },
  ]);
}
