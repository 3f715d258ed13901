import { SnapshotError } from '../errors.js';

/** Hand-written, because core has no dependency; each names the part that is wrong, never its value. */

/** Counts are kept in 32 bits in places. */
const MAX_COUNT = 2 ** 32 - 1;
export const NO_COUNT = 'is no integer from 0 to 4294967295';

export function checkCounts(from: Record<string, unknown>, names: readonly string[], path: string): void {
  for (const name of names) {
    if (!isCount(from[name])) throw new SnapshotError(`${path}.${name}`, NO_COUNT);
  }
}

export function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT;
}

export function checkNumbers(from: Record<string, unknown>, names: readonly string[], path: string): void {
  for (const name of names) {
    const value = from[name];
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      throw new SnapshotError(`${path}.${name}`, 'is no number of 0 or more');
    }
  }
}

export function checkTexts(from: Record<string, unknown>, names: readonly string[], path: string): void {
  for (const name of names) {
    if (typeof from[name] !== 'string') throw new SnapshotError(`${path}.${name}`, 'is no text');
  }
}

export function objectAt(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new SnapshotError(path, 'is no object');
}

export function arrayAt(value: unknown, path: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new SnapshotError(path, 'is no array');
}
