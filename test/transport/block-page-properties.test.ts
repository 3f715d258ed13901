import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectBlock, MAX_BLOCK_BODY } from '../../src/transport/block-page.js';
import { BLOCK_RULES } from '../../src/transport/block-rules.js';
import { readPages } from './page-fixtures.js';

const pages = [...readPages('ban-pages'), ...readPages('benign-pages')];
const rules = [
  ...BLOCK_RULES.map(({ name }) => name),
  'captcha-redirect',
  'status-401',
  'status-403',
  'status-429',
];

describe('whatever comes', () => {
  const markup = fc
    .array(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('<', '>', '<!--', '-->', '<script', '</script>', '<title>', '"', '&#', ';', '</'),
        fc.constantFrom(...BLOCK_RULES.flatMap(({ marks }) => [...(marks.tag ?? []), ...(marks.text ?? [])])),
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join(''));

  it('never throws, says the same twice, and names a rule of its own', () => {
    const names: readonly (string | null)[] = [null, ...rules];
    fc.assert(
      fc.property(
        markup,
        fc.integer({ min: 0, max: 999 }),
        fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.array(fc.string()))),
        fc.oneof(fc.webUrl(), fc.string()),
        fc.option(fc.oneof(fc.webUrl(), fc.string()), { nil: undefined }),
        fc.boolean(),
        fc.constantFrom('text/html', 'application/json', 'text/plain', ''),
        (body, status, headers, url, finalUrl, plainHttp, type) => {
          const seen = {
            status,
            headers: { ...headers, 'content-type': type },
            url,
            finalUrl,
            body,
            plainHttp,
          };
          const found = detectBlock(seen);
          expect(names).toContain(found.rule);
          expect(found.blocked).toBe(found.rule !== null);
          expect(detectBlock(seen)).toEqual(found);
        },
      ),
      { numRuns: 2_000, seed: 16 },
    );
  });

  it('repeats nothing of the answer', () => {
    const canary = 'hunter2-canary';
    for (const { answer } of pages) {
      const headers = {
        ...(answer.headers as Record<string, string>),
        'x-note': canary,
        'retry-after': canary,
      };
      const url = answer.url.replace('://', `://user:${canary}@`);
      const found = detectBlock({ ...answer, url, headers, body: `${answer.body}${canary}` });
      expect(JSON.stringify(found)).not.toContain(canary);
    }
  });

  /** Best of several runs, in ms: what else runs on the machine only ever adds. */
  const headers = { 'content-type': 'text/html' };
  const cost = (body: string): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 9; run++) {
      const from = performance.now();
      for (let i = 0; i < 3; i++)
        detectBlock({ status: 200, headers, url: 'https://shop.example/', body, plainHttp: false });
      best = Math.min(best, performance.now() - from);
    }
    return best;
  };

  it.each([
    '<',
    '<a ',
    '<a>',
    '<!--',
    '<!-- -->',
    '<script>',
    '<script type=',
    'type=',
    '<script></script>',
    '<title>',
    '</',
    '<div "',
    '&#1',
    '&#39;',
    '&amp',
    ' ',
    ' \n<b>',
    '<b id=px-captch>',
    '<script>_cf_chl_op</script>',
    '<meta refresh',
  ])('takes time in proportion to its length: %j', (unit) => {
    const of = (bytes: number): string => unit.repeat(Math.ceil(bytes / unit.length)).slice(0, bytes);
    // 8 times the length: 8 times the time where it is linear, 64 where it is not. The best of a few tries, for what
    // else runs on the machine can only make one worse.
    let ratio = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 4 && ratio >= 28; attempt++) {
      ratio = cost(of(MAX_BLOCK_BODY)) / Math.max(cost(of(MAX_BLOCK_BODY / 8)), 0.05);
    }
    expect(ratio).toBeLessThan(28);
  });
});
