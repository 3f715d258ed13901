import { describe, expect, it } from 'vitest';
import { detectBlock, type SeenAnswer } from '../../src/transport/block-page.js';
import { splitPage } from '../../src/transport/page-parts.js';

const answer = (more: Partial<SeenAnswer> = {}): SeenAnswer => ({
  status: 200,
  headers: {},
  url: 'https://shop.example/products/7',
  plainHttp: false,
  ...more,
});
const ruleOf = (more: Partial<SeenAnswer>): string | null => detectBlock(answer(more)).rule;
const html = { 'content-type': 'text/html' };

describe('a page', () => {
  const wall = '<title>Robot check</title><p>Solve the captcha.</p>';

  it.each([
    ['text/html', true],
    ['application/xhtml+xml', true],
    ['', true],
    ['application/json', true],
    ['text/plain', false],
    ['image/svg+xml', false],
    ['application/javascript', false],
  ])('as %j is looked at as one: %s', (type, found) => {
    expect(ruleOf({ headers: { 'content-type': type }, body: wall })).toBe(found ? 'captcha-page' : null);
  });

  it.each([
    ['comment', `<!-- ${wall} -->`],
    ['data', `<script type="application/ld+json">${wall}</script>`],
    ['style', `<style>${wall}</style>`],
    ['comment without an end', `<!-- ${wall}`],
    ['second title', '<title>a</title><svg><title>robot check</title></svg>Solve the captcha'],
  ])('does not count what is in a %s', (_what, body) => {
    expect(ruleOf({ headers: html, body })).toBeNull();
  });

  it.each(['id=px-captcha', "id='px-captcha'", 'ID="px-captcha"'])('may be quoted at will: %s', (id) => {
    const body = `<div ${id}></div>Press &amp; hold`;
    expect(ruleOf({ headers: html, body })).toBe('perimeterx');
    expect(ruleOf({ headers: html, body: body.replace('px-captcha', 'px-captcha-modal') })).toBeNull();
  });

  it('may be the answer of an API', () => {
    const body = '{"appId":"PXexample01","uuid":"7","blockScript":"/example01/captcha.js"}';
    const headers = { 'content-type': 'application/json' };
    expect(ruleOf({ status: 403, headers, body })).toBe('perimeterx');
    expect(ruleOf({ status: 200, headers, body })).toBeNull();
    expect(ruleOf({ status: 403, headers, body: `${body}${' '.repeat(5_000)}` })).toBeNull();
    expect(ruleOf({ status: 403, body })).toBe('perimeterx');
  });

  it('of plain text may be a refusal', () => {
    const headers = { server: 'cloudflare', 'content-type': 'text/plain' };
    expect(ruleOf({ status: 403, headers, body: 'error code: 1020' })).toBe('cloudflare-block');
    expect(ruleOf({ status: 200, headers, body: 'error code: 1020' })).toBeNull();
  });

  it.each(['"', "'", ''])('with a form for something else is none, quoted with %j', (quote) => {
    const field = `<input type=${quote}password${quote}>`;
    expect(ruleOf({ headers: html, body: `${wall}${field}` })).toBeNull();
    expect(ruleOf({ status: 403, headers: html, body: `<p>Log in</p>${field}` })).toBeNull();
  });

  it('that has a story to tell is none', () => {
    const story = (length: number): string => `${wall}<p>${'Lamps and more. '.repeat(length / 16)}</p>`;
    expect(ruleOf({ headers: html, body: story(320) })).toBe('captcha-page');
    // Longer than this wall gets, shorter than the longest of all.
    expect(ruleOf({ headers: html, body: story(1_600) })).toBeNull();
    expect(ruleOf({ headers: html, body: story(16_000) })).toBeNull();
    expect(splitPage(story(16_000), 'text/html', 2_000)).toBeNull();
  });

  it('that carries a wall as data is none', () => {
    const body = (type: string): string =>
      `<title>Access to this page has been denied</title><script${type}>pxCaptchaSrc</script>`;
    for (const type of ['', ' type="module"', " type='text/javascript'"]) {
      expect(ruleOf({ headers: html, body: body(type) })).toBe('perimeterx');
    }
    for (const type of [
      ' type="application/json"',
      " id='x' type='application/ld+json'",
      ' type=text/template',
    ]) {
      expect(ruleOf({ headers: html, body: body(type) })).toBeNull();
    }
  });

  // Shapes that are seen without any header of the vendor, in a browser or behind a cache, with 200.
  it.each([
    [
      'datadome',
      "<script>var dd={'rt':'i'}</script><script src='https://ct.captcha-delivery.com/i.js'></script>",
    ],
    ['kasada', '<script>window.KPSDK={}</script><script src="/a/b/ips.js?KP_UIDz=c"></script>'],
    ['akamai-challenge', '<div id="sec-if-cpt-container"></div><p>Powered and protected by</p>'],
    ['imperva', '<iframe src="/_Incapsula_Resource?SWUDNSAI=31">Incapsula incident ID: 1</iframe>'],
    [
      'imperva',
      '<title>Pardon Our Interruption</title><script>window.reeseSkipExpirationCheck = true;</script>',
    ],
  ])('of %s needs no header', (rule, body) => {
    expect(ruleOf({ headers: html, body })).toBe(rule);
  });
});
