/** Ports that a URL of the scheme need not name: with and without is one target. */
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: ':80', https: ':443' };

/**
 * `host:port` of a URL, lower case, without credentials and without the scheme's own port. It is the key of everything
 * learned per target; parsing the whole URL would cost many times as much on the path of every request.
 */
export function targetOf(url: string): string | null {
  const scheme = url.indexOf('://');
  if (scheme < 0) return null;
  const start = scheme + 3;
  let end = start;
  while (end < url.length && !'/?#\\'.includes(url[end] as string)) end += 1;
  const authority = url.slice(start, end);
  const host = authority.slice(authority.lastIndexOf('@') + 1).toLowerCase();
  const port = DEFAULT_PORTS[url.slice(0, scheme).toLowerCase()];
  const target = port !== undefined && host.endsWith(port) ? host.slice(0, -port.length) : host;
  return target === '' ? null : target;
}
