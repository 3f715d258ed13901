/**
 * Records `fixtures/outcomes/`: what each client shows of each scripted fault. Everything is real and on loopback.
 *
 *     npm run record:outcomes            all clients
 *     npm run record:outcomes -- undici  one of them
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { labCaPem } from '../src/lab/index.js';
import { type ClientName, clientNames, type OutcomeCase, withExpected } from './outcomes/case.js';
import type { Client } from './outcomes/plain-clients.js';
import { plansOf } from './outcomes/situations.js';
import { openStage, scriptResolver } from './outcomes/stage.js';

const fileOf = (client: ClientName): string =>
  fileURLToPath(new URL(`../fixtures/outcomes/${client}.jsonl`, import.meta.url));

/** The libraries take a while to load: each process loads only what its client needs. */
async function findClient(name: ClientName): Promise<readonly [attempt: Client, version: string]> {
  if (name === 'cheerio-crawler' || name === 'playwright-crawler') {
    const { cheerioClient, chromiumVersion, playwrightClient } = await import('./outcomes/crawlers.js');
    const { versionOf } = await import('./outcomes/plain-clients.js');
    if (name === 'cheerio-crawler')
      return [cheerioClient, `${versionOf('crawlee')}, ${versionOf('got-scraping')}`];
    return [
      playwrightClient,
      `${versionOf('crawlee')}, ${versionOf('playwright')}, ${await chromiumVersion()}`,
    ];
  }
  const clients = await import('./outcomes/plain-clients.js');
  const own = clients.versionOf('undici');
  const plain = {
    'got-scraping': [clients.gotScrapingClient, clients.versionOf('got-scraping')],
    undici: [clients.undiciClient, own],
    'node-fetch': [clients.nodeFetchClient, `Node ${process.version}, ${own}`],
    'whirl-fetch': [clients.whirlFetchClient, `proxywhirl, ${own}`],
    'whirl-tunnel': [clients.whirlTunnelClient, 'proxywhirl'],
  } as const;
  return plain[name];
}

async function record(client: ClientName): Promise<void> {
  scriptResolver();
  const [attempt, clientVersion] = await findClient(client);
  const recordedAt = new Date().toISOString().slice(0, 10);
  const cases: Omit<OutcomeCase, 'expected'>[] = [];
  for (const plan of plansOf(client)) {
    const { situation, scheme, kind } = plan;
    await using stage = await openStage(plan);
    const shown = await attempt(stage);
    const id = `${client}/${kind}/${scheme}/${situation.id}`;
    if (shown === null) {
      console.error(`${id}: never came to an end, left out`);
      continue;
    }
    const names = { id, client, clientVersion, situation: situation.id, scheme, proxyKind: kind };
    cases.push({ ...names, ...shown, truth: situation.truth, recordedAt });
  }
  const lines = withExpected(cases).map((one) => JSON.stringify(one));
  writeFileSync(fileOf(client), `${lines.join('\n')}\n`);
  console.log(`${client}: ${lines.length} cases`);
}

/** A process of its own for each: it trusts the lab's certificate, which Node reads when it starts. */
async function recordApart(client: ClientName, env: NodeJS.ProcessEnv): Promise<void> {
  const self = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [...process.execArgv, self, '--here', client], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`Recording ${client} failed`);
}

const [first, second] = process.argv.slice(2);
if (first === '--here') {
  await record(second as ClientName);
  // Crawlee and undici keep timers.
  process.exit(0);
} else {
  const home = mkdtempSync(join(tmpdir(), 'outcomes-'));
  try {
    const NODE_EXTRA_CA_CERTS = join(home, 'lab-ca.pem');
    writeFileSync(NODE_EXTRA_CA_CERTS, labCaPem);
    const wanted = clientNames.filter((name) => first === undefined || name === first);
    for (const client of wanted) await recordApart(client, { ...process.env, NODE_EXTRA_CA_CERTS });
  } finally {
    rmSync(home, { recursive: true });
  }
}
