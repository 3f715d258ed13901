import { isDigits, looksLikeEndpoint } from '../core/endpoint.js';

/**
 * Names under which lists found in the wild keep the parts of a proxy: GeoNode, ProxyScrape, Proxifly, Webshare,
 * monosans, fate0, free-proxy-list, Playwright and axios options. Compared without case and punctuation, so that
 * `IP Address`, `ip_address` and `ipAddress` are one.
 */
const names = {
  link: ['url', 'uri', 'proxy', 'proxyurl', 'server', 'endpoint', 'ipport', 'hostport', 'address', 'addr'],
  host: ['host', 'ip', 'hostname', 'ipaddress', 'ipaddr', 'proxyhost', 'proxyip', 'proxyaddress'],
  port: ['port', 'proxyport', 'portnumber'],
  username: ['username', 'user', 'login', 'proxyusername', 'proxyuser', 'proxylogin'],
  password: ['password', 'pass', 'pwd', 'proxypassword', 'proxypass'],
  protocol: ['protocols', 'protocol', 'scheme', 'type', 'types', 'proxytype', 'version'],
} as const;

export type FieldName = keyof typeof names;

const endpointNames: ReadonlySet<string> = new Set([...names.link, ...names.host]);

/** A record of a list with its keys normalised. */
export type Fields = ReadonlyMap<string, unknown>;

function normalKey(key: string): string {
  return key.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

export function toFields(record: object): Fields {
  const fields = new Map<string, unknown>();
  for (const [key, value] of Object.entries(record)) {
    const normal = normalKey(key);
    if (isAbsent(fields.get(normal))) fields.set(normal, value);
  }
  return fields;
}

/** The first field of this meaning that holds something. */
export function findField(fields: Fields, name: FieldName): unknown {
  for (const key of names[name]) {
    const value = fields.get(key);
    if (!isAbsent(value)) return value;
  }
  return undefined;
}

/** {@link findField}, looking only at texts that are not blank; they come trimmed. */
export function findText(fields: Fields, name: FieldName): string | undefined {
  for (const key of names[name]) {
    const value = fields.get(key);
    if (typeof value === 'string' && value.trim() !== '') return value.trim();
  }
  return undefined;
}

/** Whether an object holds an endpoint at all, and is therefore a record rather than an envelope. */
export function isRecord(value: object): boolean {
  return Object.keys(value).some((key) => endpointNames.has(normalKey(key)));
}

/**
 * Normalised keys of a header row of a table, or undefined when it is none. A row of data may well hold the word
 * `proxy`; what no header holds is a bare number, a dotted name or an address.
 */
export function readHeader(cells: readonly string[]): string[] | undefined {
  const keys = cells.map(normalKey);
  if (!keys.some((key) => endpointNames.has(key))) return undefined;
  const isData = (cell: string): boolean =>
    isDigits(cell) || /[.@]|:\/\//.test(cell) || looksLikeEndpoint(cell);
  return cells.some(isData) ? undefined : keys;
}

/** A row of a table under its header. Cells beyond the header have no name and no meaning. */
export function rowFields(header: readonly string[], cells: readonly string[]): Fields {
  const fields = new Map<string, unknown>();
  for (const [index, key] of header.entries()) if (isAbsent(fields.get(key))) fields.set(key, cells[index]);
  return fields;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}
