import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.js';

const secret = Secret.of('hunter2');

it('Q-04 shows [redacted] in every way of printing', () => {
  expect(`${secret}`).toBe('[redacted]');
  expect(String(secret)).toBe('[redacted]');
  expect(JSON.stringify({ secret })).toBe('{"secret":"[redacted]"}');
  expect(inspect(secret)).toBe('[redacted]');
  expect(inspect({ deep: { secret } }, { showHidden: true, depth: 9 })).toBe(
    '{ deep: { secret: [redacted] } }',
  );
  expect(inspect(secret, { customInspect: false, showHidden: true })).not.toContain('hunter2');
});

it('Q-04 gives nothing to reflection, spread and clone', () => {
  expect({ ...secret }).toEqual({});
  expect(Reflect.ownKeys(secret)).toEqual([]);
  expect(JSON.stringify(structuredClone(secret))).toBe('{}');
});

it('reveals its text on request, the empty one as well', () => {
  expect(secret.reveal()).toBe('hunter2');
  expect(Secret.of('').reveal()).toBe('');
});

it('compares by text', () => {
  expect(secret.equals(Secret.of('hunter2'))).toBe(true);
  expect(secret.equals(Secret.of('hunter3'))).toBe(false);
  expect(secret.equals(null)).toBe(false);
});

it('cannot be changed', () => {
  expect(Object.isFrozen(secret)).toBe(true);
});
