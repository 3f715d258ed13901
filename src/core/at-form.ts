import { ProxyParseError } from '../errors.js';
import { type Endpoint, findEndpoint, isDigits, looksLikeEndpoint, readEndpoint } from './endpoint.js';
import { indexOfPath, indexOfSpace, type Piece } from './line.js';

/** Host and port, and the two pieces that hold the credentials, not decoded yet. */
export interface Parts extends Endpoint {
  readonly username: Piece | null;
  readonly password: Piece | null;
}

/**
 * Reads `user:pass@host:port` (rules G7, G8), and `host:port@user:pass` where it cannot be the former (G10).
 * `absentPort` is the default of the scheme; undefined without a scheme, when the port must be written.
 */
export function readAtForm(body: Piece, absentPort: number | undefined): Parts {
  refuseAmbiguous(body, absentPort);
  const { text, at } = body;
  const last = text.lastIndexOf('@');
  const right = { text: text.slice(last + 1), at: at + last + 1 };
  const endpoint = findEndpoint(right.text, absentPort);
  if (endpoint === undefined || endpoint.host.kind === 'bare') {
    const swapped = readReversed(body, endpoint === undefined, right.text, absentPort);
    if (swapped !== undefined) return swapped;
  }
  return {
    ...(endpoint ?? readEndpoint(right, absentPort)),
    ...splitCredentials({ text: text.slice(0, last), at }),
  };
}

function readReversed(
  { text, at }: Piece,
  rightIsNoEndpoint: boolean,
  right: string,
  absentPort: number | undefined,
): Parts | undefined {
  const first = text.indexOf('@');
  const endpoint = findEndpoint(text.slice(0, first));
  if (endpoint === undefined || right === '') return undefined;
  if (endpoint.host.kind === 'bare' && !(rightIsNoEndpoint && !isFailedEndpoint(right))) return undefined;
  // A good address with a path behind it was meant as the proxy, whatever stands on its left.
  const cut = indexOfPath(right);
  const head = cut < 0 ? undefined : findEndpoint(right.slice(0, cut), absentPort);
  if (head !== undefined && head.host.kind !== 'bare') return undefined;
  const end = absentPort !== undefined && text.endsWith('/') ? text.length - 1 : text.length;
  return { ...endpoint, ...splitCredentials({ text: text.slice(first + 1, end), at: at + first + 1 }) };
}

/**
 * Whether the right side was meant as `host:port` and is broken: a path follows, or the port is out of range. Taken
 * for credentials it would turn a typing error into another proxy: `user:8080@203.0.113.7:99999`.
 */
function isFailedEndpoint(right: string): boolean {
  if (indexOfPath(right) >= 0 || indexOfSpace(right) >= 0) return true;
  const colon = right.lastIndexOf(':');
  const host = findEndpoint(colon < 0 ? right : right.slice(0, colon), 1)?.host;
  if (host === undefined || host.kind === 'bare') return false;
  return host.kind === 'ip' || (colon >= 0 && isDigits(right.slice(colon + 1)));
}

/** The user name ends at the first colon, so that a password may hold any number of them. */
function splitCredentials(piece: Piece): Pick<Parts, 'username' | 'password'> {
  const space = indexOfSpace(piece.text);
  if (space >= 0)
    throw new ProxyParseError('G12', piece.at + space + 1, 'There is white space inside the credentials');
  const colon = piece.text.indexOf(':');
  if (colon < 0) return { username: piece, password: null };
  return {
    username: { text: piece.text.slice(0, colon), at: piece.at },
    password: { text: piece.text.slice(colon + 1), at: piece.at + colon + 1 },
  };
}

const ambiguous = 'The line can be read as two different proxies; percent-encode the credentials';

/**
 * Rule G8: where an authority is complete before `/ ? # \`, URL parsers stop, and what follows the `@` is a path to
 * them and the proxy to us. A complete `host:port` before a comma is the like: two proxies written on one line.
 */
function refuseAmbiguous({ text, at }: Piece, absentPort: number | undefined): void {
  const last = text.lastIndexOf('@');
  const cut = indexOfPath(text);
  if (cut >= 0 && cut < last) {
    const authority = text.slice(text.lastIndexOf('@', cut) + 1, cut);
    const endpoint = findEndpoint(authority, absentPort);
    if (endpoint !== undefined && endpoint.host.kind !== 'bare')
      throw new ProxyParseError('G8', at + cut + 1, ambiguous);
  }
  // Each piece between two `@` is looked at once, up to its first separator, so that this stays linear.
  for (let start = 0; start <= last; ) {
    const next = text.indexOf('@', start);
    const piece = text.slice(start, next);
    const end = piece.search(/[,;|]/);
    const head = piece.slice(0, Math.max(end, 0));
    if (end > 0 && looksLikeEndpoint(head) && (start > 0 || /[.\]]/.test(head)))
      throw new ProxyParseError('G8', at + start + end + 1, ambiguous);
    start = next + 1;
  }
}
