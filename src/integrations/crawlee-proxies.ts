import { type Proxy, proxyUrl } from '../core/proxy.js';

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

  urlOf(proxy: Proxy): string {
    return this.#know(proxy).url;
  }

  describe(proxy: Proxy, sessionId: string | undefined, withTier: boolean): CrawleeProxyInfo {
    const { url, username, password, tier } = this.#know(proxy);
    const info: CrawleeProxyInfo = {
      url,
      username,
      password,
      hostname: proxy.host,
      port: proxy.port,
    };
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

  #know(proxy: Proxy): KnownProxy {
    let known = this.#known.get(proxy.id);
    if (known === undefined) {
      known = {
        url: proxyUrl(proxy),
        username: proxy.username ?? '',
        password: proxy.password?.reveal() ?? '',
        tier: ++this.#lastTier,
      };
      this.#known.set(proxy.id, known);
      this.#unlisted.add(proxy.id);
    }
    return known;
  }
}

function normalizeUrl(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url;
}
