import { OptionsError, ProxyParseError } from '../errors.js';
import { credentialFault } from './credentials.js';
import { createGeo, type ProxyGeo } from './geo.js';
import { readHostField, urlHost } from './host.js';
import { type ProxyIdentity, proxyId } from './identity.js';
import { isProtocol, type ProxyProtocol } from './protocol.js';
import { Secret } from './secret.js';

export type { ProxyProtocol } from './protocol.js';

/**
 * An upstream endpoint with its credentials: an immutable, deeply frozen value. What is learned about it lives
 * elsewhere. It can be logged and serialised: the password prints as `[redacted]`.
 */
export interface Proxy {
  /** `px_` and 16 hex digits, stable across runs; made of protocol, host, port, username and password. */
  readonly id: string;
  readonly protocol: ProxyProtocol;
  /** Canonical: lower case, punycode, an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Null when there are no credentials; an empty text is an empty user name. */
  readonly username: string | null;
  readonly password: Secret | null;
  readonly geo?: ProxyGeo;
  readonly tags: readonly string[];
  /** Relative price of a request or a gigabyte, in a unit of your choice; 0 or more. */
  readonly cost?: number;
  /** Name of the source it came from. */
  readonly source?: string;
  /** `protocol://host:port` without credentials, for logs. Clients take {@link proxyUrl}. */
  readonly url: string;
}

/** What is said about a proxy without being part of its identity. */
export interface ProxyMetadata {
  readonly geo?: ProxyGeo | undefined;
  /** @default [] */
  readonly tags?: readonly string[] | undefined;
  readonly cost?: number | undefined;
  readonly source?: string | undefined;
}

/** The fields that {@link createProxy} makes a proxy of. */
export interface ProxyFields extends ProxyMetadata {
  /** @default 'http' */
  readonly protocol?: ProxyProtocol | undefined;
  /** IP address or DNS name; an IPv6 address with or without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** As it is, not percent-encoded. */
  readonly username?: string | null | undefined;
  /** As it is, not percent-encoded. */
  readonly password?: string | Secret | null | undefined;
}

/**
 * Makes a proxy of separate fields, by the same rules as a line (G4, G5, G6, G13).
 * @throws ProxyParseError when a field breaks its rule; its column counts within the field.
 * @throws OptionsError when geo, tags, cost or source do.
 */
export function createProxy(fields: ProxyFields): Proxy {
  const protocol: unknown = fields.protocol ?? 'http';
  if (!isProtocol(protocol))
    throw new ProxyParseError(
      'G4',
      1,
      'The protocol is none of http, https, socks4, socks4a, socks5, socks5h',
    );
  const host = typeof fields.host === 'string' ? readHostField(fields.host) : undefined;
  if (host === undefined)
    throw new ProxyParseError('G6', 1, 'The host is neither an IP address nor a DNS name');
  const port: unknown = fields.port;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new ProxyParseError('G5', 1, 'The port is not an integer from 1 to 65535');
  const given = { username: fields.username ?? null, password: fields.password ?? null };
  const password = given.password instanceof Secret ? given.password.reveal() : given.password;
  if (given.username !== null && typeof given.username !== 'string')
    throw new ProxyParseError('G13', 1, 'The user name is not a text');
  if (password !== null && typeof password !== 'string')
    throw new ProxyParseError('G13', 1, 'The password is not a text');
  const fault = credentialFault(protocol, given.username, password);
  if (fault !== null) throw new ProxyParseError(fault.rule, 1, fault.why);
  return assembleProxy({ protocol, host: host.name, port, username: given.username, password }, fields);
}

/** {@link createProxy} for an identity that was checked already: the parser's way, which must not pay twice. */
export function assembleProxy(identity: ProxyIdentity, metadata: ProxyMetadata = {}): Proxy {
  const { protocol, host, port, password } = identity;
  // A URL cannot spell "a password, but no user name": `:password@` has an empty one.
  const username = identity.username ?? (password === null ? null : '');
  return Object.freeze({
    id: proxyId({ protocol, host, port, username, password }),
    protocol,
    host,
    port,
    username,
    password: password === null ? null : Secret.of(password),
    ...checkMetadata(metadata),
    url: `${protocol}://${urlHost(host)}:${port}`,
  });
}

/**
 * The same proxy, same id, with other metadata. A key that is absent keeps its value, one that is `undefined`
 * loses it.
 * @throws OptionsError when a value breaks its rule.
 */
export function withMetadata(proxy: Proxy, metadata: ProxyMetadata): Proxy {
  const { id, protocol, host, port, username, password, geo, tags, cost, source, url } = proxy;
  // Written out, in the order of assembleProxy: a rest takes five times as long, and lists are long.
  return Object.freeze({
    id,
    protocol,
    host,
    port,
    username,
    password,
    ...checkMetadata({ geo, tags, cost, source, ...metadata }),
    url,
  });
}

/**
 * The full URL with its credentials in the clear, percent-encoded, for the client that connects. `parseProxy`
 * reads it back as the same proxy. Never log it; `proxy.url` is for that.
 */
export function proxyUrl(proxy: Proxy): string {
  const { protocol, host, port, username, password } = proxy;
  let userinfo = '';
  if (username !== null || password !== null) {
    userinfo = encodeURIComponent(username ?? '');
    if (password !== null) userinfo += `:${encodeURIComponent(password.reveal())}`;
    userinfo += '@';
  }
  return `${protocol}://${userinfo}${urlHost(host)}:${port}`;
}

type CheckedMetadata = Pick<Proxy, 'geo' | 'tags' | 'cost' | 'source'>;

const noTags: readonly string[] = Object.freeze([]);
const plain: CheckedMetadata = Object.freeze({ tags: noTags });

function checkMetadata(metadata: ProxyMetadata): CheckedMetadata {
  const { geo, tags, cost, source } = metadata;
  if (geo === undefined && tags === undefined && cost === undefined && source === undefined) return plain;
  const issues: { path: string; rule: string }[] = [];
  if (
    tags !== undefined &&
    !(Array.isArray(tags) && tags.every((tag) => typeof tag === 'string' && tag !== ''))
  )
    issues.push({ path: 'tags', rule: 'must be an array of texts, none of them empty' });
  if (cost !== undefined && !(Number.isFinite(cost) && cost >= 0))
    issues.push({ path: 'cost', rule: 'must be a number of 0 or more' });
  if (source !== undefined && (typeof source !== 'string' || source === ''))
    issues.push({ path: 'source', rule: 'must be a text that is not empty' });
  if (issues.length > 0) throw new OptionsError(issues);
  return {
    ...(geo !== undefined && { geo: createGeo(geo) }),
    tags: tags === undefined || tags.length === 0 ? noTags : Object.freeze([...tags]),
    ...(cost !== undefined && { cost }),
    ...(source !== undefined && { source }),
  };
}
