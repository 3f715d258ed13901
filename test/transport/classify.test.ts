import { describe, expect, it } from 'vitest';
import { classify, isProxyPage, isUnexpectedContent, type Phase } from '../../src/transport/classify.js';
import { ANSI, rows } from './error-rows.js';

describe('an error', () => {
  it.each(rows.map((row) => [row.what, row] as const))(
    '%s',
    (_what, { error, verdict, phase = 'navigation' }) => {
      const verdicts = [false, true].map((plainHttp) => classify({ phase, plainHttp, error }));
      expect(verdicts).toEqual(typeof verdict === 'string' ? [verdict, verdict] : verdict);
    },
  );

  it('is found among the causes, by code alone too', () => {
    const cause = Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
    const error = new Error('fetch failed', { cause: new Error('wrapped', { cause }) });
    expect(classify({ phase: 'navigation', plainHttp: false, error })).toBe('proxy');
  });

  it.each(['net::ERR_PROXY_CONNECTION_FAILED', 42, null, { code: 'ECONNREFUSED' }, Object.create(null)])(
    'may be anything that can be thrown: case %#',
    (error) => {
      expect(['proxy', 'ambiguous']).toContain(classify({ phase: 'navigation', plainHttp: false, error }));
    },
  );

  it('that is its own cause ends', () => {
    const error = new Error('x');
    error.cause = error;
    expect(classify({ phase: 'navigation', plainHttp: false, error })).toBe('ambiguous');
  });

  it('with colours inside the text is read without them', () => {
    const error = new Error(`net::ERR_PROXY_${ANSI}CONNECTION_FAILED`);
    expect(classify({ phase: 'navigation', plainHttp: false, error })).toBe('proxy');
  });

  it("with the proxy's own page as the answer is judged by the status", () => {
    const error = new Error('Proxy responded with 407 in place of the target.');
    expect(classify({ phase: 'answered', plainHttp: true, error, status: 407 })).toBe('auth');
    expect(classify({ phase: 'answered', plainHttp: true, error: new Error('x'), status: 594 })).toBe(
      'ambiguous',
    );
    expect(classify({ phase: 'answered', plainHttp: false, error: new Error('x'), status: 594 })).toBe(
      'neutral',
    );
  });
});

describe('an answer', () => {
  it.each([
    [200, 'success', 'success'],
    [304, 'success', 'success'],
    [404, 'success', 'success'],
    [401, 'banned', 'banned'],
    [403, 'banned', 'banned'],
    [429, 'banned', 'banned'],
    [407, 'target', 'auth'],
    [597, 'target', 'auth'],
    [500, 'target', 'ambiguous'],
    [503, 'target', 'ambiguous'],
    [594, 'target', 'ambiguous'],
    [undefined, 'success', 'success'],
  ] as const)('with status %s is %s over https and %s over http', (status, https, http) => {
    const of = (plainHttp: boolean, phase: Phase): string =>
      classify({ phase, plainHttp, ...(status !== undefined && { status }) });
    expect([of(false, 'answered'), of(true, 'answered')]).toEqual([https, http]);
    expect([of(false, 'handler'), of(true, 'handler')]).toEqual([https, http]);
  });

  it.each(['start', 'navigation'] as const)('that never came is no success: ended in phase %s', (phase) => {
    expect(classify({ phase, plainHttp: false })).toBe('neutral');
  });
});

describe('the page of a proxy', () => {
  it.each([
    [407, true, true],
    [590, true, true],
    [599, true, true],
    [589, true, false],
    [600, true, false],
    [502, true, false],
    [407, false, false],
    [594, false, false],
  ])('%s over plain http %s: %s', (status, plainHttp, expected) => {
    expect(isProxyPage(status, plainHttp)).toBe(expected);
  });

  it('may be behind a refused content type', () => {
    expect(isUnexpectedContent(new Error('Resource x served Content-Type text/plain, but ...'))).toBe(true);
    expect(isUnexpectedContent(new Error('x'))).toBe(false);
  });
});
