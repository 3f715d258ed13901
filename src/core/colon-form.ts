import { ProxyParseError } from '../errors.js';
import type { Parts } from './at-form.js';
import { type Endpoint, readPort } from './endpoint.js';
import { readHost } from './host.js';
import { canonicalIpv6 } from './ip.js';
import { indexOfSpace, type Piece } from './line.js';

/**
 * Reads `host:port:user:pass` or `user:pass:host:port` (rule G9); undefined when the text is neither. The
 * credentials are raw: nothing in this form is percent-encoded.
 *
 * When both readings fit, the one whose host is an address or has a dot wins, then the first.
 */
export function findColonForm(body: Piece, hasScheme: boolean): Parts | undefined {
  const front = hostFirst(body, hasScheme);
  const back = hostLast(body);
  const parts = back === undefined || (front !== undefined && !outranks(back, front)) ? front : back;
  if (parts === undefined) return undefined;
  if (parts.host.kind === 'bare' && isBareIpv6(body.text))
    throw new ProxyParseError('G6', body.at + 1, 'An IPv6 address must stand in brackets');
  for (const piece of [parts.username, parts.password]) {
    const space = piece === null ? -1 : indexOfSpace(piece.text);
    if (piece !== null && space >= 0)
      throw new ProxyParseError('G12', piece.at + space + 1, 'There is white space inside the credentials');
  }
  return parts;
}

function outranks(one: Endpoint, other: Endpoint): boolean {
  return one.host.kind !== 'bare' && other.host.kind === 'bare';
}

function hostFirst({ text, at }: Piece, hasScheme: boolean): Parts | undefined {
  const first = text.indexOf(':', text.charCodeAt(0) === 91 ? text.indexOf(']') : 0);
  const second = text.indexOf(':', first + 1);
  const third = text.indexOf(':', second + 1);
  if (first < 0 || second < 0 || third < 0 || second === first || third === second) return undefined;
  const port = readPort(text.slice(first + 1, second));
  const host = port === undefined ? undefined : readHost(text.slice(0, first));
  if (port === undefined || host === undefined) return undefined;
  // Behind a scheme a final slash is what URL printers add; without one it belongs to the password.
  const end = hasScheme && text.endsWith('/') ? text.length - 1 : text.length;
  return {
    host,
    port,
    username: { text: text.slice(second + 1, third), at: at + second + 1 },
    password: { text: text.slice(third + 1, end), at: at + third + 1 },
  };
}

function hostLast({ text, at }: Piece): Parts | undefined {
  const end = text.endsWith('/') ? text.length - 1 : text.length;
  const last = text.lastIndexOf(':');
  const hostEnd = last - 1;
  const before =
    text.charCodeAt(hostEnd) === 93
      ? text.lastIndexOf('[', hostEnd) - 1
      : hostEnd < 0
        ? -1
        : text.lastIndexOf(':', hostEnd);
  const first = text.indexOf(':');
  if (before <= first || text.charCodeAt(before) !== 58) return undefined;
  const port = readPort(text.slice(last + 1, end));
  const host = port === undefined ? undefined : readHost(text.slice(before + 1, last));
  if (port === undefined || host === undefined) return undefined;
  // `203.0.113.7,8080,a:b:c:80` is a row with columns, not the host `c`.
  if (host.kind === 'bare' && /[,;|]/.test(text.slice(0, first))) return undefined;
  return {
    host,
    port,
    username: { text: text.slice(0, first), at },
    password: { text: text.slice(first + 1, before), at: at + first + 1 },
  };
}

/** `2001:db8::beef:1234` would otherwise be the host `beef` with credentials. */
function isBareIpv6(text: string): boolean {
  return (
    canonicalIpv6(text) !== undefined || canonicalIpv6(text.slice(0, text.lastIndexOf(':'))) !== undefined
  );
}

/** Says why a text with three colons or more is not of this form. */
export function refuseColonForm({ text, at }: Piece): never {
  const first = text.indexOf(':', text.charCodeAt(0) === 91 ? text.indexOf(']') : 0);
  if (isBareIpv6(text)) throw new ProxyParseError('G6', at + 1, 'An IPv6 address must stand in brackets');
  const host = first < 0 ? undefined : readHost(text.slice(0, first));
  const second = text.indexOf(':', first + 1);
  if (host !== undefined && host.kind !== 'bare' && readPort(text.slice(first + 1, second)) === undefined)
    throw new ProxyParseError('G5', at + first + 2, 'The port is not a number from 1 to 65535');
  throw new ProxyParseError('G9', at + 1, 'This is neither host:port:user:pass nor user:pass:host:port');
}
