import { describe, expect, it } from 'vitest';
import {
  classify,
  isHardFault,
  isProxyPage,
  isUnexpectedContent,
  type Phase,
} from '../../src/transport/classify.js';
import { TunnelError, type TunnelFault } from '../../src/transport/tunnel-error.js';
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

  it.each([
    'page.goto: net::ERR_EMPTY_RESPONSE at https://docs.test/proxy/407',
    'page.goto: net::ERR_CONNECTION_RESET at https://docs.test/errors/ECONNREFUSED',
    'page.goto: Timeout 9ms exceeded.\nCall log:\n  - navigating to "http://docs.test/EAI_AGAIN", waiting until "load"',
  ])('is not read from the name of the page that failed: %s', (message) => {
    const error = new Error(message);
    expect(classify({ phase: 'navigation', plainHttp: false, error })).toBe('ambiguous');
    expect(isHardFault(error)).toBe(false);
  });

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

describe('an answer that was looked at', () => {
  const blocked = { blocked: true, proxySpoke: false };
  const benign = { blocked: false, proxySpoke: false };
  const ofProxy = { blocked: false, proxySpoke: true };

  it.each([
    [200, blocked, 'banned', 'banned'],
    [302, blocked, 'banned', 'banned'],
    [503, blocked, 'banned', 'banned'],
    [undefined, blocked, 'banned', 'banned'],
    [200, benign, 'success', 'success'],
    [401, benign, 'success', 'success'],
    [403, benign, 'success', 'success'],
    [503, benign, 'target', 'ambiguous'],
    [407, benign, 'target', 'auth'],
  ] as const)('status %s, %j: %s over https, %s over http', (status, finding, https, http) => {
    const of = (plainHttp: boolean): string =>
      classify({ phase: 'answered', plainHttp, finding, ...(status !== undefined && { status }) });
    expect([of(false), of(true)]).toEqual([https, http]);
  });

  it.each([
    [200, 'success'],
    [403, 'ambiguous'],
    [429, 'ambiguous'],
    [503, 'ambiguous'],
    [407, 'auth'],
  ] as const)('and that the proxy wrote itself, with status %s, is %s', (status, verdict) => {
    expect(classify({ phase: 'answered', plainHttp: true, status, finding: ofProxy })).toBe(verdict);
  });

  it.each([
    ['Request blocked - received 403 status code.', benign, 'success'],
    ['Request blocked - received 403 status code.', blocked, 'banned'],
    ['Request blocked - received 403 status code.', ofProxy, 'ambiguous'],
    ['Blocked by status code 401', benign, 'success'],
    ['Received blocked status code: 403', benign, 'success'],
    // The user made Crawlee refuse 404 as well.
    ['Request blocked - received 404 status code.', benign, 'banned'],
    ['Found selectors: #captcha', benign, 'banned'],
  ] as const)('tells more than the client that says %j: %j', (message, finding, verdict) => {
    const error = new Error(message);
    expect(classify({ phase: 'answered', plainHttp: finding.proxySpoke, error, finding })).toBe(verdict);
  });
});

describe('an error of a tunnel', () => {
  const proxy = { id: 'p1', url: 'http://192.0.2.1:8000' };
  const failed = (fault: TunnelFault): TunnelError => new TunnelError(proxy, 'connect', fault);
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });

  it.each(['proxy', 'auth', 'target', 'ambiguous', 'local', 'neutral'] as const)(
    'has its own verdict, %s, also behind another error',
    (verdict) => {
      // By its texts it would be the proxy's.
      const error = failed({ code: 'PW_PROXY_CONNECT_STATUS', verdict, cause: refused });
      for (const thrown of [error, new Error('fetch failed', { cause: error })])
        expect(classify({ phase: 'navigation', plainHttp: false, error: thrown })).toBe(verdict);
    },
  );

  it('that the user’s code meets says nothing', () => {
    const error = failed({ code: 'PW_PROXY_REFUSED', verdict: 'proxy', cause: refused });
    expect(classify({ phase: 'handler', plainHttp: false, error })).toBe('neutral');
  });

  it.each([
    ['refused', failed({ code: 'PW_PROXY_REFUSED', verdict: 'proxy', cause: refused }), true],
    ['no such name', failed({ code: 'PW_PROXY_NOT_FOUND', verdict: 'proxy' }), true],
    ['the target’s name', failed({ code: 'PW_TARGET_NOT_FOUND', verdict: 'target', cause: unknown }), false],
    [
      'unreachable',
      failed({ code: 'PW_PROXY_REFUSED', verdict: 'proxy', cause: { code: 'EHOSTUNREACH' } }),
      false,
    ],
    ['time', failed({ code: 'PW_PROXY_CONNECT_TIMEOUT', verdict: 'proxy' }), false],
    ['refused, got', refused, true],
    ['no such name, got', unknown, true],
    ['wrapped', new Error('x', { cause: refused }), true],
    ['browser', new Error('page.goto: net::ERR_PROXY_CONNECTION_FAILED'), true],
    ['our resolver', Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' }), false],
    ['reset', new Error('read ECONNRESET'), false],
    ['nothing', undefined, false],
  ])('is hard or not: %s', (_what, error, hard) => {
    expect(isHardFault(error)).toBe(hard);
  });
});
