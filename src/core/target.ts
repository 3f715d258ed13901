const SLASH = 47;
const QUESTION = 63;
const HASH = 35;
const BACKSLASH = 92;
const AT = 64;

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
  let from = start;
  for (; end < url.length; end++) {
    const code = url.charCodeAt(end);
    if (code === SLASH || code === QUESTION || code === HASH || code === BACKSLASH) break;
    if (code === AT) from = end + 1;
  }
  const host = url.slice(from, end).toLowerCase();
  const port = DEFAULT_PORTS[url.slice(0, scheme).toLowerCase()];
  const target = port !== undefined && host.endsWith(port) ? host.slice(0, -port.length) : host;
  return target === '' ? null : target;
}
