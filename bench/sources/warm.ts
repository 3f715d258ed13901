/**
 * How long it takes until the proxies of a file are read and checked, in the pool, and acknowledged by each tier: the
 * call `whirl.cache.warmFromFile(file)` of an engine that is ready. And for how long the process hears nothing meanwhile.
 * Each row is a process of its own, which runs what `tsc` makes of the sources.
 * `npm run bench:warm [-- --json figures.json]`
 */
import { spawn } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CacheOptions, proxywhirl } from '../../src/index.js';
import { url } from '../../src/sources/index.js';

interface Job {
  readonly kind: 'warm' | 'flood';
  /** The file, or the URL. */
  readonly from: string;
  readonly cache: CacheOptions;
}

interface Result {
  readonly stored: number;
  readonly seconds: number;
  /** Longest time in which no timer went off, in ms. */
  readonly stallMs: number;
  /** Most memory of the process above that before it began, in MB. */
  readonly rssMB: number;
  readonly outcome: string;
}

const STALL_BAR_MS = 50;
const sizes = [
  [10_000, 0.15],
  [100_000, 1.5],
  [1_000_000, 15],
] as const;

const job = process.argv[2]?.startsWith('{') ? (JSON.parse(process.argv[2]) as Job) : null;
if (job !== null) process.stdout.write(JSON.stringify(await measure(job)));
else await main();

async function measure({ kind, from, cache }: Job): Promise<Result> {
  const sources = kind === 'flood' ? [url(from, { allowPrivate: true, name: 'flood' })] : [];
  // Without a key only proxies without credentials would be kept; these have some.
  process.env.PROXYWHIRL_CACHE_ENCRYPTION_KEY = 'ab'.repeat(32);
  const before = process.memoryUsage.rss();
  let most = before;
  const sampling = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 50);
  const whirl = proxywhirl({ proxies: ['192.0.2.255:80'], sources, cache });
  let outcome = 'loaded';
  whirl.sources.on('source-error', ({ error }) => {
    outcome = error.reason;
  });
  if (kind === 'warm') await whirl.ready();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = performance.now();
  const report = kind === 'warm' ? await whirl.cache?.warmFromFile(from) : await whirl.ready();
  const seconds = (performance.now() - startedAt) / 1000;
  // One turn more, so that the last stall is seen.
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  clearInterval(sampling);
  const stored = report?.stored ?? 0;
  await whirl.close();
  return { stored, seconds, stallMs: delay.max / 1e6, rssMB: (most - before) / 1e6, outcome };
}

async function main(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  const rows: object[] = [];
  try {
    for (const [count, barSeconds] of sizes) {
      const file = join(dir, `${count}.txt`);
      await pipeline(Readable.from(lines(count)), createWriteStream(file));
      for (const [into, tiers] of [
        ['memory', []],
        ['memory and SQLite', ['sqlite']],
      ] as const) {
        const cache = { dir: join(dir, `${count}-${tiers.length}`), tiers };
        const { stored, seconds, stallMs, rssMB } = await inChild({ kind: 'warm', from: file, cache });
        const holds = stored === count && seconds <= barSeconds && stallMs <= STALL_BAR_MS;
        rows.push({
          row: `warm ${count} into ${into}`,
          seconds: round(seconds),
          'bar s': barSeconds,
          'stall ms': round(stallMs),
          'rss MB': round(rssMB),
          holds,
        });
      }
    }
    for (const [row, line] of [
      ['a source without end, in lines', `${lineOf(7)}\n`.repeat(2000)],
      ['a source without end, in one line', 'x'.repeat(65_536)],
    ] as const) {
      const { stallMs, rssMB, seconds, outcome } = await flood(line);
      rows.push({
        row,
        seconds: round(seconds),
        'stall ms': round(stallMs),
        'rss MB': round(rssMB),
        holds: outcome === 'too-large' && rssMB <= 100 && stallMs <= STALL_BAR_MS,
      });
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  console.table(rows);
  const json = process.argv.indexOf('--json');
  if (json > 0) {
    const { platform, arch, version } = process;
    writeFileSync(
      process.argv[json + 1] ?? 'warm.json',
      `${JSON.stringify({ node: version, platform, arch, rows }, null, 2)}\n`,
    );
  }
}

/** What a server does to a source that sends the same piece again and again. */
async function flood(piece: string): Promise<Result> {
  const server = createServer((_request, response) => {
    const send = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on('drain', send);
    send();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve));
  try {
    const from = `http://127.0.0.2:${(server.address() as AddressInfo).port}/`;
    return await inChild({ kind: 'flood', from, cache: { tiers: [] } });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function inChild(given: Job): Promise<Result> {
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, JSON.stringify(given)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  return JSON.parse(text) as Result;
}

function* lines(count: number): Generator<string> {
  for (let at = 0; at < count; at += 1000) {
    let text = '';
    for (let n = at; n < Math.min(at + 1000, count); n++) text += `${lineOf(n)}\n`;
    yield text;
  }
}

function lineOf(n: number): string {
  return `http://user${n}:secret${n}@10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}:8080`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
