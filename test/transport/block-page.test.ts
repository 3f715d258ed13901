import { describe, expect, it } from 'vitest';
import { detectBlock, MAX_BLOCK_BODY, placesOf, type SeenAnswer } from '../../src/transport/block-page.js';
import { BLOCK_RULES } from '../../src/transport/block-rules.js';
import { readPages } from './page-fixtures.js';

const bans = readPages('ban-pages');
const benign = readPages('benign-pages');
const statusRules = ['status-401', 'status-403', 'status-429'];
const allRules = [...BLOCK_RULES.map(({ name }) => name), 'captcha-redirect', ...statusRules].sort();

const answer = (more: Partial<SeenAnswer> = {}): SeenAnswer => ({
  status: 200,
  headers: {},
  url: 'https://shop.example/products/7',
  plainHttp: false,
  ...more,
});
const ruleOf = (more: Partial<SeenAnswer>): string | null => detectBlock(answer(more)).rule;
const html = { 'content-type': 'text/html' };

describe('pages that turn a visitor away', () => {
  it('are 20, at least one for each rule', () => {
    expect(bans).toHaveLength(20);
    expect([...new Set(bans.map(({ rule }) => rule))].sort()).toEqual(allRules);
  });

  it.each(bans.map((page) => [page.file, page] as const))('%s is found', (_file, page) => {
    expect(detectBlock(page.answer)).toMatchObject({ blocked: true, rule: page.rule });
  });

  const walls = bans.filter(
    ({ rule, file }) => ![...statusRules, 'captcha-redirect'].includes(rule) && !file.includes('json'),
  );
  it.each(walls.map((page) => [page.file, page] as const))('%s is found with 200 as well', (_file, page) => {
    expect(detectBlock({ ...page.answer, status: 200 }).rule).toBe(page.rule);
  });

  it.each(bans.map((page) => [page.file, page] as const))('%s is found in any case', (_file, page) => {
    const headers = Object.fromEntries(
      Object.entries(page.answer.headers).map(([name, value]) => [name.toUpperCase(), value as string]),
    );
    const body = page.answer.body?.toUpperCase();
    expect(detectBlock({ ...page.answer, headers, body }).rule).toBe(page.rule);
  });

  it('cannot hide behind the first 64 kB being read only, nor be found beyond', () => {
    const wall = bans.find(({ file }) => file.startsWith('captcha-traffic'));
    const body = wall?.answer.body ?? '';
    expect(detectBlock({ ...answer(wall?.answer), body: body + ' '.repeat(2 ** 20) }).blocked).toBe(true);
    expect(detectBlock({ ...answer(wall?.answer), body: ' '.repeat(MAX_BLOCK_BODY) + body }).blocked).toBe(
      false,
    );
  });
});

describe('pages that do not', () => {
  it('are 40, at least one for each rule', () => {
    expect(benign).toHaveLength(40);
    expect([...new Set(benign.map(({ rule }) => rule))].sort()).toEqual(allRules);
  });

  it.each(benign.map((page) => [page.file, page] as const))('%s is not flagged', (_file, page) => {
    expect(detectBlock(page.answer)).toMatchObject({ blocked: false, rule: null });
  });

  it.each(BLOCK_RULES.map((rule) => [rule.name, rule] as const))('come near to %s', (name, rule) => {
    const near = benign.filter((page) => page.rule === name).map((page) => placesOf(page.answer, rule).size);
    expect(Math.max(...near)).toBeGreaterThan(0);
  });

  // The fixtures have teeth: with one place less to agree, some of them would be flagged.
  it('are told apart by the number of places that agree', () => {
    const flagged = BLOCK_RULES.filter((rule) =>
      benign.some(({ answer }) => placesOf(answer, rule).size >= Math.max(1, rule.need - 1)),
    );
    expect(flagged.length).toBeGreaterThanOrEqual(BLOCK_RULES.length - 2);
  });
});

describe('each rule', () => {
  it.each(BLOCK_RULES.map((rule) => [rule.name, rule] as const))(
    '%s is written as it is read',
    (_name, rule) => {
      const signs = [rule.marks, rule.backing, rule.unless ?? {}].flatMap((group) =>
        Object.values(group as Record<string, readonly (string | number)[]>).flat(),
      );
      for (const sign of [...signs, ...(rule.proof ?? [])].map(String)) expect(sign).toBe(sign.toLowerCase());
      expect((rule.marks.tag ?? []).join('')).not.toMatch(/["']/);
      expect(rule.need).toBeGreaterThanOrEqual(2);
      expect(new Set([...Object.keys(rule.marks), ...Object.keys(rule.backing)]).size).toBeGreaterThanOrEqual(
        rule.need,
      );
    },
  );

  it.each(BLOCK_RULES.map((rule) => [rule.name, rule] as const))('%s wants a mark', (_name, rule) => {
    const {
      header = [],
      cookie = [],
      status = [],
      tag = [],
      script = [],
      title = [],
      text = [],
    } = rule.backing;
    const body = `<title>${title[0] ?? ''}</title><div ${tag.join(' ')}></div><script>${script.join(' ')}</script>${text.join(' ')}`;
    const headers = {
      ...html,
      ...Object.fromEntries(header.map((sign) => [sign.split(': ')[0] ?? '', sign.split(': ')[1] ?? ''])),
      'set-cookie': cookie.map((name) => `${name}x=1`),
    };
    expect(detectBlock(answer({ status: status[0] ?? 200, headers, body })).rule).not.toBe(rule.name);
  });
});

describe('a status', () => {
  it.each([
    [200, null],
    [204, null],
    [401, 'status-401'],
    [402, null],
    [403, 'status-403'],
    [404, null],
    [407, null],
    [429, 'status-429'],
    [451, null],
    [500, null],
    [503, null],
    [594, null],
  ])('%s alone: %s', (status, rule) => {
    expect(ruleOf({ status })).toBe(rule);
  });

  it('503 counts with a challenge', () => {
    const page = bans.find(({ file }) => file.startsWith('cloudflare-managed'));
    const headers = { ...(page?.answer.headers as Record<string, string>), 'cf-mitigated': '' };
    expect(detectBlock({ ...answer(page?.answer), headers, status: 503 }).rule).toBe('cloudflare-challenge');
  });

  it.each(['application/json', 'application/problem+json; charset=utf-8', 'text/xml'])(
    '403 in %s is about rights, and 429 is not',
    (type) => {
      expect(ruleOf({ status: 403, headers: { 'content-type': type } })).toBeNull();
      expect(ruleOf({ status: 401, headers: { 'content-type': type } })).toBeNull();
      expect(ruleOf({ status: 429, headers: { 'content-type': type } })).toBe('status-429');
    },
  );

  it('403 in XHTML is a page', () => {
    expect(ruleOf({ status: 403, headers: { 'content-type': 'application/xhtml+xml' } })).toBe('status-403');
  });

  it.each(['x-squid-error', 'proxy-authenticate'])('is not the target’s where %s is in the clear', (name) => {
    const headers = { [name]: 'x' };
    expect(ruleOf({ status: 403, headers, plainHttp: true })).toBeNull();
    expect(ruleOf({ status: 403, headers, plainHttp: false })).toBe('status-403');
  });
});

describe('headers', () => {
  it('may be a function, as of Headers', () => {
    const headers = new Headers({ 'CF-Mitigated': 'challenge', 'Retry-After': '7' });
    expect(detectBlock(answer({ headers: (name) => headers.get(name) }))).toEqual({
      blocked: true,
      rule: 'cloudflare-challenge',
      retryAfterMs: 7_000,
      proxySpoke: false,
    });
  });

  it('are enough where they say it themselves', () => {
    expect(ruleOf({ headers: { 'X-Amzn-Waf-Action': 'captcha' }, status: 405 })).toBe('aws-waf');
    expect(ruleOf({ headers: { 'x-sucuri-block': 'EVA01' } })).toBe('sucuri');
    expect(ruleOf({ headers: { 'cf-mitigated': 'x' } })).toBeNull();
  });

  it('read a date against the clock of the answer', () => {
    const headers = { date: 'Tue, 04 Mar 2025 10:00:00 GMT', 'retry-after': 'Tue, 04 Mar 2025 10:01:30 GMT' };
    expect(detectBlock(answer({ status: 429, headers }), 0).retryAfterMs).toBe(90_000);
    const { date: _, ...undated } = headers;
    const nowWallMs = Date.UTC(2025, 2, 4, 10, 1, 0);
    expect(detectBlock(answer({ status: 429, headers: undated }), nowWallMs).retryAfterMs).toBe(30_000);
  });

  it('tell how long to stay away, blocked or not', () => {
    const headers = { 'retry-after': '20' };
    expect(detectBlock(answer({ status: 503, headers }))).toEqual({
      blocked: false,
      rule: null,
      retryAfterMs: 20_000,
      proxySpoke: false,
    });
    expect(detectBlock(answer())).toEqual({
      blocked: false,
      rule: null,
      retryAfterMs: null,
      proxySpoke: false,
    });
  });

  it.each([
    [['datadome=a', 'x=1'], true],
    ['x=1; Path=/, datadome=a', true],
    ['x=1\ndatadome=a', true],
    ['notdatadome=a', false],
    ['x=datadome=', false],
  ])('find a cookie in %j: %s', (cookies, found) => {
    const rule = BLOCK_RULES.find(({ name }) => name === 'datadome');
    if (rule === undefined) throw new Error('no such rule');
    expect(placesOf(answer({ headers: { 'set-cookie': cookies } }), rule).has('cookie')).toBe(found);
  });
});
