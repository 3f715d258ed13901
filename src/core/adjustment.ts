import { type OptionIssue, OptionsError, SnapshotError } from '../errors.js';
import { objectAt } from './snapshot-checks.js';

/** What an operator has set for a proxy of the pool. Frozen; what is absent is as it came. */
export interface Adjustment {
  readonly disabled?: true;
  /** For the strategy `weighted`, in place of whatever it goes by otherwise; 0 to 1e12, 0 = never. */
  readonly weight?: number;
  /** Instead of those it came with. */
  readonly tags?: readonly string[];
}

/** A change of an {@link Adjustment}: what is absent stays. */
export interface AdjustmentChange {
  readonly disabled?: boolean | undefined;
  /** 0 to 1e12; null = none any more. */
  readonly weight?: number | null | undefined;
  /** None of them empty. */
  readonly tags?: readonly string[] | undefined;
}

/** Source of the proxies that an operator adds at run time: the cache brings them back until they are removed. */
export const OPERATOR_SOURCE = 'api';

/** Whether it is there because a person said so, and not by a source that says for how long. */
export function isListed({ source }: { readonly source?: string | undefined }): boolean {
  return source === undefined || source === OPERATOR_SOURCE;
}

/** Far enough below the largest number that a sum of millions stays finite. */
const MAX_WEIGHT = 1e12;

export const noAdjustment: Adjustment = Object.freeze({});

/** @throws OptionsError naming each value that breaks its rule */
export function adjusted(before: Adjustment, change: AdjustmentChange): Adjustment {
  const { disabled = before.disabled, weight = before.weight, tags = before.tags } = change;
  const issues = faultsOf({ disabled, weight, tags });
  if (issues.length > 0) throw new OptionsError(issues);
  return Object.freeze({
    ...(disabled === true && { disabled }),
    ...(typeof weight === 'number' && { weight }),
    ...(tags !== undefined && { tags: Object.freeze([...tags]) }),
  });
}

/** @throws SnapshotError when a snapshot holds something else */
export function checkAdjustment(given: unknown, path: string): void {
  const [fault] = faultsOf(objectAt(given, path));
  if (fault !== undefined) throw new SnapshotError(`${path}.${fault.path}`, fault.rule);
}

function faultsOf({ disabled, weight, tags }: Readonly<Record<string, unknown>>): OptionIssue[] {
  const holds: [keyof Adjustment, boolean, string][] = [
    ['disabled', disabled === undefined || typeof disabled === 'boolean', 'must be true or false'],
    ['weight', weight == null || isWeight(weight), 'must be a number from 0 to 1e12'],
    ['tags', tags === undefined || areTags(tags), 'must be an array of texts, none of them empty'],
  ];
  return holds.flatMap(([path, ok, rule]) => (ok ? [] : [{ path, rule }]));
}

function isWeight(weight: unknown): boolean {
  return typeof weight === 'number' && weight >= 0 && weight <= MAX_WEIGHT;
}

function areTags(tags: unknown): boolean {
  return Array.isArray(tags) && tags.every((tag) => typeof tag === 'string' && tag !== '');
}
