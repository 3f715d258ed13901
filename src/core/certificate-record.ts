import { LRUCache } from 'lru-cache';

/** How long a bad certificate counts, in ms. */
const TOGETHER_MS = 600_000;
/** Hosts per proxy that are remembered, and proxies and hosts; the oldest are forgotten first. */
const MAX_SIGHTS = 8;
const MAX_REMEMBERED = 10_000;

/** A host whose certificate was bad. */
export interface BadCertificate {
  readonly host: string;
  /** Monotonic ms. */
  readonly at: number;
}

/** Tells a proxy that breaks into the encryption from a host whose certificate is bad for everybody. */
export class CertificateRecord {
  readonly #byProxy = new LRUCache<string, readonly BadCertificate[]>({
    maxSize: MAX_REMEMBERED,
    sizeCalculation: () => 1,
  });
  /** The last two proxies that saw it at a host: enough to know whether there is another one. */
  readonly #byHost = new LRUCache<string, readonly { readonly proxyId: string; readonly at: number }[]>({
    maxSize: MAX_REMEMBERED,
    sizeCalculation: () => 1,
  });

  /** Notes a bad certificate; the latest at each host where this proxy, and no other, saw one within ten minutes. */
  see(host: string, proxyId: string, now: number): readonly BadCertificate[] {
    const before = (this.#byHost.peek(host) ?? []).filter((one) => one.proxyId !== proxyId);
    this.#byHost.set(host, [...before, { proxyId, at: now }].slice(-2));
    const others = (this.#byProxy.peek(proxyId) ?? []).filter((one) => one.host !== host);
    const seen = [...others, { host, at: now }]
      .filter(({ at }) => now - at <= TOGETHER_MS)
      .slice(-MAX_SIGHTS);
    this.#byProxy.set(proxyId, seen);
    return seen.filter((one) => !this.#isHostsOwn(one.host, proxyId, now));
  }

  #isHostsOwn(host: string, proxyId: string, now: number): boolean {
    const seen = this.#byHost.peek(host) ?? [];
    return seen.some((one) => one.proxyId !== proxyId && now - one.at <= TOGETHER_MS);
  }
}
