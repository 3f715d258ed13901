/** The clients of `reuse.ts`, in a process of their own: one is run at a time, and what it computes is measured. */
import { gotScraping } from 'got-scraping';
import { proxywhirl } from 'proxywhirl';
import { whirlGot } from 'proxywhirl/got-scraping';
import { whirlDispatcher } from 'proxywhirl/undici';
import { request } from 'undici';

/** One turn of a client. */
export interface Turn {
  readonly client: string;
  readonly ms: number;
  readonly concurrency: number;
}

/** What a turn has cost. */
export interface Cost {
  readonly requests: number;
  readonly seconds: number;
  /** Time of this process on a processor, in us for each request. */
  readonly cpuUs: number;
}

const [proxy = '', url = ''] = process.argv.slice(2);
const whirl = proxywhirl({ proxies: [proxy] });
const got = gotScraping.extend(whirlGot(whirl, { keepAlive: true }));
const dispatcher = whirlDispatcher(whirl);
const plain = { useHeaderGenerator: false };

const clients: Record<string, () => Promise<number>> = {
  'got-scraping with proxyUrl': async () => (await gotScraping(url, { proxyUrl: proxy })).statusCode,
  'got-scraping with proxyUrl, no browser headers': async () =>
    (await gotScraping(url, { proxyUrl: proxy, ...plain })).statusCode,
  'got-scraping over kept connections': async () => (await got(url)).statusCode,
  'got-scraping over kept connections, no browser headers': async () => (await got(url, plain)).statusCode,
  'whirl.fetch': async () => {
    const response = await whirl.fetch(url);
    await response.arrayBuffer();
    return response.status;
  },
  'undici over kept connections': async () => {
    const { statusCode, body } = await request(url, { dispatcher });
    await body.dump();
    return statusCode;
  },
};

async function run({ client, ms, concurrency }: Turn): Promise<Cost> {
  const send = clients[client] as () => Promise<number>;
  const cpu = process.cpuUsage();
  const start = performance.now();
  let requests = 0;
  const lane = async (): Promise<void> => {
    for (; performance.now() < start + ms; requests++)
      if ((await send()) !== 200) throw new Error(`${client}: a request failed`);
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { requests, seconds, cpuUs: (user + system) / requests };
}

process.on('message', (turn: Turn) => void run(turn).then((cost) => process.send?.(cost)));
process.on('disconnect', () => process.exit());
process.send?.(Object.keys(clients));
