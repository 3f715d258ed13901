/**
 * The API beside bare node:http: CPU per request of a read route with key, scope, rate limit, schema and envelope;
 * what `POST /request` adds to `whirl.fetch`; other clients beside 200 slow ones; and /metrics of 10,000 proxies.
 * Servers are processes of their own, contenders take turns. `npm run bench:server`, `-- --rounds 9 --json`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Client, readMany, readPaths, slowLoris } from './load.js';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, json: { type: 'boolean' } },
});
const rounds = Number(values.rounds);

interface Child {
  readonly process: ChildProcess;
  readonly port: number;
  readonly site: string;
}

async function start(role: string): Promise<Child> {
  const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [role]);
  const [said] = (await once(child, 'message')) as [number | { port: number; site: string }];
  return typeof said === 'number'
    ? { process: child, port: said, site: '' }
    : { process: child, port: said.port, site: said.site };
}

async function ask<T>({ process: child }: Child, message: object): Promise<T> {
  child.send(message);
  const [answer] = (await once(child, 'message')) as [T];
  return answer;
}

function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

const median = (samples: readonly number[]): number => quantile(samples, 0.5);

/** CPU time in µs for one of `count` requests. */
async function cpuOf(child: Child, path: string, count: number): Promise<number> {
  const before = await ask<NodeJS.CpuUsage>(child, { ask: 'cpu' });
  await readMany(child.port, path, count);
  const after = await ask<NodeJS.CpuUsage>(child, { ask: 'cpu' });
  return (after.user + after.system - before.user - before.system) / count;
}

const report: Record<string, number> = {};

const [api, bare] = [await start('api'), await start('bare')];
const pairs: Record<string, { api: number[]; bare: number[] }> = {};
// The first round warms the compilers up and is not counted.
for (let round = 0; round <= rounds; round++) {
  for (const path of readPaths) {
    pairs[path] ??= { api: [], bare: [] };
    const count = path.endsWith('=500') ? 300 : path.includes('proxies') ? 2_000 : 6_000;
    const order = round % 2 === 0 ? (['api', 'bare'] as const) : (['bare', 'api'] as const);
    for (const name of order) {
      const cpu = await cpuOf(name === 'api' ? api : bare, path, count);
      if (round > 0) pairs[path]?.[name].push(cpu);
    }
  }
}
for (const [path, pair] of Object.entries(pairs)) {
  report[`${path}: bare node:http, µs of CPU`] = median(pair.bare);
  report[`${path}: API, µs of CPU`] = median(pair.api);
  report[`${path}: API / bare`] = median(pair.api) / median(pair.bare);
}

const proxied = await start('request');
for (const ms of [0, 20]) {
  const url = `${proxied.site}/slow?ms=${ms}`;
  const client = await Client.open(proxied.port);
  const [own, through]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    const count = ms === 0 ? 100 : 30;
    const times = await ask<number[]>(proxied, { ask: 'fetch', url, count });
    if (round > 0) own.push(...times);
    for (let i = 0; i < count; i++) {
      const startedAt = performance.now();
      await client.send('POST', '/api/v1/request', JSON.stringify({ url }));
      if (round > 0) through.push(performance.now() - startedAt);
    }
  }
  client.close();
  report[`target of ${ms} ms: whirl.fetch, median ms`] = median(own);
  report[`target of ${ms} ms: POST /request, median ms`] = median(through);
  report[`target of ${ms} ms: POST /request adds, %`] = (median(through) / median(own) - 1) * 100;
}

async function latencies(): Promise<number[]> {
  const client = await Client.open(api.port);
  const times: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    const startedAt = performance.now();
    await client.send('GET', '/api/v1/config');
    times.push(performance.now() - startedAt);
  }
  client.close();
  return times;
}
report['no slow clients: p99 ms'] = quantile(await latencies(), 0.99);
const stop = await slowLoris(api.port, 200);
report['200 slow clients: p99 ms'] = quantile(await latencies(), 0.99);
stop();

const large = await start('metrics');
const client = await Client.open(large.port);
const times: number[] = [];
for (let i = 0; i < 30; i++) {
  const startedAt = performance.now();
  report['10,000 proxies: /metrics bytes'] = await client.send('GET', '/api/v1/metrics');
  times.push(performance.now() - startedAt);
}
client.close();
report['10,000 proxies: /metrics median ms'] = median(times);
report['10,000 proxies: /metrics worst ms'] = Math.max(...times);

for (const { process: child } of [api, bare, proxied, large]) child.kill();

if (values.json) console.log(JSON.stringify(report));
else
  for (const [name, value] of Object.entries(report))
    console.log(`${name.padEnd(60)} ${value.toFixed(value < 100 ? 2 : 0).padStart(10)}`);
