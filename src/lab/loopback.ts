import { BlockList, createServer, isIP } from 'node:net';

/** Says whether a server can listen on this address; the lab's way to learn what the machine offers. */
export type AddressProbe = (address: string) => Promise<boolean>;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Where a lab proxy dials for a host name, or null when it must not. Names are never looked up: `localhost`,
 * `*.localhost` and `*.test` (reserved by RFC 6761) all mean 127.0.0.1, so that `shop.test` can be reached through
 * a lab proxy and in no other way.
 */
export function loopbackTarget(host: string): string | null {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  const family = isIP(bare);
  if (family !== 0) return loopback.check(bare, family === 6 ? 'ipv6' : 'ipv4') ? bare : null;
  return /(^|\.)(localhost|test)\.?$/i.test(bare) ? '127.0.0.1' : null;
}

/** `host:port`, `[::1]:port` -> its parts; null when the port is missing or out of range. */
export function parseAuthority(authority: string): { host: string; port: number } | null {
  const match = /^(\[[0-9a-f:.]+\]|[^:@/\s]+):(\d{1,5})$/i.exec(authority);
  const host = match?.[1];
  const port = Number(match?.[2]);
  return host !== undefined && port >= 1 && port <= 65535 ? { host, port } : null;
}

/** Tries to listen there on a free port, and lets go of it at once. */
export const canListen: AddressProbe = (address) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: address, port: 0 }, () => server.close(() => resolve(true)));
  });

/** The nth source address of a lab, from 0: 127.0.0.2, 127.0.0.3, ...; never one that ends in .0, .1 or .255. */
export function loopbackAddress(index: number): string {
  const perBlock = 253;
  const block = Math.floor(index / perBlock);
  return `127.0.${block}.${2 + (index % perBlock)}`;
}
