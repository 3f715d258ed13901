/**
 * Playwright without a crawler: each context has a proxy of its own. `npx tsx examples/clients/playwright.ts`
 */
import { chromium } from 'playwright';
import { proxywhirl } from 'proxywhirl';
import { startLab } from 'proxywhirl/lab';
import { newContext } from 'proxywhirl/playwright';
import { findChromium } from '../../scripts/chromium.js';

await using lab = await startLab({ proxies: [{}, {}, { fault: 'dead' }] });
await using whirl = proxywhirl({ proxies: lab.urls });
const browser = await chromium.launch({ headless: true, ...(await findChromium()) });

for (let n = 1; n <= 3; n++) {
  const context = await newContext(browser, whirl, { context: { ignoreHTTPSErrors: true } });
  const page = await context.newPage();
  const shown = await page.goto(`${lab.site.httpsUrl}/page/${n}`).then(
    (response) => `status ${response?.status()}`,
    () => 'no page',
  );
  console.log(`context ${n}: ${shown}`);
  await context.close();
}
await browser.close();
const { proxies } = whirl.rotator.stats();
console.log(`failed: ${proxies.filter(({ failed }) => failed > 0).length} of ${proxies.length} proxies`);
console.log(`direct: ${lab.site.byAddress.get('127.0.0.1')?.requests ?? 0}`);
