import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import { proxyUrl } from '../../src/core/proxy.js';
import { ProxyParseError } from '../../src/errors.js';
import { accepted, refused, ruleOf } from './proxy-lines.js';

function refusal(line: string): ProxyParseError {
  try {
    parseProxy(line);
  } catch (error) {
    if (error instanceof ProxyParseError) return error;
    throw error;
  }
  throw new Error('the line was accepted');
}

describe('line grammar, accepted', () => {
  it.each(accepted)('%s %s', (_rule, _shows, line, url) => {
    expect(proxyUrl(parseProxy(line))).toBe(url);
  });
});

describe('line grammar, refused', () => {
  it.each(refused)('%s %s', (rule, shows, line, column) => {
    const error = refusal(line);
    expect({ rule: error.rule, column: error.column }).toEqual({ rule: ruleOf[shows] ?? rule, column });
    expect(error.code).toBe('PW_PROXY_INVALID');
  });
});

it('has a row for each rule and enough of them', () => {
  const rules = new Set([...accepted, ...refused].map(([rule]) => rule));
  expect(rules.size).toBe(14);
  expect(accepted.length + refused.length).toBeGreaterThanOrEqual(120);
});

it('R-06 G11 takes a country code from the columns', () => {
  const country = (line: string): string | undefined => parseProxy(line).geo?.countryCode;
  expect(country('203.0.113.7 80 DE elite')).toBe('DE');
  expect(country('203.0.113.7:80,uk,socks5')).toBe('GB');
  expect(country('203.0.113.7:80 elite FR')).toBe('FR');
  expect(country('203.0.113.7:80 XX')).toBeUndefined();
  // The "no" of an Https column is not Norway.
  expect(country('203.0.113.7:80 elite no')).toBeUndefined();
});

it('G14 tells absent from empty', () => {
  expect(parseProxy('http://h:1')).toMatchObject({ username: null, password: null });
  expect(parseProxy('http://@h:1')).toMatchObject({ username: '', password: null });
  expect(parseProxy('http://u:@h:1').password?.reveal()).toBe('');
});

it('G1 refuses what is not a text', () => {
  expect(() => parseProxy(undefined as never)).toThrow(ProxyParseError);
});

it('Q-04 names rule and column, and repeats nothing of a credential', () => {
  const canary = 'c4n4ry';
  const lines = [
    `http://u:${canary}@203.0.113.7:99999`,
    `http://${canary}:${canary}@203.0.113.7/path`,
    `ftp://u:${canary}@h:1`,
    `u:${canary} x@h:1`,
    `203.0.113.7:0:u:${canary}`,
    `203.0.113.7:99999@u:${canary}`,
    `socks4://u:${canary}@h:1`,
    `http://u:${canary}%00@h:1`,
    `${canary}://x`,
    `h:80/${canary}`,
    canary,
    `${canary}:${canary}`,
  ];
  for (const line of lines) {
    const error = refusal(line);
    expect(error.message).toMatch(/\(rule G\d+, column \d+\)$/);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(canary);
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain(canary);
  }
});
