/**
 * What ProxyWhirl costs where it has nothing to win: the same crawl over healthy proxies with Crawlee's own
 * ProxyConfiguration and with `proxywhirl()` under round-robin, in turn, as medians and a ratio of one run.
 * `npm run bench:crawl`, `npm run bench:crawl -- --rounds 9 --json`.
 */
import { parseArgs } from 'node:util';
import { CheerioCrawler, Configuration, LogLevel, log, ProxyConfiguration } from 'crawlee';
import { proxywhirl } from 'proxywhirl';
import { startLab } from 'proxywhirl/lab';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    pages: { type: 'string', default: '400' },
    json: { type: 'boolean' },
  },
});
log.setLevel(LogLevel.OFF);
const rounds = Number(values.rounds);
const pages = Number(values.pages);

await using lab = await startLab({
  proxies: Array.from({ length: 8 }, () => ({ latencyMs: 20 })),
  site: { pages },
});
const urls = Array.from({ length: pages }, (_, i) => new URL(`/page/${i + 1}`, lab.site.httpUrl).href);

/** Wall time of one crawl in seconds. A fixed concurrency: the autoscaler's ramp would drown the difference. */
async function crawlSeconds(proxyConfiguration: ProxyConfiguration): Promise<number> {
  let done = 0;
  const crawler = new CheerioCrawler(
    {
      proxyConfiguration,
      minConcurrency: 10,
      maxConcurrency: 10,
      requestHandler() {
        done += 1;
      },
    },
    new Configuration({ persistStorage: false }),
  );
  const start = performance.now();
  await crawler.run(urls);
  if (done !== pages) throw new Error(`${pages - done} pages were lost`);
  return (performance.now() - start) / 1000;
}

const contenders = {
  crawlee: () => crawlSeconds(new ProxyConfiguration({ proxyUrls: [...lab.urls] })),
  proxywhirl: async () => {
    await using whirl = proxywhirl({ proxies: lab.urls });
    return await crawlSeconds(whirl);
  },
};

await contenders.crawlee(); // warms the compiler and Crawlee's header generator
const seconds: Record<keyof typeof contenders, number[]> = { crawlee: [], proxywhirl: [] };
for (let round = 0; round < rounds; round++) {
  // Who goes first alternates: a machine that slows down must not favour one.
  const order = round % 2 === 0 ? (['crawlee', 'proxywhirl'] as const) : (['proxywhirl', 'crawlee'] as const);
  for (const name of order) seconds[name].push(await contenders[name]());
  process.stderr.write(`round ${round + 1}/${rounds}\n`);
}

const medians = { crawlee: median(seconds.crawlee), proxywhirl: median(seconds.proxywhirl) };
const ratio = medians.proxywhirl / medians.crawlee;
process.stdout.write(
  values.json
    ? `${JSON.stringify({ pages, rounds, seconds, medians, ratio })}\n`
    : `${pages} pages, 8 healthy proxies, concurrency 10, ${rounds} rounds (seconds, median)\n` +
        `Crawlee ${medians.crawlee.toFixed(2)}   ProxyWhirl ${medians.proxywhirl.toFixed(2)}   ratio ${ratio.toFixed(3)}\n`,
);

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}
