import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { targetOf } from '../../src/core/target.js';

describe('targetOf', () => {
  it.each([
    ['https://shop.test/a/b?c=d#e', 'shop.test'],
    ['https://Shop.TEST:8443/a', 'shop.test:8443'],
    ['http://shop.test?x=1', 'shop.test'],
    ['http://shop.test#top', 'shop.test'],
    ['http://shop.test', 'shop.test'],
    ['http://shop.test\\@evil.test/', 'shop.test'],
    ['http://[2001:db8::1]:8080/x', '[2001:db8::1]:8080'],
    ['http://user:pass@shop.test/', 'shop.test'],
    ['http://us@er:pa@ss@shop.test/', 'shop.test'],
    ['http://shop.test/?next=http://other.test/', 'shop.test'],
    ['http://shop.test/@other.test', 'shop.test'],
  ])('takes the host out of %s', (url, host) => {
    expect(targetOf(url)).toBe(host);
  });

  it.each(['', 'shop.test/a', 'mailto:a@shop.test', 'http:///path', 'http://user@/x', 'data:text/html,x'])(
    'finds none in %j',
    (url) => {
      expect(targetOf(url)).toBeNull();
    },
  );

  it('agrees with the URL parser on any URL with a port that is not the default', () => {
    fc.assert(
      fc.property(
        fc.webUrl({ validSchemes: ['http', 'https'], withFragments: true, withQueryParameters: true }),
        (text) => {
          const url = new URL(text);
          url.port = '8443';
          expect(targetOf(url.href)).toBe(url.host);
        },
      ),
    );
  });

  it('never gives a credential away', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{4,9}$/), (password) => {
        expect(targetOf(`https://u:${password}X@shop.test/`)).toBe('shop.test');
      }),
    );
  });
});
