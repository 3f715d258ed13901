import { gotScraping } from 'got-scraping';
import { type Browser, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ProxyGeo } from '../../src/core/geo.js';
import { parseProxy } from '../../src/core/parse.js';
import { withMetadata } from '../../src/core/proxy.js';
import { whirlGot } from '../../src/integrations/got-scraping.js';
import { acceptLanguage, localeHint } from '../../src/integrations/locale-hint.js';
import { type NewContextOptions, newContext } from '../../src/integrations/playwright.js';
import { type ClientLab, clientLab } from './client-lab.js';

const munich: ProxyGeo = { countryCode: 'DE', latitude: 48.14, longitude: 11.58 };
const paris: ProxyGeo = { countryCode: 'FR' };

/** A lab whose proxies are where they are said to be. */
async function placed(...places: readonly (ProxyGeo | undefined)[]): Promise<ClientLab> {
  const world = await clientLab(places.map(() => ({})));
  const { pool } = world.whirl.rotator;
  pool.replace([]);
  pool.add(...world.lab.urls.map((url, index) => withMetadata(parseProxy(url), { geo: places[index] })));
  return world;
}

describe('localeHint', () => {
  it.each([
    [{ countryCode: 'DE' }, { locale: 'de-DE', timezoneId: 'Europe/Berlin' }],
    [{ countryCode: 'JP' }, { locale: 'ja-JP', timezoneId: 'Asia/Tokyo' }],
    [{ countryCode: 'TW' }, { locale: 'zh-TW', timezoneId: 'Asia/Taipei' }],
    // More than one time, and no saying which.
    [{ countryCode: 'US' }, { locale: 'en-US' }],
    [{ countryCode: 'ES' }, { locale: 'es-ES' }],
    [
      { countryCode: 'US', timezone: 'America/Denver' },
      { locale: 'en-US', timezoneId: 'America/Denver' },
    ],
    [{ timezone: 'Europe/Vienna' }, { timezoneId: 'Europe/Vienna' }],
    // A zone that no browser knows would fail its context.
    [{ countryCode: 'DE', timezone: 'Mitteleuropa' }, { locale: 'de-DE' }],
    [{ countryCode: 'DE', timezone: '+02:00' }, { locale: 'de-DE' }],
    [{ latitude: 1, longitude: -2 }, { geolocation: { latitude: 1, longitude: -2 } }],
    [{ latitude: 1 }, {}],
    [{ countryName: 'Germany' }, {}],
    [undefined, {}],
  ])('of %j is %j', (geo, hint) => {
    expect(localeHint(geo)).toEqual(hint);
  });

  it('has a language for every country, and a header to ask for it', () => {
    expect(acceptLanguage({ countryCode: 'CH' })).toBe('de-CH,de;q=0.9');
    expect(acceptLanguage({})).toBeUndefined();
  });
});

describe('newContext', () => {
  let browser: Browser;
  beforeAll(async () => {
    const found = inject('chromium');
    if (found === null) throw new Error('No Chromium: run `npm run setup`');
    browser = await chromium.launch({ executablePath: found.executablePath, args: found.args });
  });
  afterAll(async () => {
    await browser?.close();
  });

  /** What a site can see of a visitor. */
  async function seen(page: Page): Promise<{ language: string; zone: string }> {
    return page.evaluate(() => ({
      language: navigator.language,
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    }));
  }

  async function visit(world: ClientLab, options: NewContextOptions = {}) {
    const context = await newContext(browser, world.whirl, options);
    const page = await context.newPage();
    await page.goto(`${world.lab.site.httpUrl}/ip`);
    const header = world.lab.site.requests.at(-1)?.headers['accept-language'];
    return { context, page, header };
  }

  it('C-06 gives a German proxy German and its time, to pages and to the site', async () => {
    await using world = await placed(munich);
    const { context, page, header } = await visit(world, { context: { permissions: ['geolocation'] } });
    expect(await seen(page)).toEqual({ language: 'de-DE', zone: 'Europe/Berlin' });
    expect(header).toMatch(/^de-DE\b/);
    await context.close();
  });

  it('C-06 leaves alone what the caller has said, and everything where hints are off', async () => {
    await using world = await placed(munich);
    const own = await visit(world, { context: { locale: 'en-GB' } });
    expect(await seen(own.page)).toEqual({ language: 'en-GB', zone: 'Europe/Berlin' });
    expect(own.header).toMatch(/^en-GB\b/);
    await own.context.close();
    const off = await visit(world, { localeHints: false });
    await using nowhere = await placed(undefined);
    const plain = await visit(nowhere);
    expect(await seen(off.page)).toEqual(await seen(plain.page));
    expect((await seen(off.page)).language).not.toBe('de-DE');
    await Promise.all([off.context.close(), plain.context.close()]);
  });

  it('C-06 moves proxy, language and time together when a session fails over, and never in mid-page', async () => {
    await using world = await placed(munich, paris);
    const { lab, whirl } = world;
    const first = await visit(world, { sessionId: 's' });
    const german = { language: 'de-DE', zone: 'Europe/Berlin' };
    const french = { language: 'fr-FR', zone: 'Europe/Paris' };
    const before = await seen(first.page);
    const bound = whirl.rotator.acquire({ sessionId: 's' });
    bound.settle({ verdict: 'proxy', hard: true });
    const second = await visit(world, { sessionId: 's' });
    const after = await seen(second.page);
    expect([before, after]).toEqual(expect.arrayContaining([german, french]));
    expect(await seen(first.page)).toEqual(before);
    expect(lab.site.byAddress.size).toBe(2);
    await Promise.all([first.context.close(), second.context.close()]);
  });
});

describe('whirlGot', () => {
  async function language(world: ClientLab, options = {}, request = {}): Promise<string | undefined> {
    const got = gotScraping.extend(whirlGot(world.whirl, options));
    await got(`${world.lab.site.httpUrl}/ip`, request);
    return world.lab.site.requests.at(-1)?.headers['accept-language'] as string | undefined;
  }

  it.each([{ keepAlive: false }, { keepAlive: true }])(
    'C-06 asks in the language of the proxy’s country, unless told otherwise, with %j',
    async (options) => {
      await using world = await placed(munich);
      expect(await language(world, options)).toBe('de-DE,de;q=0.9');
      const own = { headers: { 'Accept-Language': 'pt' } };
      expect(await language(world, options, own)).toBe('pt');
      const locales = { headerGeneratorOptions: { locales: ['it-IT'] } };
      expect(await language(world, options, locales)).toBe('it-IT');
      expect(await language(world, options, { useHeaderGenerator: false })).toBeUndefined();
      expect(await language(world, { ...options, localeHints: false })).toMatch(/^en/);
      await using nowhere = await placed(undefined);
      expect(await language(nowhere, options)).toMatch(/^en/);
    },
  );

  it('C-06 changes the language of a session with its proxy, and of its browser nothing else', async () => {
    await using world = await placed(munich, paris);
    const request = { sessionToken: {}, context: { sessionId: 's' } };
    const agents = (): unknown => world.lab.site.requests.at(-1)?.headers['user-agent'];
    const before = [await language(world, {}, request), agents()];
    world.whirl.rotator.acquire({ sessionId: 's' }).settle({ verdict: 'proxy', hard: true });
    const after = [await language(world, {}, request), agents()];
    expect([before[0], after[0]].sort()).toEqual(['de-DE,de;q=0.9', 'fr-FR,fr;q=0.9']);
    expect(after[1]).toBe(before[1]);
  });
});
