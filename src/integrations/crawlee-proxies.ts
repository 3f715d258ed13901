import { type Proxy, proxyUrl } from '../core/proxy.js';
import type { Rotator } from '../core/rotator.js';
import { ClosedError } from '../errors.js';
import { engineOf } from './client-engine.js';
import type { SocksBridges } from './socks-bridges.js';

/** What Crawlee reads of a proxy; `url` holds the credentials, as its clients need them. */
export interface CrawleeProxyInfo {
  sessionId?: string;
  url: string;
  username?: string;
  password: string;
  hostname: string;
  port: number;
  proxyTier?: number;
}

/** What is told of a proxy, prepared once. */
interface KnownProxy {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly hostname: string;
  readonly port: number;
  /** Unique number of the URL: Crawlee 3 keeps one browser per tier, so the named proxy is the real one. */
  readonly tier: number;
}

/** The proxies that Crawlee was told of, by id and by the URL under which a browser names them. */
export class KnownProxies {
  /** By proxy id. A weak map would cost each garbage collection a walk over all proxies. */
  readonly #known = new Map<string, KnownProxy>();
  /** URL as browsers report it -> proxy id; a browser names the proxy it was launched with by its URL. */
  readonly #carriers = new Map<string, string>();
  /** Known proxies that are not among the carriers yet: reading a URL costs several choices, and only browsers ask. */
  readonly #unlisted = new Set<string>();
  #lastTier = 0;
  readonly #rotator: Rotator;
  /** Loaded for the first proxy that needs one. */
  #bridges: SocksBridges | null = null;
  #closed = false;

  constructor(rotator: Rotator) {
    this.#rotator = rotator;
  }

  /**
   * URL of a bridge that leads to this proxy and listens.
   * @throws ClosedError
   */
  async bridgeTo(proxy: Proxy): Promise<string> {
    const { bridgesOf } = await import('./socks-bridges.js');
    if (this.#closed) throw new ClosedError();
    this.#bridges = bridgesOf(engineOf({ rotator: this.#rotator }));
    return this.#bridges.urlFor(proxy);
  }

  /** Why a bridge could not reach the target of this URL, as far as that was since `since`, in ms of the clock. */
  faultOf({ id }: Proxy, url: string, since: number): unknown {
    return this.#bridges?.faultOf(id, url, since);
  }

  close(): void {
    this.#closed = true;
  }

  /** @param bridge URL of the bridge that leads to it, where clients need one */
  urlOf(proxy: Proxy, bridge?: string): string {
    return this.#know(proxy, bridge).url;
  }

  /** @param bridge URL of the bridge that leads to it, where clients need one */
  describe(
    proxy: Proxy,
    sessionId: string | undefined,
    withTier: boolean,
    bridge?: string,
  ): CrawleeProxyInfo {
    const { url, username, password, hostname, port, tier } = this.#know(proxy, bridge);
    const info: CrawleeProxyInfo = { url, username, password, hostname, port };
    if (sessionId !== undefined) info.sessionId = sessionId;
    if (withTier) info.proxyTier = tier;
    return info;
  }

  /** Id of the proxy at this URL. */
  carrierAt(url: string): string | undefined {
    for (const id of this.#unlisted) this.#carriers.set(normalizeUrl(this.#known.get(id)?.url ?? ''), id);
    this.#unlisted.clear();
    return this.#carriers.get(normalizeUrl(url));
  }

  forget(proxyId: string): void {
    const known = this.#known.get(proxyId);
    if (known === undefined) return;
    this.#known.delete(proxyId);
    if (this.#unlisted.delete(proxyId)) return;
    this.#carriers.delete(normalizeUrl(known.url));
  }

  #know(proxy: Proxy, bridge: string | undefined): KnownProxy {
    const known = this.#known.get(proxy.id);
    if (known !== undefined && (bridge === undefined || bridge === known.url)) return known;
    // A bridge that was closed comes back with another port.
    this.forget(proxy.id);
    const tier = ++this.#lastTier;
    const made = bridge === undefined ? described(proxy, tier) : bridged(bridge, tier);
    this.#known.set(proxy.id, made);
    this.#unlisted.add(proxy.id);
    return made;
  }
}

function described(proxy: Proxy, tier: number): KnownProxy {
  return {
    url: proxyUrl(proxy),
    username: proxy.username ?? '',
    password: proxy.password?.reveal() ?? '',
    hostname: proxy.host,
    port: proxy.port,
    tier,
  };
}

function bridged(url: string, tier: number): KnownProxy {
  const { hostname, port } = new URL(url);
  return { url, username: '', password: '', hostname, port: Number(port), tier };
}

function normalizeUrl(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url;
}
