import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requireAll } from './support/summary-reporter.js';

/** A switched-off test. `skipIf` and `runIf` name a reason, and count as failures where all must run. */
const switchedOff =
  /\b(?:it|test|describe|suite)(?:\.\w+)*\.(?:only|skip|todo|fails)\b|\bx(?:it|test|describe)\(/;

describe('the tests themselves', () => {
  it('are all switched on', () => {
    const found = readdirSync('test', { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) =>
        readFileSync(join('test', name), 'utf8')
          .split('\n')
          .flatMap((line, i) => (switchedOff.test(line) ? [`${name}:${i + 1}: ${line.trim()}`] : [])),
      );
    expect(found).toEqual([]);
  });

  it.each(['only', 'skip', 'todo'])('would be found with .%s', (word) => {
    for (const line of [`it.${word}('x')`, `describe.${word}('x')`, `test.concurrent.${word}('x')`]) {
      expect(line).toMatch(switchedOff);
    }
    expect(`it.${word}If(reason)('x')`).not.toMatch(switchedOff);
  });

  it('must all run in CI, and wherever PROXYWHIRL_REQUIRE_ALL is set', () => {
    expect(requireAll({ CI: 'true' })).toBe(true);
    expect(requireAll({ PROXYWHIRL_REQUIRE_ALL: '1' })).toBe(true);
    expect(requireAll({ CI: 'false' })).toBe(false);
    expect(requireAll({})).toBe(false);
  });
});
