import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createRotator } from '../src/create-rotator.js';
import {
  OptionsError,
  type ProxyWhirlOptions,
  parseProxy,
  proxywhirl,
  type RotatorOptions,
} from '../src/index.js';
import { proxyLine } from './support/test-engine.js';

const canary = 'hunter2-canary';

function errorOf(action: () => unknown): OptionsError {
  try {
    action();
  } catch (error) {
    if (error instanceof OptionsError) return error;
    throw error;
  }
  return expect.unreachable('nothing was thrown');
}

/** As a caller without types would write them. */
const rotatorWith = (options: unknown) => (): unknown => createRotator(options as RotatorOptions);
const whirlWith = (options: unknown) => (): unknown => proxywhirl(options as ProxyWhirlOptions);

const proxies = [proxyLine(0)];

describe('R-30 one clear error', () => {
  it.each([
    [{ retries: 3 }, 'retries', 'is no option'],
    [{ breaker: { treshold: 3 } }, 'breaker.treshold', 'is no option'],
    [{ ban: { cooldown: 3 } }, 'ban.cooldown', 'is no option'],
    [{ breaker: 5 }, 'breaker', 'expected object, received number'],
    [{ breaker: { threshold: 0 } }, 'breaker.threshold', '>0'],
    [{ breaker: { openMs: '10s' } }, 'breaker.openMs', 'expected number, received string'],
    [{ breaker: { maxOpenMs: Number.NaN } }, 'breaker.maxOpenMs', 'expected number, received NaN'],
    [{ breaker: { probeMs: Number.POSITIVE_INFINITY } }, 'breaker.probeMs', 'expected number'],
    [{ ban: { cooldownMs: -1 } }, 'ban.cooldownMs', '>0'],
    [{ ban: { maxCooldownMs: null } }, 'ban.maxCooldownMs', 'received null'],
    [{ ban: { maxPairs: 1.5 } }, 'ban.maxPairs', 'expected int'],
    [{ emaAlpha: 0 }, 'emaAlpha', '>0'],
    [{ emaAlpha: 1 }, 'emaAlpha', '<1'],
    [{ windowSeconds: 86_401 }, 'windowSeconds', '<=86400'],
    [{ windowSeconds: 0 }, 'windowSeconds', '>0'],
    [{ budgets: { bytes: 1 } }, 'budgets', 'expected array'],
    [{ budgets: [{ bytes: 1 }, {}] }, 'budgets.1', 'must have either bytes or cost'],
    [{ budgets: [{ bytes: 1, cost: 1 }] }, 'budgets.0', 'must have either bytes or cost'],
    [{ budgets: [{ bytes: 1, tags: ['dc'] }] }, 'budgets.0.tags', 'is no option'],
    [{ budgets: [{ bytes: 0 }] }, 'budgets.0.bytes', '>0'],
    [{ budgets: [{ cost: -1 }] }, 'budgets.0.cost', '>0'],
    [{ budgets: [{ cost: 1, tag: '' }] }, 'budgets.0.tag', '>=1'],
    [{ budgets: [{ cost: 1, windowSeconds: 0 }] }, 'budgets.0.windowSeconds', '>0'],
    [{ sessionTimeoutSeconds: 0 }, 'sessionTimeoutSeconds', '>0'],
    [{ sessionMaxAgeSeconds: 0 }, 'sessionMaxAgeSeconds', '>0'],
    [{ maxSessions: 0 }, 'maxSessions', '>0'],
    [{ maxSessions: '5' }, 'maxSessions', 'received string'],
    [{ clock: Date.now }, 'clock', 'must be an object with now(): number'],
    [{ random: 4 }, 'random', 'must be a function'],
    [{ strategy: 7 }, 'strategy', 'must be a name'],
    [{ strategy: {} }, 'strategy', 'must be a name'],
    [{ strategy: { name: 'random', sed: 4 } }, 'strategy.sed', 'is no option'],
    [{ proxies: proxyLine(0) }, 'proxies', 'expected array, received string'],
    [{ proxies: [proxyLine(0), 7] }, 'proxies[1]', 'not number'],
    [{ proxies: [{ host: 'a.test', port: 80 }] }, 'proxies[0]', 'must be a proxy line or a parsed proxy'],
    [{ proxies: [proxyLine(0), 'http://a.test:99999'] }, 'proxies[1]', 'line 2: '],
    [null, 'options', 'received null'],
  ])('for createRotator(%j) names %s and the rule %s', (options, path, rule) => {
    const error = errorOf(rotatorWith(options));
    expect(error.code).toBe('PW_OPTIONS_INVALID');
    expect(error.issues).toEqual([{ path, rule: expect.stringContaining(rule) as string }]);
    expect(error.message).toContain(`${path}: `);
  });

  it.each([
    [undefined, 'options', 'received undefined'],
    [{}, 'proxies', 'must hold at least one proxy, or there must be sources'],
    [{ proxies: [] }, 'proxies', 'must hold at least one proxy'],
    [{ proxies: ['', '# all of them off'] }, 'proxies', 'must hold at least one proxy'],
    [{ proxies, onEmpty: 'ignore' }, 'onEmpty', '"fail"|"wait"|"direct"'],
    [{ proxies, waitMs: 0 }, 'waitMs', '>0'],
    [{ proxies, browserAffinity: 'yes' }, 'browserAffinity', 'expected boolean, received string'],
    [{ proxies, freeRetries: -1 }, 'freeRetries', '>=0'],
    [{ proxies, proxyUrls: [] }, 'proxyUrls', 'is no option'],
  ])('for proxywhirl(%j) names %s and the rule %s', (options, path, rule) => {
    expect(errorOf(whirlWith(options)).issues).toEqual([
      { path, rule: expect.stringContaining(rule) as string },
    ]);
  });

  it('names all that is wrong at once', () => {
    const { issues } = errorOf(rotatorWith({ retries: 1, emaAlpha: 5, ban: { maxPairs: 0 } }));
    expect(issues.map(({ path }) => path).sort()).toEqual(['ban.maxPairs', 'emaAlpha', 'retries']);
  });

  it('names each line that is wrong, by its place in the list, and its rule', () => {
    const lines = ['# comment', proxyLine(0), 'nonsense', '', 'ftp://a.test:21'];
    const { issues } = errorOf(rotatorWith({ proxies: lines }));
    expect(issues.map(({ path }) => path)).toEqual(['proxies[2]', 'proxies[4]']);
    for (const [i, line] of [3, 5].entries()) {
      expect(issues[i]?.rule).toMatch(new RegExp(`^line ${line}: .*rule G\\d+, column \\d+`));
    }
  });

  it('refuses a proxy that went through JSON: its password is gone', () => {
    const stored: unknown = JSON.parse(JSON.stringify(parseProxy(`http://user:${canary}@192.0.2.1:8000`)));
    expect(errorOf(rotatorWith({ proxies: [stored] })).issues).toMatchObject([{ path: 'proxies[0]' }]);
  });

  it.each([
    { proxies: [`http://user:${canary}@192.0.2.1:99999`] },
    { proxies: [`${canary} ${canary} ${canary}`] },
    { proxies: `http://user:${canary}@192.0.2.1:8000` },
    { proxies: [{ host: 'a.test', password: canary }] },
    { proxies, onEmpty: `http://user:${canary}@192.0.2.1:8000` },
    { proxies, strategy: `http://user:${canary}@192.0.2.1:8000` },
    { proxies, [`http://user:${canary}@192.0.2.1:8000`]: true },
    { proxies, strategy: { name: 'random', [`user:${canary}`]: 1 } },
    { proxies, waitMs: `user:${canary}` },
    { proxies, clock: { token: canary } },
  ])('never repeats a credential: case %#', (options) => {
    let thrown: unknown;
    try {
      whirlWith(options)();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Error);
    const { message, stack } = thrown as Error;
    const shown = [message, stack, JSON.stringify(thrown), inspect(thrown, { depth: 9, showHidden: true })];
    for (const text of shown) expect(text).not.toContain(canary);
  });
});
