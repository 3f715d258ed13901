import { Lease } from '../../src/core/lease.js';
import { NoCandidateError } from '../../src/errors.js';
import { createProxy, type Proxy, parseProxy } from '../../src/index.js';
import { labCaPem, labCertificatePem, labKeyPem, type ProxyFault, startLab } from '../../src/lab/index.js';
import { ProxyDispatchers } from '../../src/transport/dispatcher.js';
import { createFetch } from '../../src/transport/fetch.js';
import type { LeaseSource } from '../../src/transport/fetch-engine.js';
import { TunnelError } from '../../src/transport/tunnel-error.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeTimers } from '../support/fake-timers.js';
import { seededRandom } from '../support/seeded-random.js';
import { proxyLines } from '../support/test-engine.js';
import { overLab } from './fetch-world.js';
import { type Script, ScriptedDispatcher } from './scripted-dispatcher.js';
import { onRequest, startScriptedProxy } from './scripted-proxy.js';

/** How often requests whose connection was lost after they were written reached the target. */
export interface Copies {
  readonly requests: number;
  /** Different requests that the target saw. */
  readonly arrived: number;
  /** Of the request that it saw most often. */
  readonly most: number;
}

/**
 * Row 27: the connection is lost when the target has the request. Over http the proxy resets it; over https it breaks
 * inside of the tunnel.
 */
export async function lostAfterWriting(
  scheme: 'http' | 'https',
  method: 'GET' | 'POST',
  requests: number,
): Promise<Copies> {
  const seen = new Map<string, number>();
  const see = (path: string): void => void seen.set(path, (seen.get(path) ?? 0) + 1);
  await using target = await startScriptedProxy(
    (socket) =>
      onRequest(socket, (head) => {
        see(head.split(' ')[1] ?? '');
        socket.destroy();
      }),
    { cert: labCertificatePem, key: labKeyPem },
  );
  const fault: ProxyFault = scheme === 'http' ? { kind: 'reset', at: 'response' } : { kind: 'none' };
  await using lab = await startLab({ proxies: Array(3).fill({ fault }) });
  lab.site.on('request', ({ path }) => see(path));
  await using open = openWithoutHealth(lab.urls);
  const origin = scheme === 'http' ? lab.site.httpUrl : `https://localhost:${target.port}`;
  await inParallel(20, requests, (n) =>
    open.fetch(`${origin}/ip?n=${n}`, { method, ...(method === 'POST' ? { body: `${n}` } : {}) }),
  );
  return { requests, arrived: seen.size, most: Math.max(0, ...seen.values()) };
}

/** What fails in a storm. */
export type StormKind =
  /** No proxy accepts a connection for longer than a moment. */
  | 'proxies'
  /** The target gets each request, and its connection is lost. */
  | 'target-lost'
  /** The target answers each request with 502. */
  | 'target-502';

/** What a storm has cost. */
export interface StormReport {
  readonly requests: number;
  /** Connections to proxies when these fail, else requests that reached the target. */
  readonly load: number;
  readonly seconds: number;
}

/**
 * Row 28, for real: 50 callers, each with its next request as soon as the last one has ended.
 * @param engine `shipped`, with breakers that take the proxies out, or `budget`, where nothing but the budget helps
 */
export async function realStorm(
  kind: StormKind,
  ms: number,
  engine: 'shipped' | 'budget',
): Promise<StormReport> {
  const faults: Record<StormKind, ProxyFault> = {
    proxies: { kind: 'close' },
    'target-lost': { kind: 'reset', at: 'response' },
    'target-502': { kind: 'none' },
  };
  await using lab = await startLab({
    proxies: Array(10).fill({ fault: faults[kind] }),
    site: { keepRequests: 0 },
  });
  await using open = engine === 'budget' ? openWithoutHealth(lab.urls) : overLab(lab, {});
  const { httpUrl, httpsUrl } = lab.site;
  const url = kind === 'target-lost' ? `${httpUrl}/ip` : `${httpsUrl}/status/502`;
  const startedAt = performance.now();
  let requests = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - startedAt < ms) {
      requests += 1;
      await finished(open.fetch(url));
    }
  };
  await Promise.all(Array.from({ length: 50 }, caller));
  const connections = lab.proxies.reduce((sum, { stats }) => sum + stats.connections, 0);
  const load = kind === 'proxies' ? connections : lab.site.counts.requests;
  return { requests, load, seconds: (performance.now() - startedAt) / 1000 };
}

/** Row 28, exactly: 1,000 requests per second for 10 s, by a fake clock and a transport without a network. */
export async function exactStorm(kind: Exclude<StormKind, 'target-502'>): Promise<StormReport> {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const random = seededRandom(28);
  const somebody = createProxy({ protocol: 'http', host: '192.0.2.1', port: 8000 });
  const closed = new TunnelError(somebody, 'connect', { code: 'PW_PROXY_CLOSED', verdict: 'proxy' });
  const script: Script =
    kind === 'proxies'
      ? { kind: 'refused', afterMs: 1, error: closed }
      : { kind: 'lost', connectMs: 1, afterMs: 5, error: new Error('lost') };
  let load = 0;
  const scripted = new ScriptedDispatcher('any', timers, () => {
    load += 1;
    return script;
  });
  const dispatchers = { dispatcherFor: () => scripted, drop() {} };
  const rotator = leasesInTurn(proxyLines(20).map(parseProxy));
  const fetch = createFetch({ rotator, dispatchers, clock, random, timers });
  const requests = 10_000;
  let done = 0;
  const call = async (): Promise<void> => {
    await finished(fetch('https://shop.test/'));
    done += 1;
  };
  for (let n = 0; n < requests; n++) timers.setTimeout(() => void call(), n);
  await timers.runUntil(() => done === requests);
  return { requests, load, seconds: 10 };
}

/** Proxies in turn, whatever became of them before. */
function leasesInTurn(proxies: readonly Proxy[]): LeaseSource {
  let turn = 0;
  return {
    acquire({ exclude = [] }) {
      const excluded = new Set(exclude);
      for (let tried = 0; tried < proxies.length; tried++) {
        const proxy = proxies[turn++ % proxies.length] as Proxy;
        const fields = { id: turn, proxy, startedAt: 0, sessionId: undefined, host: undefined };
        if (!excluded.has(proxy.id)) return new Lease(fields, (_lease, { verdict }) => verdict);
      }
      throw new NoCandidateError({}, null);
    },
  };
}

function openWithoutHealth(urls: readonly string[]) {
  const dispatchers = new ProxyDispatchers({ tls: { ca: labCaPem } });
  const clock = { now: () => performance.now() };
  const fetch = createFetch({
    rotator: leasesInTurn(urls.map(parseProxy)),
    dispatchers,
    clock,
    random: seededRandom(27),
  });
  return { fetch, [Symbol.asyncDispose]: () => dispatchers.destroy() };
}

/** Whatever becomes of it. */
async function finished(answer: Promise<Response>): Promise<void> {
  await answer.then((response) => response.arrayBuffer()).catch(() => {});
}

async function inParallel(
  callers: number,
  requests: number,
  send: (n: number) => Promise<Response>,
): Promise<void> {
  let sent = 0;
  const caller = async (): Promise<void> => {
    while (sent < requests) await finished(send(sent++));
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
