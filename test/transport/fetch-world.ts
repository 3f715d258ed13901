import { type AcquireContext, createRotator, type Rotator } from '../../src/create-rotator.js';
import { type Lab, type LabOptions, labCaPem, startLab } from '../../src/lab/index.js';
import { ProxyDispatchers } from '../../src/transport/dispatcher.js';
import { createFetch, type FetchParts, type ProxiedFetch } from '../../src/transport/fetch.js';
import { seededRandom } from '../support/seeded-random.js';

/** How a lease ended. */
export interface Settled {
  readonly proxyId: string;
  readonly verdict: string;
}

/** A lab, an engine over its proxies, and a fetch. */
export interface FetchWorld extends AsyncDisposable {
  readonly lab: Lab;
  readonly rotator: Rotator;
  readonly fetch: ProxiedFetch;
  readonly dispatchers: ProxyDispatchers;
  /** Outcomes in order; each lease may be in it once. */
  readonly settled: readonly Settled[];
  /** Contexts that were asked with. */
  readonly asked: readonly AcquireContext[];
  readonly leases: () => number;
}

type WorldOptions = LabOptions & {
  readonly settings?: FetchParts['settings'];
  /** Instead of those of the lab. */
  readonly urls?: readonly string[];
  readonly strategy?: 'round-robin' | 'random';
  /** Whether breakers open. */
  readonly breaks?: boolean;
};

export async function startWorld(options: WorldOptions = {}): Promise<FetchWorld> {
  const { settings, urls, strategy = 'round-robin', breaks = true, ...lab } = options;
  return overLab(await startLab({ proxies: 5, ...lab }), { settings, strategy, breaks }, urls);
}

export function overLab(
  lab: Lab,
  options: Pick<WorldOptions, 'settings' | 'strategy' | 'breaks'>,
  urls: readonly string[] = lab.urls,
): FetchWorld {
  const clock = { now: () => performance.now() };
  const random = seededRandom(11);
  const rotator = createRotator({
    proxies: [...urls],
    clock,
    random,
    strategy: options.strategy ?? 'round-robin',
    ...(options.breaks === false ? { breaker: { threshold: 1_000_000 } } : {}),
  });
  const settled: Settled[] = [];
  const asked: AcquireContext[] = [];
  let leases = 0;
  rotator.on('settled', ({ proxyId, verdict }) => settled.push({ proxyId, verdict }));
  const dispatchers = new ProxyDispatchers({
    tls: { ca: labCaPem },
    proxyTls: { ca: labCaPem, servername: 'localhost' },
  });
  const source = {
    acquire(context: AcquireContext) {
      asked.push(context);
      const lease = rotator.acquire(context);
      leases += 1;
      return lease;
    },
    acquireCarrier(proxyId: string, context: AcquireContext) {
      const lease = rotator.acquireCarrier(proxyId, context);
      if (lease !== undefined) leases += 1;
      return lease;
    },
  };
  const fetch = createFetch({ rotator: source, dispatchers, clock, random, settings: options.settings });
  return {
    lab,
    rotator,
    fetch,
    dispatchers,
    settled,
    asked,
    leases: () => leases,
    async [Symbol.asyncDispose]() {
      await dispatchers.destroy();
      await lab.close();
    },
  };
}
