import { createRotator, type Rotator } from '../../src/create-rotator.js';
import { labCaPem } from '../../src/lab/index.js';
import type { RotatorOptions } from '../../src/options.js';
import { ProxyDispatchers, type ProxyDispatchersOptions } from '../../src/transport/dispatcher.js';
import { createFetch, type ProxiedFetch } from '../../src/transport/fetch.js';

/** What a row sends with; `proxywhirl()` is one as well. */
export interface Sender {
  readonly rotator: Rotator;
  readonly fetch: ProxiedFetch;
}

export interface MatrixEngine extends Sender, AsyncDisposable {}

/** Of the lab's proxies, whose addresses are more than its certificate names. */
export const labProxyTls = { ca: labCaPem, servername: 'localhost' };

/**
 * The engine as `proxywhirl()` puts it together, with its defaults, that trusts the lab's certificates on top: what a
 * process is started with decides whom `proxywhirl()` trusts.
 */
export function startEngine(
  proxies: readonly string[],
  dialing: ProxyDispatchersOptions = {},
  options: Omit<RotatorOptions, 'proxies'> = {},
): MatrixEngine {
  const rotator = createRotator({ ...options, proxies });
  const dispatchers = new ProxyDispatchers({ tls: { ca: labCaPem }, proxyTls: labProxyTls, ...dialing });
  const { clock } = rotator;
  return {
    rotator,
    fetch: createFetch({ rotator, dispatchers, clock, random: options.random ?? Math.random }),
    async [Symbol.asyncDispose]() {
      rotator.close();
      await dispatchers.destroy();
    },
  };
}

/** Leases that nobody has settled yet. */
export function inFlight(...senders: readonly Pick<Sender, 'rotator'>[]): number {
  return senders.reduce((sum, { rotator }) => sum + rotator.stats().active, 0);
}
