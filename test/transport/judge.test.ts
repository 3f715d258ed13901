import { describe, expect, it } from 'vitest';
import type { UserClassify } from '../../src/core/user-classify.js';
import type { SeenAnswer } from '../../src/transport/block-page.js';
import { Judge } from '../../src/transport/judge.js';
import type { SuspectRule } from '../../src/transport/rule-guard.js';
import { FakeClock } from '../support/fake-clock.js';
import { readPages } from './page-fixtures.js';

const host = 'shop.example';
const who = { host, proxyId: 'p1' };
const reply = (more: Partial<SeenAnswer> = {}): SeenAnswer => ({
  status: 200,
  headers: {},
  url: 'https://shop.example/products/7',
  plainHttp: false,
  ...more,
});

function judgeOf(classify: UserClassify | null = null) {
  const suspects: SuspectRule[] = [];
  const errors: unknown[] = [];
  const judge = new Judge({
    clock: new FakeClock(),
    wallNow: () => Date.UTC(2026, 0, 1),
    classify,
    onSuspect: (suspect) => suspects.push(suspect),
    onClassifyError: (error) => errors.push(error),
  });
  return { judge, suspects, errors };
}

describe('an answer', () => {
  it.each(readPages('ban-pages').map((page) => [page.file, page] as const))('%s is a ban', (_file, page) => {
    expect(judgeOf().judge.answer(page.answer, who)).toMatchObject({
      verdict: 'banned',
      rule: page.rule,
      blocked: true,
      elsewhere: true,
    });
  });

  it.each(readPages('benign-pages').map((page) => [page.file, page] as const))('%s is none', (file, page) => {
    const { verdict, rule, blocked } = judgeOf().judge.answer(page.answer, who);
    const expected = ['proxy-quota-429.json', 'squid-403.json'].includes(file)
      ? ['ambiguous', 'proxy-page']
      : [page.answer.status >= 500 ? 'target' : 'success', null];
    expect([verdict, rule, blocked]).toEqual([...expected, false]);
  });

  it('of success is nobody’s to better', () => {
    expect(judgeOf().judge.answer(reply(), who)).toEqual({
      verdict: 'success',
      rule: null,
      retryAfterMs: null,
      blocked: false,
      elsewhere: false,
    });
  });

  it.each([
    [403, { 'content-type': 'application/json' }, 'success'],
    [403, { 'content-type': 'text/html' }, 'banned'],
    [401, { 'www-authenticate': 'Basic' }, 'success'],
    [429, { 'content-type': 'application/json' }, 'banned'],
    [503, { 'cf-mitigated': 'challenge' }, 'banned'],
    [503, {}, 'target'],
    [407, {}, 'target'],
  ] as const)('with status %s and %j is %s', (status, headers, verdict) => {
    expect(judgeOf().judge.answer(reply({ status, headers }), who).verdict).toBe(verdict);
  });

  it.each([
    [403, 'x-squid-error', 'ERR_ACCESS_DENIED 0'],
    [429, 'proxy-status', 'gate; error=http_request_denied'],
    [401, 'proxy-authenticate', 'Basic'],
    [503, 'server', 'squid/5.7'],
    [403, 'server', 'tinyproxy/1.11.1'],
  ])('with status %s and the mark %s: %s is the proxy’s own over http only', (status, name, value) => {
    const seen = { status, headers: { [name]: value, 'content-type': 'text/html' } };
    const { judge } = judgeOf();
    expect(judge.answer(reply({ ...seen, url: 'http://shop.example/', plainHttp: true }), who)).toMatchObject(
      {
        verdict: 'ambiguous',
        rule: 'proxy-page',
        blocked: false,
        elsewhere: true,
      },
    );
    expect(judge.answer(reply(seen), who).verdict).toBe(status === 503 ? 'target' : 'banned');
  });

  it('that a proxy passed on is the target’s, whatever the proxy adds', () => {
    const headers = { via: '1.1 gate (squid/5.7)', server: 'nginx', 'x-squid-error': undefined };
    expect(judgeOf().judge.answer(reply({ status: 403, headers, plainHttp: true }), who).verdict).toBe(
      'banned',
    );
  });

  it('says how long to stay away; a date is read against the answer’s own, else against ours', () => {
    const { judge } = judgeOf();
    const afterMs = (headers: SeenAnswer['headers']): number | null =>
      judge.answer(reply({ status: 429, headers }), who).retryAfterMs;
    expect(afterMs({ 'retry-after': '7' })).toBe(7_000);
    expect(afterMs({ 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' })).toBe(60_000);
    expect(afterMs({})).toBeNull();
  });
});

describe('the user’s rule', () => {
  it('sees the answer and goes before the built-in ones', () => {
    const seen: unknown[] = [];
    const { judge } = judgeOf((answer) => {
      seen.push({ ...answer, headers: [answer.headers.get('X-Wall'), answer.headers.get('absent')] });
      return 'banned';
    });
    const answer = reply({ headers: { 'X-WALL': 'yes' }, body: 'x'.repeat(70_000) });
    expect(judge.answer(answer, who)).toMatchObject({ verdict: 'banned', rule: 'classify', blocked: true });
    expect(seen).toEqual([
      { url: answer.url, status: 200, headers: ['yes', null], body: 'x'.repeat(65_536), ...who },
    ]);
  });

  it.each([
    ['success', false],
    ['neutral', false],
    ['target', false],
    ['local', false],
    ['proxy', true],
    ['auth', true],
    ['ambiguous', true],
    ['banned', true],
  ] as const)('%s is taken for a ban page; another proxy may better it: %s', (verdict, elsewhere) => {
    const ban = readPages('ban-pages')[0]?.answer ?? reply();
    expect(judgeOf(() => verdict).judge.answer(ban, who)).toMatchObject({
      verdict,
      rule: 'classify',
      blocked: verdict === 'banned',
      elsewhere,
    });
  });

  it('without an opinion leaves it to them', () => {
    const { judge } = judgeOf(() => undefined);
    expect(judge.answer(reply({ status: 429 }), who)).toMatchObject({
      verdict: 'banned',
      rule: 'status-429',
    });
    expect(judge.answer(reply(), who)).toMatchObject({ verdict: 'success', rule: null });
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('mine');
      },
    ],
    ['returns no verdict', () => 'bad'],
    [
      'is asynchronous',
      async () => {
        throw new Error('mine');
      },
    ],
  ])('that %s is told of, and the built-in ones decide', (_what, rule) => {
    const { judge, errors } = judgeOf(rule as UserClassify);
    expect(judge.answer(reply({ status: 429 }), who).rule).toBe('status-429');
    expect(errors).toHaveLength(1);
  });

  it.each(['banned', 'proxy', 'auth', 'ambiguous'] as const)(
    'that says %s of everything is not believed any more, and told of once',
    (verdict) => {
      const { judge, suspects } = judgeOf(() => verdict);
      const verdicts = Array.from({ length: 40 }, (_, i) =>
        judge.answer(reply(), { host, proxyId: `p${i % 8}` }),
      );
      expect(verdicts.map((one) => one.verdict)).toEqual([
        ...Array.from({ length: 19 }, () => verdict),
        ...Array.from({ length: 21 }, () => 'neutral'),
      ]);
      expect(verdicts.at(-1)).toMatchObject({ rule: 'classify', blocked: false, elsewhere: false });
      expect(suspects).toEqual([{ host, rule: 'classify', answers: 20, flagged: 20, proxies: 8 }]);
    },
  );

  it('that says success of everything is nobody’s loss', () => {
    const { judge, suspects } = judgeOf(() => 'success');
    for (let i = 0; i < 40; i++) judge.answer(reply(), { host, proxyId: `p${i}` });
    expect(suspects).toEqual([]);
  });
});

describe('a built-in rule that flags all of a host', () => {
  it('is not believed there any more, but elsewhere', () => {
    const { judge, suspects } = judgeOf();
    const forbidden = reply({ status: 403 });
    for (let i = 0; i < 20; i++) judge.answer(forbidden, { host, proxyId: `p${i % 5}` });
    expect(judge.answer(forbidden, who)).toMatchObject({
      verdict: 'neutral',
      rule: 'status-403',
      blocked: false,
    });
    expect(judge.answer(forbidden, { ...who, host: 'b.example' }).verdict).toBe('banned');
    expect(suspects).toHaveLength(1);
  });

  it('is believed when all that it reads is a 429: a site may slow everybody down', () => {
    const { judge, suspects } = judgeOf();
    const slowDown = reply({ status: 429, headers: { 'retry-after': '7' } });
    for (let i = 0; i < 60; i++) {
      const { verdict, retryAfterMs } = judge.answer(slowDown, { host, proxyId: `p${i % 8}` });
      expect([verdict, retryAfterMs]).toEqual(['banned', 7_000]);
    }
    expect(suspects).toEqual([]);
  });
});

describe('what handlers say', () => {
  it('is a ban of the answer that was judged before, which counts once', () => {
    const { judge, suspects } = judgeOf();
    const said = Array.from({ length: 40 }, (_, i) => {
      const pair = { host, proxyId: `p${i % 8}` };
      judge.answer(reply(), pair);
      return judge.handler(pair);
    });
    expect(said).toEqual([
      ...Array.from({ length: 19 }, () => 'banned'),
      ...Array.from({ length: 21 }, () => 'neutral'),
    ]);
    expect(suspects).toEqual([{ host, rule: 'handler', answers: 20, flagged: 20, proxies: 8 }]);
  });

  it('is believed where other answers are not complained of', () => {
    const { judge, suspects } = judgeOf();
    for (let i = 0; i < 60; i++) {
      const pair = { host, proxyId: `p${i % 8}` };
      judge.answer(reply(), pair);
      if (i % 2 === 0) expect(judge.handler(pair)).toBe('banned');
    }
    expect(suspects).toEqual([]);
  });

  it('may have names, each with a share of its own', () => {
    const { judge } = judgeOf();
    for (let i = 0; i < 20; i++) {
      const pair = { host, proxyId: `p${i % 8}` };
      judge.answer(reply(), pair);
      judge.handler(pair, i % 2 === 0 ? 'markBad' : 'SessionError');
    }
    expect(judge.handler(who, 'markBad')).toBe('banned');
  });
});
