import { describe, expect, it } from 'vitest';
import { detectBlock, type SeenAnswer } from '../../src/transport/block-page.js';

const answer = (more: Partial<SeenAnswer> = {}): SeenAnswer => ({
  status: 200,
  headers: {},
  url: 'https://shop.example/products/7',
  plainHttp: false,
  ...more,
});
const ruleOf = (more: Partial<SeenAnswer>): string | null => detectBlock(answer(more)).rule;

describe('a redirect', () => {
  it.each([
    ['https://geo.captcha-delivery.com/captcha/?x=1', 'captcha-redirect'],
    ['https://validate.perfdrive.com/?ssa=1', 'captcha-redirect'],
    ['/captcha', 'captcha-redirect'],
    ['/en/captcha.html', 'captcha-redirect'],
    ['/en-gb/robot-check', 'captcha-redirect'],
    ['/errors/validateCaptcha?amzn=1', 'captcha-redirect'],
    ['/blocked?url=%2Fproducts%2F7', 'captcha-redirect'],
    ['/challenge?next=https%3A%2F%2Fshop.example%2Fproducts%2F7', 'captcha-redirect'],
    ['/challenge/summer', null],
    ['/blocked', null],
    ['/products/captcha', null],
    ['/captcha-guide', null],
    ['/products/7?captcha=1', null],
    ['https://evil-captcha-delivery.com/', null],
    ['https://captcha-delivery.com.example/', null],
    ['http://[', null],
    ['', null],
  ])('to %s: %s', (to, rule) => {
    expect(ruleOf({ status: 302, headers: { location: to } })).toBe(rule);
    expect(ruleOf({ status: 200, headers: { location: to } })).toBeNull();
    if (URL.canParse(to, answer().url)) {
      expect(ruleOf({ finalUrl: new URL(to, answer().url).href })).toBe(rule);
    }
  });

  it('to what was asked for is none', () => {
    expect(ruleOf({ url: 'https://a.example/captcha', finalUrl: 'https://a.example/captcha' })).toBeNull();
    expect(ruleOf({ url: 'https://a.example/Captchas', finalUrl: 'https://a.example/captcha' })).toBeNull();
    expect(ruleOf({ url: 'nonsense', finalUrl: 'https://a.example/captcha' })).toBeNull();
  });

  it('after others is read from where they led', () => {
    const hop = {
      url: 'https://a.example/x',
      finalUrl: 'https://b.example/x',
      headers: { location: '/captcha' },
    };
    expect(ruleOf({ ...hop, status: 307 })).toBe('captcha-redirect');
  });
});
