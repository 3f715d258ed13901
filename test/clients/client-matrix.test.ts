import Table from 'cli-table3';
import { LogLevel, log } from 'crawlee';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type ProxyWhirl, proxywhirl } from '../../src/index.js';
import { type Lab, type ProxySpec, startLab } from '../../src/lab/index.js';
import { upstreams as common } from '../integrations/client-lab.js';
import type { Client, Visit } from './client.js';
import { crawleeClients } from './crawlee-clients.js';
import { otherClients } from './other-clients.js';

const upstreams: readonly (readonly [string, ProxySpec])[] = [...common, ['socks4', { kind: 'socks4' }]];
let browser: Browser;
const clients = [...crawleeClients, ...otherClients(() => browser)];
const PAGES = 4;

/** The four questions. */
interface Cell {
  readonly works: boolean;
  readonly outcome: boolean;
  readonly sticky: boolean;
  readonly direct: number;
}
const cells = new Map<string, Cell>();
const keyOf = (client: string, upstream: string): string => `${client} / ${upstream}`;

beforeAll(async () => {
  log.setLevel(LogLevel.OFF);
  const found = inject('chromium');
  if (found === null) throw new Error('No Chromium: run `npm run setup`');
  const args = [...found.args, '--ignore-certificate-errors'];
  browser = await chromium.launch({ executablePath: found.executablePath, args, headless: true });
});

afterAll(async () => {
  await browser?.close();
  console.log(table());
});

describe.each(upstreams)('C-06 C-07 every client through %s', (upstream, spec) => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab({ proxies: [spec, spec] });
  });
  afterAll(() => lab.close());

  it.each(clients.map((client) => [client.name, client] as const))('%s', async (_, client) => {
    const cell = await measure(client, lab);
    cells.set(keyOf(client.name, upstream), cell);
    expect(cell).toEqual({ works: true, outcome: true, sticky: true, direct: 0 });
  });
});

async function measure(client: Client, lab: Lab): Promise<Cell> {
  await using whirl = proxywhirl({ proxies: lab.urls, freeRetries: 0 });
  const verdicts: string[] = [];
  const named = new Map<string, number>();
  whirl.rotator.on('settled', ({ verdict, proxyId, host }) => {
    // A lease that was taken to choose a proxy, and not to send anything, knows no host.
    if (host === null) return;
    verdicts.push(verdict);
    count(named, whirl.rotator.pool.get(proxyId)?.proxy.host ?? 'unknown');
  });
  const before = lab.site.requests.length;
  const { httpUrl, httpsUrl } = lab.site;
  const pages = Array.from({ length: PAGES }, (_, n) => `${n < 2 ? httpUrl : httpsUrl}/ip?n=${n}`);
  // A ban, as the last: no proxy is sent there for a while.
  const journey = { whirl, urls: [...pages, `${httpUrl}/status/429`], session: 'cart-1', limitMs: 20_000 };
  const visits = await client.visit(journey);
  const asked = lab.site.requests.slice(before).filter(({ path }) => path !== '/favicon.ico');
  const carried = new Map<string, number>();
  for (const { address } of asked) count(carried, address);
  const direct = carried.get('127.0.0.1') ?? 0;
  await ended(whirl);
  const seen = visits.filter(({ url }) => pages.includes(url));
  return {
    works: seen.length === PAGES,
    outcome:
      client.perConnection === true
        ? isRightByConnection(verdicts) && sameKeys(named, carried)
        : isRight(verdicts) && sameCounts(named, carried),
    sticky: isSticky(seen),
    direct,
  };
}

/** Each page a success, and the refusal a ban. */
function isRight(verdicts: readonly string[]): boolean {
  const expected = [...Array<string>(PAGES).fill('success'), 'banned'];
  return verdicts.toSorted().join() === expected.toSorted().join();
}

/** A connection that a browser opened in advance is nobody's success. */
function isRightByConnection(verdicts: readonly string[]): boolean {
  const telling = verdicts.filter((verdict) => verdict !== 'neutral').toSorted();
  return telling[0] === 'banned' && telling.length > 1 && telling.slice(1).every((v) => v === 'success');
}

function isSticky(visits: readonly Visit[]): boolean {
  const bySession = new Map<string, Set<string>>();
  for (const { session, text } of visits) {
    const { address } = JSON.parse(text) as { address: string };
    bySession.set(session, (bySession.get(session) ?? new Set()).add(address));
  }
  return bySession.size === 1 && [...bySession.values()].every(({ size }) => size === 1);
}

/** Until nobody uses a proxy any more: the last outcome may follow its page. */
async function ended(whirl: ProxyWhirl): Promise<void> {
  await expect.poll(() => whirl.rotator.stats().active).toBe(0);
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function sameKeys(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  return one.size === other.size && [...one.keys()].every((key) => other.has(key));
}

function sameCounts(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);
}

/** In each cell: works, outcome right, session sticky, nothing direct. */
function table(): string {
  const shown = new Table({
    head: ['client', ...upstreams.map(([name]) => name)],
    style: { head: [], border: [], compact: true },
  });
  const mark = (holds: boolean): string => (holds ? '+' : '-');
  for (const { name } of clients) {
    shown.push([
      name,
      ...upstreams.map(([upstream]) => {
        const cell = cells.get(keyOf(name, upstream));
        if (cell === undefined) return '';
        return [cell.works, cell.outcome, cell.sticky, cell.direct === 0].map(mark).join(' ');
      }),
    ]);
  }
  return `works, outcome right, session sticky, nothing direct\n${shown.toString()}`;
}
