import { ProxyParseError } from '../errors.js';
import { type Host, looksLikeHost, readHost } from './host.js';
import { canonicalIpv6 } from './ip.js';
import { indexOfPath, type Piece } from './line.js';

export interface Endpoint {
  readonly host: Host;
  readonly port: number;
}

/** 1 to 65535 in one to five ASCII digits (rule G5), or undefined. */
export function readPort(text: string): number | undefined {
  if (!isDigits(text) || text.length > 5) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

export function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return text.length > 0;
}

/** `host:port` without its one trailing slash; `absentPort` stands in for a port that is not written. */
export function findEndpoint(text: string, absentPort?: number): Endpoint | undefined {
  const border = portBorder(text);
  const end = text.endsWith('/') ? text.length - 1 : text.length;
  const port = border < 0 ? absentPort : readPort(text.slice(border + 1, end));
  if (port === undefined) return undefined;
  const host = readHost(text.slice(0, border < 0 ? end : border));
  return host === undefined ? undefined : { host, port };
}

/** Whether the text is most likely `host:port`; see {@link looksLikeHost}. */
export function looksLikeEndpoint(text: string): boolean {
  const border = portBorder(text);
  return border > 0 && readPort(text.slice(border + 1)) !== undefined && looksLikeHost(text.slice(0, border));
}

/** {@link findEndpoint} where there must be one. @throws ProxyParseError that says what is wrong with it. */
export function readEndpoint({ text, at }: Piece, absentPort?: number): Endpoint {
  const found = findEndpoint(text, absentPort);
  if (found !== undefined) return found;
  const cut = indexOfPath(text);
  const border = portBorder(text);
  if (cut > 0 && cut < text.length - 1)
    throw new ProxyParseError('G12', at + cut + 1, 'A proxy has no path, query or fragment');
  if (border === 0 || text === '' || cut === 0)
    throw new ProxyParseError('G6', at + 1, 'The host is missing');
  const hostText = text.slice(0, border < 0 ? (cut < 0 ? text.length : cut) : border);
  if (readHost(hostText) === undefined) {
    const why =
      canonicalIpv6(text) !== undefined || canonicalIpv6(hostText) !== undefined
        ? 'An IPv6 address must stand in brackets'
        : 'The host is neither an IP address nor a DNS name';
    throw new ProxyParseError('G6', at + 1, why);
  }
  if (border < 0) throw new ProxyParseError('G5', at + text.length + 1, 'The port is missing');
  if (cut > 0 && text[cut] !== '/')
    throw new ProxyParseError('G12', at + cut + 1, 'A proxy has no path, query or fragment');
  throw new ProxyParseError('G5', at + border + 2, 'The port is not a number from 1 to 65535');
}

/** Index of the colon before the port, or -1. The colons of a bracketed IPv6 address do not count. */
function portBorder(text: string): number {
  if (text.charCodeAt(0) !== 91) return text.lastIndexOf(':');
  const close = text.indexOf(']');
  return close > 0 && text.charCodeAt(close + 1) === 58 ? close + 1 : -1;
}
