import { describe, expect, it } from 'vitest';
import {
  type ClassifiedAnswer,
  type ProxyWhirlOptions,
  proxywhirl,
  type RotatorEvents,
  type Verdict,
} from '../src/index.js';
import { type LabOptions, startLab } from '../src/lab/index.js';

async function world(site: LabOptions['site'], options: Partial<ProxyWhirlOptions> = {}, proxies = 3) {
  const lab = await startLab({ proxies, ...(site && { site }) });
  const whirl = proxywhirl({ proxies: lab.urls, ...options });
  return {
    lab,
    whirl,
    async [Symbol.asyncDispose]() {
      await whirl.close();
      await lab.close();
    },
  };
}

describe('R-30 the option classify', () => {
  it('is asked about every answer, and its ban sends the request to another proxy', async () => {
    const seen: ClassifiedAnswer[] = [];
    await using at = await world(
      {
        answer: ({ address }) => ({
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: address.endsWith('.2') ? '{"error":"slow down"}' : '{"price":7}',
        }),
      },
      {
        classify(answer) {
          seen.push(answer);
          return answer.body?.includes('slow down') ? 'banned' : undefined;
        },
      },
    );
    const response = await at.whirl.fetch(`${at.lab.site.httpUrl}/price`);
    expect(await response.json()).toEqual({ price: 7 });
    const [banned, next] = at.whirl.rotator.pool.list();
    expect(response.attempts).toMatchObject([
      { proxyId: banned?.id, verdict: 'banned', rule: 'classify' },
      { proxyId: next?.id, verdict: 'success' },
    ]);
    expect(seen.map(({ proxyId }) => proxyId)).toEqual([banned?.id, next?.id]);
    expect(seen[0]).toMatchObject({
      url: `${at.lab.site.httpUrl}/price`,
      status: 200,
      host: new URL(at.lab.site.httpUrl).host,
      body: '{"error":"slow down"}',
    });
    expect(seen[0]?.headers.get('Content-Type')).toBe('application/json');
  });

  it('is none by default, and its word counts more than the built-in rules', async () => {
    const blocked = { ban: { addresses: ['127.0.0.2', '127.0.0.3', '127.0.0.4'] } } as const;
    for (const [options, verdict, attempts] of [
      [{}, 'banned', 3],
      [{ classify: (): Verdict => 'success' }, 'success', 1],
    ] as const) {
      await using at = await world(blocked, options);
      const response = await at.whirl.fetch(`${at.lab.site.httpUrl}/ip`);
      expect([response.verdict, response.attempts.length]).toEqual([verdict, attempts]);
    }
  });

  it('may throw: an event tells, and the request goes on', async () => {
    const thrown = new Error('mine');
    await using at = await world(undefined, {
      classify() {
        throw thrown;
      },
    });
    const errors: unknown[] = [];
    at.whirl.rotator.on('classify-error', ({ error }) => errors.push(error));
    const response = await at.whirl.fetch(`${at.lab.site.httpUrl}/ip`);
    expect(response).toMatchObject({ status: 200, verdict: 'success', rule: null });
    expect(errors).toEqual([thrown]);
  });

  it('must be a function', () => {
    expect(() => proxywhirl({ proxies: ['192.0.2.1:8000'], classify: 'no' as never })).toThrow(
      /classify.*must be a function/,
    );
  });
});

describe('a rule that flags all that a site answers', () => {
  it.each([
    ['status-403', {}, 6],
    ['classify', { classify: (): Verdict => 'banned' }, 6],
    // Two such faults of a proxy are not enough to open its breaker.
    ['classify', { classify: (): Verdict => 'proxy' }, 25],
  ] as const)('%s is told of once, and the pool is not emptied', async (rule, options, left) => {
    const forbidden = {
      status: 403,
      headers: { 'content-type': 'text/html' },
      body: '<title>Members only</title>',
    };
    await using at = await world({ answer: () => forbidden }, options, 25);
    const suspects: RotatorEvents['suspect'][] = [];
    at.whirl.rotator.on('suspect', (suspect) => suspects.push(suspect));
    const { host } = new URL(at.lab.site.httpUrl);
    let last: Awaited<ReturnType<typeof at.whirl.fetch>> | undefined;
    for (let i = 0; i < 60; i++) {
      last = await at.whirl.fetch(`${at.lab.site.httpUrl}/members`);
      expect([last.status, await last.text()]).toEqual([403, forbidden.body]);
    }
    expect(suspects).toEqual([{ host, rule, answers: 20, flagged: 20, proxies: expect.any(Number) }]);
    // The 19 that were banned before rest; the others were never blamed.
    expect(last).toMatchObject({ verdict: 'neutral', rule, attempts: [{ verdict: 'neutral' }] });
    const explained = at.whirl.rotator.explain({ url: `${at.lab.site.httpUrl}/members` });
    expect(explained.proxies.filter(({ status }) => status !== 'excluded')).toHaveLength(left);
  });
});
