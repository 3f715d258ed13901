import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { gotScraping } from 'got-scraping';
import type { Browser, BrowserContext } from 'playwright';
import { request } from 'undici';
import { whirlGot } from '../../src/integrations/got-scraping.js';
import { newContext } from '../../src/integrations/playwright.js';
import { startRelay } from '../../src/integrations/relay.js';
import { whirlDispatcher } from '../../src/integrations/undici.js';
import { labCaPem } from '../../src/lab/index.js';
import { labTls } from '../integrations/client-lab.js';
import { type Client, type Journey, type Visit, visitEach } from './client.js';

const run = promisify(execFile);
const { proxyTls } = labTls;

async function text(stream: AsyncIterable<unknown>): Promise<string> {
  let whole = '';
  for await (const chunk of stream) whole += String(chunk);
  return whole;
}

const credentials = { username: 'lab', password: 'relay' };

/**
 * A relay over the journey's engine, for as long as `use` takes. It asks for credentials, because Chromium shows none to
 * a proxy that does not ask, and with them the session.
 */
async function throughRelay(
  { whirl, session }: Journey,
  use: (server: string, username: string) => Promise<Visit[]>,
): Promise<Visit[]> {
  await using relay = await startRelay(whirl, { proxyCa: labCaPem, drainMs: 0, credentials });
  const wish = session === null ? '' : `-session-${session}`;
  return await use(`${relay.host}:${relay.port}`, credentials.username + wish);
}

/** For the adapters that take a session as an option. */
function sessionOf({ session }: Journey): { sessionId?: string } {
  return session === null ? {} : { sessionId: session };
}

/** @param browser shared by all that need one */
export function otherClients(browser: () => Browser): readonly Client[] {
  /** All in one context, or each in its own. */
  const pagesOf = async (journey: Journey, open: () => Promise<BrowserContext>): Promise<Visit[]> => {
    const shared = journey.session === null ? null : await open();
    const visits = await visitEach(journey, async (url) => {
      const context = shared ?? (await open());
      const page = await context.newPage();
      try {
        await page.goto(url, { timeout: journey.limitMs });
        return await page.innerText('body', { timeout: journey.limitMs });
      } finally {
        await (shared === null ? context : page).close();
      }
    });
    await shared?.close();
    return visits;
  };
  return [
    {
      name: 'got-scraping, promise',
      visit: (journey) => {
        const got = gotScraping.extend(whirlGot(journey.whirl, { ...sessionOf(journey), proxyTls }), {
          timeout: { request: journey.limitMs },
        });
        return visitEach(journey, async (url) => (await got(url)).body);
      },
    },
    {
      name: 'got-scraping, stream',
      visit: (journey) => {
        const got = gotScraping.extend(whirlGot(journey.whirl, { ...sessionOf(journey), proxyTls }), {
          timeout: { request: journey.limitMs },
        });
        return visitEach(journey, (url) => text(got.stream(url)));
      },
    },
    {
      name: 'undici request',
      async visit(journey) {
        await using dispatcher = whirlDispatcher(journey.whirl, { ...labTls, ...sessionOf(journey) });
        return await visitEach(journey, async (url) => {
          const signal = AbortSignal.timeout(journey.limitMs);
          return (await request(url, { dispatcher, signal })).body.text();
        });
      },
    },
    {
      name: 'fetch',
      async visit(journey) {
        await using dispatcher = whirlDispatcher(journey.whirl, { ...labTls, ...sessionOf(journey) });
        return await visitEach(journey, async (url) => {
          const signal = AbortSignal.timeout(journey.limitMs);
          return (await fetch(url, { dispatcher, signal } as RequestInit)).text();
        });
      },
    },
    {
      name: 'Playwright',
      visit(journey) {
        const options = { ...sessionOf(journey), context: { ignoreHTTPSErrors: true } };
        return pagesOf(journey, () => newContext(browser(), journey.whirl, options));
      },
    },
    {
      name: 'Playwright through the relay',
      perConnection: true,
      visit: (journey) =>
        throughRelay(journey, (address, username) => {
          const proxy = { server: `http://${address}`, username, password: credentials.password };
          return pagesOf(journey, () => browser().newContext({ proxy, ignoreHTTPSErrors: true }));
        }),
    },
    {
      name: 'curl through the relay',
      visit: (journey) =>
        throughRelay(journey, (address, username) =>
          visitEach(journey, async (url) => {
            const proxy = `http://${username}:${credentials.password}@${address}`;
            const limit = ['--max-time', String(journey.limitMs / 1_000)];
            const { stdout } = await run('curl', ['-sS', '-k', ...limit, '--noproxy', '', '-x', proxy, url]);
            return stdout;
          }),
        ),
    },
  ];
}
