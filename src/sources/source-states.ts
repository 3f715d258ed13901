import type { SourceState } from './refresh.js';

/** What was kept of sources, without what is not as we keep it: a file may have been changed by anybody. */
export function readSourceStates(kept: unknown): Record<string, SourceState> {
  if (!isRecord(kept)) return {};
  return Object.fromEntries(
    Object.entries(kept).flatMap(([name, state]) => (isState(state) ? [[name, state]] : [])),
  );
}

function isState(state: unknown): state is SourceState {
  if (!isRecord(state)) return false;
  const { ageMs, ids, validator, fingerprint } = state;
  return (
    typeof ageMs === 'number' &&
    ageMs >= 0 &&
    Array.isArray(ids) &&
    ids.every(isText) &&
    (validator === null || (isRecord(validator) && Object.values(validator).every(isText))) &&
    (fingerprint === null || isText(fingerprint))
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
