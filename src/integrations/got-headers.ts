import type { ProxyGeo } from '../core/geo.js';
import type { GotOptions } from './got-options.js';
import { acceptLanguage } from './locale-hint.js';

interface Generator {
  getHeaders(options: Record<string, unknown>): Record<string, string>;
}

/** One browser's headers for each of got-scraping's session tokens. */
const bySession = new WeakMap<object, Record<string, string>>();

/**
 * The request's headers with those of a browser below them, as got-scraping's own hook makes them for HTTP/1.1: but that
 * one would connect to the target to ask for its protocol.
 */
export function browserHeaders(
  options: Pick<GotOptions, 'context' | 'headers' | 'decompress'>,
): GotOptions['headers'] {
  const { headerGenerator, useHeaderGenerator, headerGeneratorOptions, sessionToken } = options.context as {
    headerGenerator?: Generator;
    useHeaderGenerator?: boolean;
    headerGeneratorOptions?: Record<string, unknown>;
    sessionToken?: object;
  };
  if (useHeaderGenerator !== true || headerGenerator === undefined) return options.headers;
  const kept = sessionToken === undefined ? undefined : bySession.get(sessionToken);
  const generated = kept ?? headerGenerator.getHeaders({ httpVersion: '1', ...headerGeneratorOptions });
  if (sessionToken !== undefined) bySession.set(sessionToken, generated);
  const merged: GotOptions['headers'] = {};
  for (const [name, value] of Object.entries(generated)) {
    // Got takes off no encoding that it did not ask for.
    if (name.toLowerCase() !== 'accept-encoding' || options.decompress) merged[name.toLowerCase()] = value;
  }
  for (const [name, value] of Object.entries(options.headers)) {
    if (value !== undefined) merged[name.toLowerCase()] = value;
  }
  return merged;
}

/**
 * Asks in the language of the proxy's country, where nobody has said in which. By a header and not by a setting of the
 * generator: that one keeps its headers for a session token, also when the session goes on in another country.
 */
export function hintLanguage(
  options: Pick<GotOptions, 'context' | 'headers'>,
  geo: ProxyGeo | undefined,
): void {
  const { useHeaderGenerator, headerGeneratorOptions } = options.context as {
    useHeaderGenerator?: boolean;
    headerGeneratorOptions?: { readonly locales?: unknown };
  };
  if (useHeaderGenerator !== true || headerGeneratorOptions?.locales !== undefined) return;
  const language = acceptLanguage(geo);
  if (language !== undefined) options.headers = { 'accept-language': language, ...options.headers };
}
