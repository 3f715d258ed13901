import { readHostField } from '../core/host.js';
import { parseProxy } from '../core/parse.js';
import { type ProxyProtocol, protocolOfMetadata } from '../core/protocol.js';
import { createProxy, type Proxy, type ProxyMetadata } from '../core/proxy.js';
import { ProxyParseError } from '../errors.js';
import type { Harvest } from './harvest.js';
import { type Fields, findField, findText, toFields } from './record-fields.js';
import { readGeo } from './record-geo.js';

/** What `type` says in some lists instead of a protocol. */
const notProtocols = new Set(
  'anonymous,elite,eliteproxy,highanonymity,transparent,distorting,residential,datacenter,mobile,isp,static,rotating,ipv4,ipv6'.split(
    ',',
  ),
);

/**
 * Reads one record of a JSON, CSV or HTML list. Several protocols make one proxy each; `https` among them means "an
 * HTTP proxy that can CONNECT", only an `https://` URL means TLS to the proxy, and a URL's scheme beats the fields.
 */
export function readRecord(harvest: Harvest, line: number, fields: Fields): void {
  const metadata = readMetadata(fields);
  let base: Base;
  let protocols: readonly ProxyProtocol[];
  let credentials: Credentials;
  try {
    base = readBase(fields);
    protocols = base.hasScheme ? [base.endpoint.protocol] : readProtocols(fields);
    credentials = readCredentials(fields, base.endpoint);
  } catch (error) {
    harvest.rejectWith(line, error);
    return;
  }
  const { host, port } = base.endpoint;
  for (const protocol of protocols) {
    try {
      harvest.add(createProxy({ protocol, host, port, ...credentials, ...metadata }));
    } catch (error) {
      harvest.rejectWith(line, error);
    }
  }
}

interface Base {
  readonly endpoint: Proxy;
  /** Whether a URL said what the protocol is. */
  readonly hasScheme: boolean;
}

function readBase(fields: Fields): Base {
  const link = findText(fields, 'link');
  const host = findText(fields, 'host');
  const port = findField(fields, 'port');
  if (link === undefined) {
    if (host === undefined) throw new ProxyParseError('missing-host', 1, 'The record names no host');
    return readLink(host, port);
  }
  if (host === undefined || port === undefined || link.includes('@')) return readLink(link, port);
  try {
    return readLink(link, port);
  } catch {
    // `url` may lead to a page about the proxy; with credentials inside it would not.
    return readLink(host, port);
  }
}

function readLink(link: string, port: unknown): Base {
  if (readHostField(link) !== undefined) {
    if (port === undefined) throw new ProxyParseError('missing-port', 1, 'The record names no port');
    return { endpoint: createProxy({ host: link, port: readPort(port) }), hasScheme: false };
  }
  const hasScheme = link.includes('://');
  // A URL without a port next to a field with one: the field knows better than the scheme's default.
  const bare = link.endsWith('/') ? link.slice(0, -1) : link;
  const text = hasScheme && port !== undefined && !/:[0-9]+$/.test(bare) ? `${bare}:${readPort(port)}` : link;
  return { endpoint: parseProxy(text), hasScheme };
}

function readPort(value: unknown): number {
  const text = typeof value === 'string' ? value.trim() : value;
  // Anything else goes on as it is: createProxy refuses it under rule G5.
  return typeof text === 'string' && /^[0-9]{1,5}$/.test(text) ? Number(text) : (text as number);
}

function readProtocols(fields: Fields): readonly ProxyProtocol[] {
  const value = findField(fields, 'protocol');
  const parts = Array.isArray(value) ? value : typeof value === 'string' ? value.split(/[\s,;|/+&:]+/) : [];
  const found = new Set<ProxyProtocol>();
  let unknown = false;
  for (const part of parts) {
    const name = String(part).trim();
    const protocol = protocolOfMetadata(name);
    if (protocol !== undefined) found.add(protocol);
    else if (name !== '' && !notProtocols.has(name.toLowerCase())) unknown = true;
  }
  if (found.size > 0) return [...found];
  if (unknown)
    throw new ProxyParseError(
      'G4',
      1,
      'The protocol is none of http, https, socks4, socks4a, socks5, socks5h',
    );
  return ['http'];
}

interface Credentials {
  readonly username: string | null;
  readonly password: string | null;
}

/** Fields of their own beat those of the URL. Two empty fields are how tables write "none". */
function readCredentials(fields: Fields, { username, password }: Proxy): Credentials {
  const auth = fields.get('auth');
  const scope = typeof auth === 'object' && auth !== null ? toFields(auth) : fields;
  const given = { username: textOf(scope, 'username'), password: textOf(scope, 'password') };
  if (given.username === null && given.password === null)
    return { username, password: password?.reveal() ?? null };
  // What our own proxies print for their password: the list was made from a log, the password is gone.
  if (given.password === '[redacted]')
    throw new ProxyParseError(
      'redacted-password',
      1,
      'The password was redacted where this list was written',
    );
  // An empty password beside a user name is one, unlike an absent one.
  return { username: given.username ?? username, password: given.password ?? password?.reveal() ?? null };
}

function textOf(fields: Fields, name: 'username' | 'password'): string | null {
  const value = findField(fields, name);
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null;
}

function readMetadata(fields: Fields): ProxyMetadata {
  const tags = fields.get('tags');
  const cost = fields.get('cost');
  return {
    geo: readGeo(fields),
    tags: Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string' && tag !== '') : undefined,
    cost: typeof cost === 'number' && Number.isFinite(cost) && cost >= 0 ? cost : undefined,
  };
}
