import type { LookupFunction } from 'node:net';
import type { Proxy } from '../core/proxy.js';
import { AddressPolicy } from '../transport/address-policy.js';
import type { ApiContext } from './api-context.js';
import { ApiError } from './api-error.js';
import { resolveAll } from './name-answers.js';
import { isOwnListener } from './own-listeners.js';

/**
 * Which proxies may be added over HTTP: adding one connects to it, and tells how long that took. A proxy that leads
 * back to this process would send requests in a circle, and is refused whatever else is allowed.
 */
export class ProxyPolicy {
  readonly #context: Pick<ApiContext, 'listeners' | 'options'>;
  readonly #addresses: AddressPolicy;
  /** Refuses what the policy refuses: a second look-up can bring another address than the one that was checked. */
  readonly lookup: LookupFunction;

  constructor({ options, listeners }: Pick<ApiContext, 'listeners' | 'options'>) {
    this.#context = { options, listeners };
    this.#addresses = new AddressPolicy(options.allowPrivateProxies, options.lookup);
    this.lookup = this.#addresses.lookup;
  }

  /** @throws ApiError TARGET_REFUSED; AddressRefusedError, which is answered alike */
  async check({ host, port }: Proxy): Promise<void> {
    if (!this.#addresses.allowsHost(host)) throw new ApiError('TARGET_REFUSED');
    const { listeners, options } = this.#context;
    const found = await resolveAll(host, this.lookup, options.timers);
    if (found.some((address) => isOwnListener(address, port, listeners)))
      throw new ApiError('TARGET_REFUSED');
  }
}
