/** How a client talks to the proxy. `https` means TLS to the proxy itself. */
export type ProxyProtocol = 'http' | 'https' | 'socks4' | 'socks4a' | 'socks5' | 'socks5h';

const defaultPorts: Readonly<Record<ProxyProtocol, number>> = {
  http: 80,
  https: 443,
  socks4: 1080,
  socks4a: 1080,
  socks5: 1080,
  socks5h: 1080,
};

/** Port of a URL that names none (rule G5). */
export function defaultPort(protocol: ProxyProtocol): number {
  return defaultPorts[protocol];
}

/** Whether `value` is exactly one of the six protocols, in lower case. */
export function isProtocol(value: unknown): value is ProxyProtocol {
  return typeof value === 'string' && Object.hasOwn(defaultPorts, value);
}

/** Whether no HTTP is spoken to the proxy itself: few clients can, and fewer with credentials. */
export function isSocks(protocol: ProxyProtocol): boolean {
  return protocol.startsWith('socks');
}

/** The protocol of a URL scheme in any case, `socks` being `socks5` (rule G4); undefined for any other. */
export function protocolOfScheme(scheme: string): ProxyProtocol | undefined {
  // 7 is the longest name; the bound keeps a hostile line from being lower-cased as a whole.
  if (scheme.length > 7) return undefined;
  const name = scheme.toLowerCase();
  if (name === 'socks') return 'socks5';
  return isProtocol(name) ? name : undefined;
}

/**
 * The protocol of a scheme name in the metadata of a list. There `https` means "an HTTP proxy that can
 * CONNECT" (GeoNode's `protocols`, the `Https` column of free-proxy-list); only a URL means TLS to the proxy.
 */
export function protocolOfMetadata(name: string): ProxyProtocol | undefined {
  const protocol = protocolOfScheme(name);
  return protocol === 'https' ? 'http' : protocol;
}
