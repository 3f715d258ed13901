import type { Dispatcher } from 'undici';
import type { Proxy } from '../core/proxy.js';
import { basicCredentials } from './http-connect.js';

/**
 * A request for an `http:` target as an http proxy wants it: the whole URL in its first line (RFC 9112, 3.2.2), and the
 * credentials of the proxy, which takes them off again. Only requests that go to the proxy itself come through here.
 */
export function absoluteForm<T extends Dispatcher.DispatchOptions>(options: T, target: URL, proxy: Proxy): T {
  const headers = flatHeaders(options.headers);
  const credentials = basicCredentials(proxy);
  if (!hasHeader(headers, 'host')) headers.push('host', target.host);
  if (credentials !== null) {
    if (hasHeader(headers, 'proxy-authorization'))
      throw new TypeError('Proxy-Authorization belongs to the proxy, which has credentials of its own');
    headers.push('proxy-authorization', credentials);
  }
  return { ...options, path: `${target.origin}${options.path}`, headers };
}

/** Name, value, name, value: the one of undici's forms that keeps repeated names. */
function flatHeaders(headers: Dispatcher.DispatchOptions['headers']): string[] {
  if (headers === undefined || headers === null) return [];
  if (isFlat(headers)) return [...headers];
  const entries = isIterable(headers) ? headers : Object.entries(headers);
  const flat: string[] = [];
  for (const [name, value] of entries) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) flat.push(name, one);
  }
  return flat;
}

type Headers = NonNullable<Dispatcher.DispatchOptions['headers']>;

function isFlat(headers: Headers): headers is string[] {
  return Array.isArray(headers) && typeof headers[0] !== 'object';
}

function isIterable(headers: Headers): headers is Iterable<[string, string | string[] | undefined]> {
  return Symbol.iterator in headers;
}

function hasHeader(flat: readonly string[], name: string): boolean {
  return flat.some((text, i) => i % 2 === 0 && text.toLowerCase() === name);
}
