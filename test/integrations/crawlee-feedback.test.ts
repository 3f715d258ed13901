import {
  CheerioCrawler,
  type CheerioCrawlerOptions,
  Configuration,
  type Session,
  SessionError,
} from 'crawlee';
import { describe, expect, it } from 'vitest';
import { heedSession } from '../../src/integrations/crawlee-session.js';
import { crawlPages, labOf, pageUrls, settledBy, whirlOver } from './crawling.js';

type Handler = NonNullable<CheerioCrawlerOptions['requestHandler']>;

/** One page through two proxies with this handler; verdicts in their order. */
async function verdictsOf(requestHandler: Handler, options: CheerioCrawlerOptions = {}): Promise<string[]> {
  const lab = await labOf([{}, {}]);
  const whirl = whirlOver(lab);
  const settled = settledBy(whirl);
  await crawlPages(whirl, pageUrls(lab.site.httpUrl, 1), {
    maxRequestRetries: 0,
    maxSessionRotations: 0,
    ...options,
    requestHandler,
  });
  return settled.map(({ verdict }) => verdict);
}

describe('what a handler says of its session', () => {
  it.each<[string, Handler, string]>([
    ['markBad', ({ session }) => session?.markBad(), 'banned'],
    ['retire', ({ session }) => session?.retire(), 'banned'],
    ['retireOnBlockedStatusCodes', ({ session }) => void session?.retireOnBlockedStatusCodes(403), 'banned'],
    [
      'markBad, later',
      async ({ session }) => {
        await new Promise((resolve) => setImmediate(resolve));
        session?.markBad();
      },
      'banned',
    ],
    [
      'SessionError',
      () => {
        throw new SessionError('burnt');
      },
      'banned',
    ],
    [
      'markBad, and an error',
      ({ session }) => {
        session?.markBad();
        throw new Error('no product on this page');
      },
      'banned',
    ],
    ['markGood', ({ session }) => session?.markGood(), 'success'],
    [
      'an error of its own, after which Crawlee marks the session bad',
      () => {
        throw new Error('no product on this page');
      },
      'neutral',
    ],
  ])('%s', async (_what, handler, verdict) => {
    expect(await verdictsOf(handler)).toEqual([verdict]);
  });

  it('markGood of a session that is used up thereby, and so retires itself, is no complaint', async () => {
    const sessionPoolOptions = { sessionOptions: { maxUsageCount: 1 } };
    expect(await verdictsOf(({ session }) => session?.markGood(), { sessionPoolOptions })).toEqual([
      'success',
    ]);
  });

  it('is heard from a router of the crawler’s own as well', async () => {
    const lab = await labOf([{}]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    const options = whirl.wire({ maxRequestRetries: 0 } satisfies CheerioCrawlerOptions);
    const crawler = new CheerioCrawler(options, new Configuration({ persistStorage: false }));
    crawler.router.addDefaultHandler(({ session }) => session?.markBad());
    await crawler.run(pageUrls(lab.site.httpUrl, 1));
    expect(settled.map(({ verdict }) => verdict)).toEqual(['banned']);
  });

  it('cools the proxy for this site: the next page comes through the other one', async () => {
    const lab = await labOf([{}, {}]);
    const whirl = whirlOver(lab);
    const cooldowns: unknown[] = [];
    whirl.rotator.on('cooldown', (event) => cooldowns.push(event));
    let calls = 0;
    await crawlPages(whirl, pageUrls(lab.site.httpUrl, 20), {
      maxConcurrency: 1,
      requestHandler: ({ session }) => {
        calls += 1;
        if (calls === 1) session?.markBad();
      },
    });
    expect(cooldowns).toHaveLength(1);
    expect([...lab.site.byAddress.values()].map(({ requests }) => requests)).toEqual([1, 19]);
  });

  it('is said by one of two handlers that share the session: the other’s proxy pays nothing', async () => {
    const lab = await labOf([{}]);
    const whirl = whirlOver(lab);
    const settled = settledBy(whirl);
    let meet = (): void => {};
    const both = new Promise<void>((resolve) => (meet = resolve));
    const sessions = new Set<Session>();
    let running = 0;
    await crawlPages(whirl, [...pageUrls(lab.site.httpUrl, 1), ...pageUrls(lab.site.httpsUrl, 1)], {
      maxRequestRetries: 0,
      minConcurrency: 2,
      sessionPoolOptions: { maxPoolSize: 1 },
      requestHandler: async ({ session, request }) => {
        if (session !== undefined) sessions.add(session);
        running += 1;
        if (running === 2) meet();
        await both;
        if (request.url.startsWith('https:')) session?.markBad();
      },
    });
    expect(sessions.size).toBe(1);
    const { httpUrl, httpsUrl } = lab.site;
    const byHost = Object.fromEntries(settled.map(({ host, verdict }) => [host, verdict]));
    expect(byHost).toEqual({ [new URL(httpUrl).host]: 'success', [new URL(httpsUrl).host]: 'banned' });
    const [session] = sessions;
    expect(
      ['markGood', 'markBad', 'retire'].filter((name) => Object.hasOwn(session as object, name)),
    ).toEqual([]);
  });
});

describe('heedSession', () => {
  it('leaves a session alone that cannot be shadowed', () => {
    const frozen = Object.freeze({ markBad: () => {} });
    const end = heedSession(frozen, () => expect.unreachable());
    frozen.markBad();
    end();
    expect(Object.keys(frozen)).toEqual(['markBad']);
  });

  it('puts own methods back as they were, and hears nothing after its end', () => {
    const calls: string[] = [];
    const session = { markBad: () => void calls.push('bad') };
    const before = Object.getOwnPropertyDescriptors(session);
    const end = heedSession(session, (method) => void calls.push(method));
    const { markBad } = session;
    markBad();
    end();
    end();
    markBad();
    expect(calls).toEqual(['session.markBad', 'bad', 'bad']);
    expect(Object.getOwnPropertyDescriptors(session)).toEqual(before);
  });
});
