import type { Proxy } from '../core/proxy.js';

/** With the name of the call, which Puppeteer does not give: it gets the URL as it is. */
const NO_PROXY = /page\.goto: net::ERR_PROXY_CONNECTION_FAILED/;

/** What to do about it. */
export const socksAdvice =
  'Crawlee 3 hands its Playwright browsers no SOCKS proxy without credentials. Set launchContext.useIncognitoPages and use wire(), or leave these proxies out.';

/**
 * Whether the browser failed for a proxy that it was never told of. Crawlee 3 launches Playwright with
 * `new URL(proxyUrl).origin`, which for each SOCKS URL is the text "null"; a proxy with credentials goes through a
 * relay of Crawlee's instead, and pages with a proxy of their own get the whole URL.
 */
export function wasNotAsked({ protocol, username }: Proxy, error: unknown): boolean {
  return protocol.startsWith('socks') && username === null && NO_PROXY.test(String(error));
}
