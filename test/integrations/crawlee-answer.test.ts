import { describe, expect, it } from 'vitest';
import { readBody, readPage, readResponse } from '../../src/integrations/crawlee-answer.js';
import { nodeTimers } from '../../src/transport/node-timers.js';
import { crawlPages, labOf, pageUrls, whirlOver } from './crawling.js';

const html = { type: 'text/html' };

describe('readBody', () => {
  /** What is read of this page in the handler of a CheerioCrawler, and whether Crawlee had to write it anew for that. */
  async function readOf(markup: string): Promise<{ body: string | undefined; written: boolean }> {
    const lab = await labOf([{}], {
      answer: () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: markup }),
    });
    const read = { body: undefined as string | undefined, written: false };
    await crawlPages(whirlOver(lab, { onBlocked: 'report' }), pageUrls(lab.site.httpUrl, 1), {
      requestHandler: (context) => {
        const { $, contentType } = context;
        read.body = readBody({
          $,
          contentType,
          get body() {
            read.written = true;
            return context.body;
          },
        });
      },
    });
    return read;
  }

  it('gives a short page, whatever the length of its scripts', async () => {
    const script = `<script>${'x'.repeat(20_000)}</script>`;
    const { body } = await readOf(`<body>${script}<p>Are you a robot?</p>`);
    expect(body).toContain('Are you a robot?');
  });

  it('does not have a long page written anew', async () => {
    const story = '<p>a story of more than this</p>'.repeat(200);
    expect(await readOf(`<body>${story}`)).toEqual({ body: undefined, written: false });
  });

  it('gives the first 64 kB of what was read as bytes, and nothing of a picture', () => {
    expect(readBody({ body: Buffer.alloc(70_000, 'a'), contentType: html })).toHaveLength(65_536);
    expect(readBody({ body: Buffer.from('{}'), contentType: { type: 'application/json' } })).toBe('{}');
    expect(readBody({ body: Buffer.from('a'), contentType: { type: 'image/png' } })).toBeUndefined();
    expect(readBody({})).toBeUndefined();
  });
});

describe('readPage', () => {
  it('gives nothing where the browser does not answer, fails, or shows a long page', async () => {
    const late = {
      setTimeout: (callback: () => void) => {
        queueMicrotask(callback);
        return {};
      },
      clearTimeout: () => {},
    };
    expect(await readPage({ evaluate: () => new Promise(() => {}) }, late)).toBeUndefined();
    const closed = { evaluate: () => Promise.reject(new Error('Target closed')) };
    expect(await readPage(closed, nodeTimers)).toBeUndefined();
    expect(await readPage({ evaluate: () => Promise.resolve(null) }, nodeTimers)).toBeUndefined();
    expect(await readPage({}, nodeTimers)).toBeUndefined();
  });
});

describe('readResponse', () => {
  it('reads what got has as values and browsers as methods', () => {
    const headers = { 'content-type': 'text/html' };
    const seen = { status: 200, headers, finalUrl: 'https://a.test/b', latencyMs: 42 };
    const timings = { start: 1_000, response: 1_042 };
    expect(readResponse({ statusCode: 200, headers, url: seen.finalUrl, timings })).toEqual(seen);
    const request = { timing: () => ({ responseStart: 42 }) };
    const methods = {
      status: () => 200,
      headers: () => headers,
      url: () => seen.finalUrl,
      request: () => request,
    };
    expect(readResponse(methods)).toEqual(seen);
    for (const nothing of [undefined, null, 1, {}]) expect(readResponse(nothing)).toEqual({});
  });
});
