import { chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Lab, startLab } from '../../src/lab/index.js';

const found = inject('chromium');

describe('Chromium through lab proxies', () => {
  let lab: Lab;
  let browser: Awaited<ReturnType<typeof chromium.launch>>;

  beforeAll(async () => {
    if (found === null) throw new Error('No Chromium: run `npm run setup`');
    lab = await startLab({
      proxies: [
        {},
        { credentials: { username: 'lab', password: 'p:@ss' } },
        { name: 'broken', fault: 'reset' },
      ],
    });
    browser = await chromium.launch({ ...found, headless: true });
  });
  afterAll(async () => {
    await browser?.close();
    await lab?.close();
  });

  it.each([0, 1])('is seen with the address of proxy %i, http and https', async (index) => {
    const proxy = lab.proxies[index];
    const { username, password } = new URL(proxy?.url ?? '');
    const context = await browser.newContext({
      proxy: {
        server: `http://${proxy?.address}:${proxy?.port}`,
        ...(username === '' ? {} : { username, password: decodeURIComponent(password) }),
      },
      ignoreHTTPSErrors: true,
    });
    const page = await context.newPage();
    for (const base of [lab.site.httpUrl, lab.site.httpsUrl]) {
      await page.goto(`${base}/ip`);
      expect(JSON.parse(await page.locator('body').innerText())).toEqual({ address: proxy?.address });
    }
    await page.goto(`${lab.site.httpUrl}/page/1`);
    expect(await page.title()).toBe('Page 1');
    await context.close();
  });

  it('reports a reset as its own error', async () => {
    const { address, port } = lab.proxy('broken');
    const context = await browser.newContext({ proxy: { server: `http://${address}:${port}` } });
    const page = await context.newPage();
    await expect(page.goto(`${lab.site.httpUrl}/`)).rejects.toThrow('net::ERR_CONNECTION_RESET');
    await context.close();
  });

  it('sends nothing to any other host', () => {
    const hosts = lab.proxies.flatMap((proxy) => [...proxy.stats.requestsByHost.keys()]);
    const own = [lab.site.httpUrl, lab.site.httpsUrl].map((url) => new URL(url).host);
    expect(hosts.filter((host) => !own.includes(host))).toEqual([]);
  });
});
