import { LRUCache } from 'lru-cache';

/** Hosts that one proxy must fail at, within which time in ms, so that it is hardly the hosts' doing. */
const HOSTS = 3;
const TOGETHER_MS = 60_000;
const MAX_PROXIES = 10_000;

interface Silence {
  readonly host: string;
  /** Monotonic ms. */
  readonly at: number;
}

/** Where each proxy failed lately without a sign of whose fault it was; as many hosts as it takes to tell. */
export class SilenceRecord {
  readonly #byProxy = new LRUCache<string, readonly Silence[]>({
    maxSize: MAX_PROXIES,
    sizeCalculation: () => 1,
  });

  /** Whether by a failure at this host it failed at enough of them, with nothing through it since `lastSuccessAt`. */
  isProxysOwn(proxyId: string, host: string, lastSuccessAt: number, now: number): boolean {
    const others = (this.#byProxy.peek(proxyId) ?? []).filter(
      (one) => one.host !== host && one.at > lastSuccessAt && now - one.at <= TOGETHER_MS,
    );
    return others.length >= HOSTS - 1;
  }

  add(proxyId: string, host: string, now: number): void {
    const others = (this.#byProxy.peek(proxyId) ?? []).filter((one) => one.host !== host);
    this.#byProxy.set(proxyId, [...others, { host, at: now }].slice(-HOSTS));
  }

  /** The host turned out to be down. */
  forget(proxyId: string, host: string): void {
    const left = this.#byProxy.peek(proxyId)?.filter((one) => one.host !== host);
    if (left !== undefined) this.#byProxy.set(proxyId, left);
  }
}
