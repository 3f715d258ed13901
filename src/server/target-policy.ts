import { isIP } from 'node:net';
import type { Proxy } from '../core/proxy.js';
import { AddressPolicy } from '../transport/address-policy.js';
import { FetchError } from '../transport/fetch-error.js';
import type { ApiContext } from './api-context.js';
import { ApiError } from './api-error.js';
import { resolveAll } from './name-answers.js';
import { isOwnListener } from './own-listeners.js';

/**
 * Where `POST /request` may lead. It is asked before anything connects, and everything that is refused is refused with
 * the same answer: whoever asks learns nothing of a network that is not theirs.
 *
 * A name is resolved by the proxy, elsewhere, so that what it means here says little. It says much where the proxy is
 * in our own network, or leaves the look-up to us: while the pool holds such a proxy, all addresses of the name must
 * be allowed, and a name without an answer is not asked for. A proxy that has a name counts as such until its own
 * addresses are known to be public.
 */
export class TargetPolicy {
  readonly #context: Pick<ApiContext, 'listeners' | 'options'>;
  readonly #addresses: AddressPolicy;
  /** Ids of the proxies for which a name means what it means here. */
  readonly #near = new Set<string>();

  constructor({ options, rotator, listeners, draining }: Omit<ApiContext, 'whirl'>) {
    this.#context = { options, listeners };
    this.#addresses = new AddressPolicy(options.allowPrivateTargets, options.lookup);
    const publicOnly = new AddressPolicy(false, options.lookup);
    /** Many proxies of a vendor have one name. */
    const looking = new Map<string, Promise<boolean>>();
    /** One after another: look-ups share few threads with all that reads and writes files. */
    let last: Promise<unknown> = Promise.resolve();
    const isPublic = (name: string): Promise<boolean> => {
      const present = looking.get(name);
      if (present !== undefined) return present;
      const found = last
        .then(() => resolveAll(name, publicOnly.lookup, options.timers))
        .then((addresses) => addresses.length > 0)
        .catch(() => false)
        .finally(() => looking.delete(name));
      looking.set(name, found);
      last = found;
      return found;
    };
    const join = (id: string): void => {
      const member = rotator.pool.get(id);
      if (member === undefined) return;
      const { protocol, host } = member.proxy;
      const looksPublic = protocol !== 'socks4' && protocol !== 'socks5' && publicOnly.allowsHost(host);
      if (looksPublic && isIP(host) !== 0) return;
      this.#near.add(id);
      if (looksPublic)
        void isPublic(host).then((is) => {
          if (is) this.#near.delete(id);
        });
    };
    for (const { id } of rotator.pool.list()) join(id);
    const unsubscribe = rotator.on('pool', ({ proxyId, change }) => {
      if (change === 'added') join(proxyId);
      else this.#near.delete(proxyId);
    });
    draining.addEventListener('abort', unsubscribe, { once: true });
  }

  /**
   * What a proxy is to be asked for in place of the name; null = the name.
   * @param checked what {@link check} has returned for this URL
   * @throws FetchError when a name means to this proxy what it means here, and nobody has looked: it joined after that
   */
  addressOf({ hostname }: URL, { id }: Proxy, checked: string | null): string | null {
    if (!this.#near.has(id)) return null;
    if (this.#context.options.allowPrivateTargets === true || isIP(bare(hostname)) !== 0) return null;
    if (checked !== null) return checked;
    throw new FetchError('PW_FETCH_EXHAUSTED', 'a proxy of our own network joined meanwhile');
  }

  /**
   * @returns the address that was checked, which is to be asked for by near proxies: a second look-up could bring
   * another. Null where a name need not be resolved here.
   * @throws ApiError TARGET_REFUSED, TARGET_UNREACHABLE; AddressRefusedError, which is answered like the first
   */
  async check({ protocol, port: given, hostname }: URL): Promise<string | null> {
    const { listeners, options } = this.#context;
    const { targetPorts, allowPrivateTargets } = options;
    const port = given === '' ? (protocol === 'https:' ? 443 : 80) : Number(given);
    const host = bare(hostname);
    const allowed =
      (targetPorts === null || targetPorts.includes(port)) && this.#addresses.allowsHost(hostname);
    if (!allowed || isOwnListener(host, port, listeners)) throw new ApiError('TARGET_REFUSED');
    if (isIP(host) !== 0 || this.#near.size === 0 || allowPrivateTargets === true) return null;
    const found = await resolveAll(host, this.#addresses.lookup, options.timers);
    if (found.length === 0) throw new ApiError('TARGET_UNREACHABLE');
    if (found.some((address) => isOwnListener(address, port, listeners)))
      throw new ApiError('TARGET_REFUSED');
    // SOCKS4 knows no other.
    return found.find((address) => isIP(address) === 4) ?? found[0] ?? null;
  }
}

/** Without brackets and the final dot. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}
