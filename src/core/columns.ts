import { ProxyParseError } from '../errors.js';
import { refuseColonForm } from './colon-form.js';
import {
  type Endpoint,
  findEndpoint,
  isDigits,
  looksLikeEndpoint,
  readEndpoint,
  readPort,
} from './endpoint.js';
import { findCountry } from './geo.js';
import { readHost } from './host.js';
import { isSpace, type Piece } from './line.js';
import { type ProxyProtocol, protocolOfMetadata } from './protocol.js';

/** What the columns behind host and port say; anything else in them is not kept. */
export interface ColumnMetadata {
  readonly protocol?: ProxyProtocol;
  readonly countryCode?: string;
}

export interface Row extends Endpoint {
  readonly metadata: ColumnMetadata;
}

/** Fields between white space, `,`, `;` and `|` (rule G11); several separators in a row are one. */
export function splitColumns({ text, at }: Piece): Piece[] {
  const fields: Piece[] = [];
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = text.charCodeAt(i);
    if (i < text.length && !isSpace(code) && code !== 44 && code !== 59 && code !== 124) continue;
    if (i > start) fields.push({ text: text.slice(start, i), at: at + start });
    start = i + 1;
  }
  return fields;
}

/** Reads `host:port ...` or `host port ...`, with the name of a scheme before it or among the rest (rule G11). */
export function readColumns(body: Piece): Row {
  const fields = splitColumns(body);
  const leading = protocolOfMetadata(fields[0]?.text ?? '');
  const start = leading !== undefined && fields.length > 1 ? 1 : 0;
  const first = fields[start] ?? body;
  const second = fields[start + 1];
  const joined = findEndpoint(first.text);
  const endpoint = joined ?? readSplitEndpoint(first, second);
  const rest = fields.slice(start + (joined === undefined ? 2 : 1));
  return { ...endpoint, metadata: readMetadata(rest, start === 1 ? leading : undefined) };
}

function readSplitEndpoint(first: Piece, second: Piece | undefined): Endpoint {
  const host = readHost(first.text);
  if (host === undefined || second === undefined || !isDigits(second.text)) {
    if (first.text.charCodeAt(0) !== 91 && first.text.split(':', 3).length > 2 && !first.text.includes('::'))
      refuseColonForm(first);
    return readEndpoint(first);
  }
  const port = readPort(second.text);
  if (port === undefined)
    throw new ProxyParseError('G5', second.at + 1, 'The port is not a number from 1 to 65535');
  return { host, port };
}

/** @throws ProxyParseError when the columns name a second proxy or a second protocol: neither may get lost. */
export function readMetadata(fields: readonly Piece[], leading?: ProxyProtocol): ColumnMetadata {
  let protocol = leading;
  let countryCode: string | undefined;
  for (const [index, { text, at }] of fields.entries()) {
    const named = protocolOfMetadata(text);
    if (named !== undefined) {
      if (protocol !== undefined && protocol !== named)
        throw new ProxyParseError('G11', at + 1, 'The line names a second protocol; write one line for each');
      protocol = named;
      continue;
    }
    if (text.includes(':') && looksLikeEndpoint(text.slice(text.lastIndexOf('/') + 1)))
      throw new ProxyParseError('G11', at + 1, 'The line holds a second host:port');
    // "no", "is" and "in" are words more often than countries, except where the country usually stands.
    if (countryCode === undefined && (index === 0 || text === text.toUpperCase()))
      countryCode = findCountry(text);
  }
  return {
    ...(protocol !== undefined && { protocol }),
    ...(countryCode !== undefined && { countryCode }),
  };
}
