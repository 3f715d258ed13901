import { open, rename, rm } from 'node:fs/promises';
import { type Proxy, proxyUrl } from '../core/proxy.js';

export type ExportFormat = 'json' | 'jsonl' | 'csv' | 'txt';

export interface ExportOptions {
  /**
   * Writes user names and passwords in the clear. Without it they are left out, and what is read back are other
   * proxies, without credentials.
   * @default false
   */
  readonly credentials?: boolean | undefined;
}

/**
 * A list that `importProxies` and `parseProxyList` read back, in pieces of text. JSON and JSONL keep geo data, tags and
 * cost; CSV keeps geo data; txt keeps the URLs only.
 */
export async function* exportProxies(
  proxies: Iterable<Proxy> | AsyncIterable<Proxy>,
  format: ExportFormat,
  options: ExportOptions = {},
): AsyncGenerator<string> {
  const urlOf = options.credentials === true ? proxyUrl : ({ url }: Proxy): string => url;
  if (format === 'csv') yield `${['url', ...geoColumns].join(',')}\n`;
  let separator = format === 'json' ? '[\n' : '';
  for await (const proxy of proxies) {
    yield separator;
    if (format === 'json') separator = ',\n';
    const url = urlOf(proxy);
    if (format === 'txt') yield `${url}\n`;
    else if (format === 'csv') yield `${csvRow(url, proxy)}\n`;
    else yield `${JSON.stringify(toRecord(url, proxy))}${format === 'json' ? '' : '\n'}`;
  }
  if (format === 'json') yield separator === '[\n' ? '[]\n' : '\n]\n';
}

/**
 * Writes such a list into a file that takes the place of an older one when it is complete. With credentials only the
 * owner may read it (mode 0600).
 * @returns how many proxies were written
 */
export async function writeProxies(
  path: string,
  proxies: Iterable<Proxy> | AsyncIterable<Proxy>,
  format: ExportFormat,
  options: ExportOptions = {},
): Promise<number> {
  let count = 0;
  async function* counted(): AsyncGenerator<Proxy> {
    for await (const proxy of proxies) {
      count += 1;
      yield proxy;
    }
  }
  const draft = `${path}.${process.pid}.tmp`;
  // `wx`: whoever may write to the directory could have put a link there.
  const file = await open(draft, 'wx', options.credentials === true ? 0o600 : 0o666);
  try {
    let text = '';
    for await (const piece of exportProxies(counted(), format, options)) {
      text += piece;
      if (text.length < 65_536) continue;
      await file.writeFile(text);
      text = '';
    }
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await rename(draft, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(draft, { force: true });
    throw error;
  }
  return count;
}

/** A URL says what the protocol is; a field `protocol: https` would mean "can CONNECT" to whoever reads it. */
function toRecord(url: string, { geo, tags, cost }: Proxy): object {
  return {
    url,
    ...(geo !== undefined && { geo }),
    ...(tags.length > 0 && { tags }),
    ...(cost !== undefined && { cost }),
  };
}

const geoColumns = [
  'countryCode',
  'countryName',
  'region',
  'city',
  'latitude',
  'longitude',
  'timezone',
  'asn',
] as const;

function csvRow(url: string, { geo }: Proxy): string {
  return [url, ...geoColumns.map((name) => geo?.[name])].map(csvCell).join(',');
}

/** A spreadsheet takes `=`, `+`, `-`, `@`, tab and CR at the start of a text for a formula (ASVS 1.2.10). */
function csvCell(value: string | number | undefined): string {
  if (typeof value !== 'string') return value === undefined ? '' : String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
