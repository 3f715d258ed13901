/**
 * The same crawl through the same bad proxies, first with Crawlee's own ProxyConfiguration, then with ProxyWhirl.
 * Everything runs on this machine: `npm run demo`, or `npm run demo -- --quick` without the browser.
 */
import { parseArgs } from 'node:util';
import cliProgress from 'cli-progress';
import { LogLevel, log } from 'crawlee';
import { findChromium } from '../scripts/chromium.js';
import { type CrawlPlan, type CrawlResult, crawl } from './demo/crawls.js';
import { proxyTable, summaryTable } from './demo/report.js';

const { values } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'boolean' } } });
log.setLevel(LogLevel.OFF);

const browser = values.quick ? null : await findChromium();
const plans = [
  { kind: 'cheerio', engine: 'Crawlee', pages: 200, browser: null },
  { kind: 'cheerio', engine: 'ProxyWhirl', pages: 200, browser: null },
  { kind: 'playwright', engine: 'Crawlee', pages: 20, browser },
  { kind: 'playwright', engine: 'ProxyWhirl', pages: 20, browser },
] as const satisfies readonly Omit<CrawlPlan, 'onProgress'>[];

process.stderr.write(
  '13 proxies: 5 good, 3 dead, 2 hanging, 1 resetting, 1 wrong password, 1 banned by the site.\n',
);
const results: [string, CrawlResult][] = [];
for (const plan of plans) {
  if (plan.kind === 'playwright' && plan.browser === null) continue;
  const label = `${plan.kind === 'cheerio' ? 'CheerioCrawler' : 'PlaywrightCrawler'}, ${plan.engine}`;
  results.push([label, await withProgress(label, plan)]);
}

if (values.json) {
  process.stdout.write(`${JSON.stringify(Object.fromEntries(results), null, 2)}\n`);
} else {
  process.stdout.write(`\n${summaryTable(results)}\n`);
  for (const [label, result] of results) {
    if (result.proxies !== null) process.stdout.write(`\n${label}, per proxy\n${proxyTable(result)}\n`);
  }
}

/** A bar on a terminal, a line at the start and the end elsewhere. */
async function withProgress(label: string, plan: Omit<CrawlPlan, 'onProgress'>): Promise<CrawlResult> {
  const bar = new cliProgress.SingleBar({
    format: `${label.padEnd(30)} {bar} {value}/{total} pages  {duration_formatted}`,
    noTTYOutput: false,
    hideCursor: true,
  });
  bar.start(plan.pages, 0);
  if (!process.stderr.isTTY) process.stderr.write(`${label}: ${plan.pages} pages ...\n`);
  const result = await crawl({ ...plan, onProgress: (done) => bar.update(done) });
  bar.stop();
  if (!process.stderr.isTTY)
    process.stderr.write(`${label}: ${result.pages} done, ${result.failed} failed\n`);
  return result;
}
