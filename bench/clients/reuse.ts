/**
 * What a connection that is kept saves: https requests through one proxy by got-scraping with its own `proxyUrl`, and
 * by the clients of this engine over kept tunnels. They take turns; medians of one run are compared. The clients have
 * one process, proxy and target one each, as lean as sockets can be: what is measured is the client.
 * `npm run bench:clients`, `npm run bench:clients -- --rounds 9 --json`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { labCaPem } from 'proxywhirl/lab';
import type { Cost, Turn } from './client-child.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '1000' },
    concurrency: { type: 'string', default: '50' },
    json: { type: 'boolean' },
  },
});
const rounds = Number(values.rounds);
const ms = Number(values.ms);
const concurrency = Number(values.concurrency);

async function startLab(...args: string[]): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(new URL('lab-child.ts', import.meta.url), args);
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

const target = await startLab();
const proxy = await startLab(String(target.port));
// Some of the clients know no other way to be told whom to trust.
const folder = await mkdtemp(join(tmpdir(), 'proxywhirl-bench-'));
const trusted = join(folder, 'ca.pem');
await writeFile(trusted, labCaPem);
const client = fork(
  new URL('client-child.ts', import.meta.url),
  [`http://127.0.0.1:${proxy.port}`, `https://localhost:${target.port}/ip`],
  {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: trusted },
  },
);
const [names] = (await once(client, 'message')) as [string[]];

/** Connections that the proxy has accepted. */
async function accepted(): Promise<number> {
  proxy.child.send('count');
  const [count] = (await once(proxy.child, 'message')) as [number];
  return count;
}

const measured = names.map((name) => ({
  name,
  perSecond: [] as number[],
  cpuUs: [] as number[],
  requests: 0,
  connections: 0,
}));
for (let round = -1; round < rounds; round++) {
  for (const row of measured) {
    const before = await accepted();
    const turn: Turn = { client: row.name, ms, concurrency };
    client.send(turn);
    const [cost] = (await once(client, 'message')) as [Cost];
    // The first round warms up.
    if (round < 0) continue;
    row.perSecond.push(cost.requests / cost.seconds);
    row.requests += cost.requests;
    row.cpuUs.push(cost.cpuUs);
    row.connections += (await accepted()) - before;
  }
}
for (const child of [client, proxy.child, target.child]) child.disconnect();
await rm(folder, { recursive: true });

const rows = measured.map(({ name, perSecond, cpuUs, requests, connections }) => ({
  client: name,
  requestsPerSecond: Math.round(median(perSecond)),
  cpuUsPerRequest: Math.round(median(cpuUs)),
  connectionsPerRequest: Number((connections / requests).toFixed(4)),
}));
const base = rows[0]?.requestsPerSecond ?? 1;
const report = rows.map((row) => ({ ...row, ratio: Number((row.requestsPerSecond / base).toFixed(1)) }));
if (values.json === true) console.log(JSON.stringify(report));
else console.table(report);

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
}
