/**
 * What a connection that is kept saves: https requests through one proxy, eight at a time, by got-scraping with its
 * own `proxyUrl`, by got-scraping over our agents, and by undici over our dispatcher, in turn, as medians of one run.
 * `npm run bench:clients`, `npm run bench:clients -- --rounds 9 --json`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { gotScraping } from 'got-scraping';
import { proxywhirl } from 'proxywhirl';
import { whirlGot } from 'proxywhirl/got-scraping';
import { labCaPem } from 'proxywhirl/lab';
import { whirlDispatcher } from 'proxywhirl/undici';
import { request } from 'undici';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '400' },
    concurrency: { type: 'string', default: '8' },
    json: { type: 'boolean' },
  },
});
const rounds = Number(values.rounds);
const requests = Number(values.requests);
const concurrency = Number(values.concurrency);

const lab = fork(new URL('lab-child.ts', import.meta.url));
const [{ proxy, url }] = (await once(lab, 'message')) as [{ proxy: string; url: string }];

/** Connections that the proxy has accepted. */
async function accepted(): Promise<number> {
  lab.send('count');
  const [count] = (await once(lab, 'message')) as [number];
  return count;
}

await using whirl = proxywhirl({ proxies: [proxy] });
const got = gotScraping.extend(whirlGot(whirl, { keepAlive: true }));
await using dispatcher = whirlDispatcher(whirl, { tls: { ca: labCaPem } });
const plain = { useHeaderGenerator: false };

const contenders = {
  'got-scraping with proxyUrl': async () => (await gotScraping(url, { proxyUrl: proxy })).statusCode,
  'got-scraping with proxyUrl, no browser headers': async () =>
    (await gotScraping(url, { proxyUrl: proxy, ...plain })).statusCode,
  'got-scraping over kept connections': async () => (await got(url)).statusCode,
  'got-scraping over kept connections, no browser headers': async () => (await got(url, plain)).statusCode,
  'undici over kept connections': async () => {
    const { statusCode, body } = await request(url, { dispatcher });
    await body.dump();
    return statusCode;
  },
};

interface Measured {
  readonly perSecond: number[];
  connections: number;
}
const measured = new Map<string, Measured>(
  Object.keys(contenders).map((name) => [name, { perSecond: [], connections: 0 }]),
);
for (let round = -1; round < rounds; round++) {
  for (const [name, send] of Object.entries(contenders)) {
    const before = await accepted();
    const start = performance.now();
    let left = requests;
    const lane = async (): Promise<void> => {
      while (left-- > 0) if ((await send()) !== 200) throw new Error(`${name}: a request failed`);
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
    const seconds = (performance.now() - start) / 1_000;
    const row = measured.get(name);
    // The first round warms up.
    if (round < 0 || row === undefined) continue;
    row.perSecond.push(requests / seconds);
    row.connections += (await accepted()) - before;
  }
}

const rows = [...measured].map(([name, { perSecond, connections }]) => ({
  client: name,
  requestsPerSecond: Math.round(median(perSecond)),
  connectionsPerRequest: Number((connections / (rounds * requests)).toFixed(4)),
}));
const base = rows[0]?.requestsPerSecond ?? 1;
const report = rows.map((row) => ({ ...row, ratio: Number((row.requestsPerSecond / base).toFixed(1)) }));
if (values.json === true) console.log(JSON.stringify(report));
else console.table(report);
lab.disconnect();

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
}
