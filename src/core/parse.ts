import { ProxyParseError } from '../errors.js';
import { type Parts, readAtForm } from './at-form.js';
import { findColonForm, refuseColonForm } from './colon-form.js';
import { readColumns } from './columns.js';
import { credentialFault, decodeCredential } from './credentials.js';
import { readEndpoint } from './endpoint.js';
import { isSpace, type Piece, unwrapLine } from './line.js';
import { defaultPort, type ProxyProtocol, protocolOfScheme } from './protocol.js';
import { assembleProxy, type Proxy } from './proxy.js';

/**
 * Reads one line as one proxy.
 *
 * - `http://user:pass@203.0.113.7:8000`, any of http, https, socks4, socks4a, socks5, socks5h, `socks`
 * - `203.0.113.7:8000`, `203.0.113.7:8000:user:pass`, `user:pass:203.0.113.7:8000`, `203.0.113.7:8000@user:pass`
 * - `203.0.113.7 8000 DE socks5`, separated by white space, `,`, `;` or `|`
 *
 * Without a scheme the protocol is `http`, and the port must be written. With an `@` the credentials are
 * percent-decoded, in the forms with colons only they are raw.
 *
 * A hand-written scanner instead of `new URL()`: URL parsers normalise what must be refused (`0x7f.1`, tabs),
 * refuse what vendors send (`#` in a password), and put the whole input into their error.
 *
 * @throws ProxyParseError with the rule of the grammar (`G1` to `G14`) and the column, counted from 1. A blank
 * line or a comment is an error here (G1). No part of the line is in the error.
 */
export function parseProxy(line: string): Proxy {
  if (typeof line !== 'string') throw new ProxyParseError('G1', 1, 'A proxy line must be a text');
  const piece = unwrapLine(line);
  const mark = schemeEnd(piece.text);
  if (mark < 0) return readBody(piece, undefined);
  const protocol = protocolOfScheme(piece.text.slice(0, mark));
  if (protocol === undefined)
    throw new ProxyParseError(
      'G4',
      piece.at + 1,
      'The scheme is none of http, https, socks4, socks4a, socks5, socks5h',
    );
  return readBody({ text: piece.text.slice(mark + 3), at: piece.at + mark + 3 }, protocol);
}

/** Index of the `://` that ends a scheme, or -1: a `://` further inside belongs to a password. */
function schemeEnd(text: string): number {
  const mark = text.indexOf('://');
  for (let i = 0; i < mark; i++) {
    const code = text.charCodeAt(i);
    if (isSpace(code) || ',;|:@/?#\\'.includes(text[i] ?? '')) return -1;
  }
  return mark;
}

function readBody(body: Piece, scheme: ProxyProtocol | undefined): Proxy {
  const absentPort = scheme === undefined ? undefined : defaultPort(scheme);
  const protocol = scheme ?? 'http';
  if (body.text.includes('@')) return complete(protocol, readAtForm(body, absentPort), decodeCredential);
  const parts = findColonForm(body, scheme !== undefined);
  if (parts !== undefined) return complete(protocol, parts, (text) => text);
  if (scheme === undefined) {
    const { host, port, metadata } = readColumns(body);
    return assembleProxy(
      { protocol: metadata.protocol ?? protocol, host: host.name, port, username: null, password: null },
      metadata.countryCode === undefined ? {} : { geo: { countryCode: metadata.countryCode } },
    );
  }
  if (isColonForm(body.text)) refuseColonForm(body);
  return complete(protocol, { ...readEndpoint(body, absentPort), username: null, password: null });
}

/** Two colons or more outside of brackets and before a path: `host:port` it cannot be. */
function isColonForm(text: string): boolean {
  const first = text.indexOf(':', text.charCodeAt(0) === 91 ? text.indexOf(']') : 0);
  return first >= 0 && text.indexOf(':', first + 1) >= 0;
}

function complete(protocol: ProxyProtocol, parts: Parts, decode: (text: string) => string = String): Proxy {
  const username = parts.username === null ? null : decode(parts.username.text);
  const password = parts.password === null ? null : decode(parts.password.text);
  const fault = credentialFault(protocol, username, password);
  if (fault !== null) throw new ProxyParseError(fault.rule, (parts[fault.field]?.at ?? 0) + 1, fault.why);
  return assembleProxy({ protocol, host: parts.host.name, port: parts.port, username, password });
}
