import type { IncomingMessage } from 'node:http';

/** Why the head of a request is not taken, and what its client is told. */
export interface HeadFault {
  readonly status: 400 | 431;
  readonly code: 'PW_RELAY_REQUEST';
}

/** More are no browser's. */
const MAX_FIELDS = 200;

/** RFC 9110, 7.6.1, and what is between a client and its proxy. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * What Node's parser lets pass although two readers could see two different requests in it (RFC 9112, 6 and 11.2).
 * The parser itself refuses, in its strict mode: Content-Length with Transfer-Encoding, twice, or no number; a space
 * before a colon, folded lines, bare CR or LF, controls, chunk sizes that are none.
 */
export function findHeadFault({ rawHeaders, httpVersion }: IncomingMessage): HeadFault | null {
  const bad: HeadFault = { status: 400, code: 'PW_RELAY_REQUEST' };
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return bad;
  if (rawHeaders.length > 2 * MAX_FIELDS) return { ...bad, status: 431 };
  let hosts = 0;
  let codings = 0;
  let lengths = 0;
  let logins = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    // By length first: most names are none of these.
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    else if (name.length === 14 && name.toLowerCase() === 'content-length') lengths += 1;
    else if (name.length === 19 && name.toLowerCase() === 'proxy-authorization') logins += 1;
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      codings += 1;
      // Another coding before would need another decoder, and HTTP/1.0 knows none at all.
      if ((rawHeaders[i + 1] ?? '').toLowerCase() !== 'chunked' || httpVersion === '1.0') return bad;
    }
  }
  return hosts > 1 || codings > 1 || lengths + codings > 1 || logins > 1 ? bad : null;
}

/** Headers without those that belong to one connection, in their order and spelling. */
export interface EndToEnd {
  /** Name, value, name, value. */
  readonly flat: string[];
  /** By name in lower case; of several, joined by a comma. */
  readonly byName: ReadonlyMap<string, string>;
}

/** @param without further names to leave out, in lower case */
export function endToEnd(raw: readonly string[], without: readonly string[] = []): EndToEnd {
  const named = connectionNames(raw);
  const flat: string[] = [];
  const byName = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || without.includes(lower) || named?.has(lower) === true) continue;
    const value = raw[i + 1] ?? '';
    flat.push(name, value);
    const before = byName.get(lower);
    byName.set(lower, before === undefined ? value : `${before}, ${value}`);
  }
  return { flat, byName };
}

/** What `Connection` names belongs to the connection as well; null where that is nothing new. */
function connectionNames(raw: readonly string[]): ReadonlySet<string> | null {
  let names: Set<string> | null = null;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    if (name !== 'connection' && name !== 'proxy-connection') continue;
    for (const one of (raw[i + 1] ?? '').toLowerCase().split(',')) {
      const token = one.trim();
      // A length that is no more told would let the body of a message run into the next one.
      if (token === '' || token === 'close' || token === 'content-length' || hopByHop.has(token)) continue;
      names ??= new Set();
      names.add(token);
    }
  }
  return names;
}
