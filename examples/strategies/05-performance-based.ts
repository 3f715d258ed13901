/** performance-based: the faster, the more often. `npx tsx examples/strategies/05-performance-based.ts` */
import { createRotator, type ProxyReport } from 'proxywhirl';
import { type ProxySpec, seededRandom, startLab } from 'proxywhirl/lab';
import { namesOf, visit } from './support/visit.js';

const specs: ProxySpec[] = [
  { name: 'fast', latencyMs: 8 },
  { name: 'medium', latencyMs: 50 },
  { name: 'slow', latencyMs: 100 },
];
await using lab = await startLab({ proxies: specs });
const url = lab.site.httpUrl;
const nameOf = namesOf(lab);

/** Sixty requests, four at a time; returns their mean latency in ms. */
async function crawl(strategy: string): Promise<number> {
  const rotator = createRotator({ proxies: lab.urls, strategy, random: seededRandom(3) });
  const latencies: number[] = [];
  rotator.on('settled', ({ latencyMs }) => latencies.push(latencyMs ?? 0));

  let left = 60;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await visit(rotator.acquire({ url }), url);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);

  const { proxies } = rotator.stats();
  const rows = proxies.map((proxy) => ({
    proxy: nameOf(proxy),
    requests: proxy.completed,
    'EMA ms': Math.round(proxy.emaLatencyMs ?? 0),
  }));
  console.log(`${strategy}, asked most often: ${favourite(proxies)}`);
  console.table(rows);
  return latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length;
}

function favourite(proxies: readonly ProxyReport[]): string {
  const most = Math.max(...proxies.map(({ completed }) => completed));
  const found = proxies.filter(({ completed }) => completed === most);
  return found.length === proxies.length ? 'all alike' : found.map(nameOf).join(', ');
}

const before = await crawl('round-robin');
const after = await crawl('performance-based');
console.log(`Mean latency is ${after < before ? 'lower' : 'not lower'} than with round-robin.`);
