/**
 * A crawl every few seconds, each with an engine of its own as a fresh process would have: what one run learned, the
 * next one starts with. Over the lab, so that nothing leaves this machine. `npx tsx examples/scheduled-crawl.ts`
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheerioCrawler, Configuration, LogLevel, log } from 'crawlee';
import { Cron } from 'croner';
import { proxywhirl } from 'proxywhirl';
import { createKeyFile } from 'proxywhirl/cache';
import { startLab } from 'proxywhirl/lab';

const RUNS = 3;
log.setLevel(LogLevel.OFF);

const lab = await startLab({
  proxies: [
    { name: 'good-1', latencyMs: 10 },
    { name: 'dead-1', fault: 'dead' },
    { name: 'good-2', latencyMs: 20 },
    { name: 'dead-2', fault: 'dead' },
    { name: 'good-3', latencyMs: 40 },
    {
      name: 'wrong-password',
      credentials: { username: 'lab', password: 'right' },
      wrongPassword: true,
    },
  ],
  site: { pages: 30 },
});
const names = new Map(lab.proxies.map(({ address, port, name }) => [`${address}:${port}`, name]));
const place = await mkdtemp(join(tmpdir(), 'scheduled-crawl-'));
const keyFile = join(place, 'key');
await createKeyFile(keyFile, randomBytes);

async function crawl(run: number): Promise<void> {
  const whirl = proxywhirl({ proxies: lab.urls, cache: { dir: join(place, 'cache'), keyFile } });
  await whirl.ready();
  const nameOf = (id: string): string => {
    const proxy = whirl.rotator.pool.get(id)?.proxy;
    return names.get(`${proxy?.host}:${proxy?.port}`) ?? id;
  };
  const known = whirl.rotator.stats().proxies.filter(({ completed }) => completed > 0);
  console.log(`run ${run} knows ${known.length} of ${whirl.rotator.pool.size} proxies at its start`);
  if (known.length > 0)
    console.table(
      known.map(({ proxyId, completed, succeeded, emaLatencyMs, health }) => ({
        proxy: nameOf(proxyId),
        requests: completed,
        succeeded,
        'EMA ms': emaLatencyMs?.toFixed() ?? '-',
        health,
      })),
    );
  const attempts = { good: 0, other: 0 };
  whirl.rotator.on('selected', ({ proxyId }) => {
    attempts[nameOf(proxyId).startsWith('good') ? 'good' : 'other'] += 1;
  });
  let pages = 0;
  const crawler = new CheerioCrawler(
    whirl.wire({
      ignoreSslErrors: true,
      requestHandler() {
        pages += 1;
      },
    }),
    new Configuration({ persistStorage: false }),
  );
  await crawler.run(Array.from({ length: 30 }, (_, i) => `${lab.site.httpsUrl}/page/${i + 1}`));
  // Keeps what was learned; without it, the last second could be lost.
  await whirl.close();
  console.log(
    `run ${run}: ${pages} pages, ${attempts.good + attempts.other} attempts, ${attempts.other} of them through bad proxies`,
  );
}

let run = 0;
await new Promise<void>((resolve, reject) => {
  const job = new Cron(
    '*/2 * * * * *',
    // protect: a crawl that takes longer than the interval is not begun twice. unref: the schedule keeps no process alive.
    { protect: true, unref: true, catch: reject },
    async () => {
      run += 1;
      await crawl(run);
      if (run < RUNS) return;
      job.stop();
      resolve();
    },
  );
});
await lab.close();
await rm(place, { recursive: true });
