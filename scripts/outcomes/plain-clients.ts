import { readFileSync } from 'node:fs';
import { gotScraping } from 'got-scraping';
import { type Dispatcher, ProxyAgent, request } from 'undici';
import type { Outcome } from '../../src/core/outcome.js';
import { createRotator } from '../../src/create-rotator.js';
import { labCaPem } from '../../src/lab/index.js';
import { ProxyDispatchers } from '../../src/transport/dispatcher.js';
import { createFetch } from '../../src/transport/fetch.js';
import { openTunnel } from '../../src/transport/tunnel.js';
import type { Shown } from './case.js';
import { toReply } from './reply.js';
import { serializeError } from './serial-error.js';
import type { Stage } from './stage.js';

/** Makes one attempt and says what was seen of it; null when the client never came to an end. */
export type Client = (stage: Stage) => Promise<Shown | null>;

/** How long a client waits for anything, in ms. */
const patienceMs = 700;
const abortMs = 200;
const trust = { ca: labCaPem };
const limits = { connectMs: patienceMs, handshakeMs: patienceMs, tlsMs: patienceMs };

export function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return `${name} ${(JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version}`;
}

/** What was seen until something was thrown. */
async function show(
  { clean }: Stage,
  attempt: (see: (shown: Shown) => void) => Promise<void>,
): Promise<Shown> {
  let shown: Shown = { phase: 'navigation' };
  try {
    await attempt((next) => {
      shown = next;
    });
    return shown;
  } catch (error) {
    return { ...shown, error: serializeError(error, clean) };
  }
}

/** Null when it takes too long, or takes more connections than an attempt may. */
async function within(stage: Stage, attempt: Promise<Shown>): Promise<Shown | null> {
  let timer: NodeJS.Timeout | undefined;
  const never = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), 3 * patienceMs);
  });
  const shown = await Promise.race([attempt, never]);
  clearTimeout(timer);
  // A storm is no ending, even when an abort ends it.
  return stage.connections() > 3 ? null : shown;
}

function leave(stage: Stage): AbortSignal | undefined {
  if (stage.plan.situation.act !== 'abort') return undefined;
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(), abortMs);
  return leaving.signal;
}

export const gotScrapingClient: Client = (stage) => within(stage, gotScrapingAttempt(stage));

const gotScrapingAttempt = (stage: Stage): Promise<Shown> =>
  show(stage, async (see) => {
    const stream = gotScraping.stream(stage.url, {
      proxyUrl: stage.proxyUrl,
      timeout: { request: patienceMs },
      retry: { limit: 0 },
      throwHttpErrors: false,
      https: { rejectUnauthorized: true },
    });
    const timer =
      stage.plan.situation.act === 'abort'
        ? setTimeout(
            () => stream.destroy(new DOMException('This operation was aborted', 'AbortError')),
            abortMs,
          )
        : undefined;
    await new Promise<void>((resolve, reject) => {
      let body = '';
      stream.once('error', reject);
      stream.once('response', (response: { statusCode: number; headers: object; url: string }) => {
        const raw = {
          status: response.statusCode,
          headers: Object.entries(response.headers),
          url: stage.url,
        };
        const reply = (text?: string): Shown => ({
          phase: 'answered',
          reply: toReply({ ...raw, finalUrl: response.url, body: text }, stage.clean),
        });
        see(reply());
        stream.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        stream.once('end', () => {
          see(reply(body));
          resolve();
        });
      });
    }).finally(() => clearTimeout(timer));
  });

/** Undici with its own ProxyAgent. It may never come to an end, whatever its signal says. */
export const undiciClient: Client = async (stage) => {
  const agent = new ProxyAgent({ uri: stage.proxyUrl, requestTls: trust, proxyTls: trust });
  const signal = AbortSignal.timeout(patienceMs);
  const attempt = show(stage, async (see) => {
    const seen = (data: Dispatcher.ResponseData, body?: string): Shown => ({
      phase: 'answered',
      reply: toReply(
        { status: data.statusCode, headers: Object.entries(data.headers), url: stage.url, body },
        stage.clean,
      ),
    });
    const data = await request(stage.url, { dispatcher: agent, signal: leave(stage) ?? signal });
    see(seen(data));
    see(seen(data, await data.body.text()));
  });
  const shown = await within(stage, attempt);
  await agent.destroy();
  return shown;
};

async function readFetch(stage: Stage, response: Response, see: (shown: Shown) => void): Promise<void> {
  const seen = (body?: string): Shown => ({
    phase: 'answered',
    reply: toReply(
      { status: response.status, headers: response.headers, url: stage.url, finalUrl: response.url, body },
      stage.clean,
    ),
  });
  see(seen());
  see(seen(await response.text()));
}

/** Node's fetch over our dispatcher. */
export const nodeFetchClient: Client = (stage) =>
  show(stage, async (see) => {
    const dispatchers = new ProxyDispatchers({ tls: trust, proxyTls: trust, limits });
    const [entry] = createRotator({ proxies: [stage.proxyUrl] }).pool.list();
    if (entry === undefined) throw new Error('The proxy is not in the pool');
    const dispatcher = dispatchers.dispatcherFor(entry.proxy);
    const signal = leave(stage) ?? AbortSignal.timeout(2 * patienceMs);
    try {
      const init = { dispatcher, signal } as unknown as RequestInit;
      await readFetch(stage, await fetch(stage.url, init), see);
    } finally {
      await dispatchers.destroy();
    }
  });

/** Our fetch, with one attempt; the error is the one that the attempt was settled with. */
export const whirlFetchClient: Client = async (stage) => {
  const dispatchers = new ProxyDispatchers({ tls: trust, proxyTls: trust, limits });
  const rotator = createRotator({ proxies: [stage.proxyUrl] });
  const fetch = createFetch({
    rotator: {
      acquire(context) {
        const lease = rotator.acquire(context);
        const settle = lease.settle.bind(lease);
        lease.settle = (given) => {
          outcome ??= given;
          return settle(given);
        };
        return lease;
      },
      acquireCarrier: (id, context) => rotator.acquireCarrier(id, context),
    },
    dispatchers,
    clock: { now: () => performance.now() },
    random: () => 0.5,
    settings: {
      attempts: 1,
      adaptiveTimeout: false,
      phases: { firstByteMs: patienceMs, idleMs: patienceMs },
    },
  });
  let outcome: Outcome | undefined;
  try {
    const shown = await show(stage, async (see) => {
      const response = await fetch(stage.url, { signal: leave(stage), redirect: 'manual' });
      await readFetch(stage, response, see);
    });
    const error = outcome?.error;
    return error === undefined ? shown : { ...shown, error: serializeError(error, stage.clean) };
  } finally {
    await dispatchers.destroy();
  }
};

/** Our tunnel alone: it ends before anything is asked of the target. */
export const whirlTunnelClient: Client = (stage) =>
  show(stage, async (see) => {
    const [entry] = createRotator({ proxies: [stage.proxyUrl] }).pool.list();
    if (entry === undefined) throw new Error('The proxy is not in the pool');
    const { hostname, port } = new URL(stage.url);
    const tunnel = await openTunnel({
      proxy: entry.proxy,
      host: hostname,
      port: Number(port),
      tls: trust,
      proxyTls: trust,
      limits,
    });
    tunnel.socket.destroy();
    see({ phase: 'answered' });
  });
