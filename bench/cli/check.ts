/**
 * `proxywhirl check` on 10,000 lines, of which half are closed ports, at its default concurrency: how long it takes,
 * and how much memory its process has. `npm run bench:check`
 *
 * The proxies are one listener on all addresses of 127/8, in this process, so that each line is a proxy of its own.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const LINES = 10_000;

const site = createServer((_, response) => response.end('ok'));
const proxy = createServer((incoming, response) => {
  request(incoming.url ?? '', { agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, { connection: 'close' });
    answer.pipe(response);
  }).end();
});
const portOf = (server: typeof site): number => (server.address() as AddressInfo).port;
await Promise.all([
  new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve)),
  new Promise<void>((resolve) => proxy.listen(0, '0.0.0.0', resolve)),
]);

const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-bench-'));
const list = join(dir, 'list.txt');
const lines = Array.from({ length: LINES }, (_, i) => {
  const host = `127.${1 + (i >> 15)}.${(i >> 7) & 255}.${1 + (i & 127)}`;
  return `http://${host}:${i % 2 === 0 ? portOf(proxy) : 1}`;
});
await writeFile(list, lines.join('\n'));

const args = [
  '--import',
  'tsx',
  'src/cli/main.ts',
  'check',
  list,
  '--url',
  `http://127.0.0.1:${portOf(site)}/`,
  '--json',
];
const startedAt = performance.now();
const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
const memory: number[] = [];
const timer = setInterval(async () => {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /VmRSS:\s+(\d+)/.exec(status)?.[1];
  if (kilobytes !== undefined) memory.push(Number(kilobytes) / 1024);
}, 250);
const { summary } = JSON.parse(await text(child.stdout)) as { summary: { checked: number; working: number } };
clearInterval(timer);
const seconds = (performance.now() - startedAt) / 1000;
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const quarter = Math.floor(memory.length / 4);
const mebibytes = {
  secondQuarter: Math.round(mean(memory.slice(quarter, 2 * quarter))),
  lastQuarter: Math.round(mean(memory.slice(-quarter))),
  most: Math.round(Math.max(...memory)),
};
console.log(JSON.stringify({ ...summary, seconds: Number(seconds.toFixed(1)), mebibytes }, null, 2));
site.close();
proxy.close();
await rm(dir, { recursive: true });
