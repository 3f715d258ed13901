import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Proxy } from '../core/proxy.js';
import { ProxyWhirlError } from '../errors.js';
import { AddressPolicy } from '../transport/address-policy.js';

/** Where a relay can be reached. */
interface RelayAddress {
  /** As it listens: an IP address, `0.0.0.0` and `::` included. */
  readonly address: string;
  readonly port: number;
}

/** A proxy of the pool is the relay itself: each request would come back to it for ever. */
export class RelayLoopError extends ProxyWhirlError {
  constructor(proxy: Pick<Proxy, 'id' | 'url'>) {
    super('PW_RELAY_LOOP', `The proxy ${proxy.url} leads back to the relay that would use it.`, {
      proxyId: proxy.id,
    });
  }
}

/** Knows a relay's own addresses, and which proxies may lead to them. */
export class LoopGuard {
  readonly #port: number;
  readonly #own: ReadonlySet<string>;
  readonly #name: string;
  readonly #via: string;
  readonly #policy = new AddressPolicy();
  /** Whether a proxy is on a public address; looking costs as much as all else that is done for a request. */
  readonly #isPublic = new WeakMap<Proxy, boolean>();

  /** @param token random text by which a request that comes back is known */
  constructor({ address, port }: RelayAddress, token: string) {
    this.#port = port;
    this.#own = ownAddresses(address);
    this.#name = `proxywhirl-${token}`;
    this.#via = `1.1 ${this.#name}`;
  }

  /** Whether the proxy is the relay, as far as can be said without a look-up. */
  isOwn({ host, port }: Proxy): boolean {
    if (port !== this.#port) return false;
    if (isIP(host) !== 0) return this.#own.has(host);
    return (host === 'localhost' || host.endsWith('.localhost')) && this.#hasLoopback();
  }

  /** {@link isOwn} for names as well; the few that have our port are looked up. */
  async leadsHere(proxy: Proxy): Promise<boolean> {
    if (proxy.port !== this.#port || isIP(proxy.host) !== 0) return this.isOwn(proxy);
    if (this.isOwn(proxy)) return true;
    const found = await lookup(proxy.host, { all: true }).catch(() => []);
    return found.some(({ address }) => this.#own.has(address));
  }

  /**
   * The `Via` of a request that goes to this proxy, or null. Only proxies on private addresses and names get one: a
   * mapped port may lead from there back to us. On the way to a public one it would tell every site of the relay.
   */
  viaFor(proxy: Proxy): string | null {
    const known = this.#isPublic.get(proxy) ?? this.#policy.allowsHost(proxy.host);
    this.#isPublic.set(proxy, known);
    return known ? null : this.#via;
  }

  /** Whether a request with this `Via` has been here before. */
  hasPassed(via: string): boolean {
    return via.includes(this.#name);
  }

  #hasLoopback(): boolean {
    return this.#own.has('127.0.0.1') || this.#own.has('::1');
  }
}

function ownAddresses(address: string): ReadonlySet<string> {
  if (address !== '0.0.0.0' && address !== '::') return new Set([address]);
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set([address, '127.0.0.1', '::1', ...all.map((entry) => entry.address)]);
}
