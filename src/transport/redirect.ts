import { FetchError } from './fetch-error.js';
import { type FetchRequest, httpUrl } from './fetch-init.js';
import { readBody } from './request-body.js';

const MAX_REDIRECTS = 5;
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const credentialHeaders = ['authorization', 'cookie', 'idempotency-key'];
const bodyHeaders = ['content-type', 'content-encoding', 'content-language', 'content-location'];

/**
 * The request that follows a redirect (RFC 9110, 15.4; the Fetch standard for what becomes of method and body), or
 * null when the answer is none. Whoever can send one must not get what was meant for another origin.
 *
 * @param hops redirects that were followed so far
 * @throws FetchError PW_FETCH_REDIRECT
 */
export async function followRedirect(
  request: FetchRequest,
  status: number,
  location: string | null,
  hops: number,
): Promise<FetchRequest | null> {
  if (!redirectStatuses.has(status) || location === null) return null;
  if (hops >= MAX_REDIRECTS) throw new FetchError('PW_FETCH_REDIRECT', `more than ${MAX_REDIRECTS} in a row`);
  const url = httpUrl(location, request.url);
  if (url === null)
    throw new FetchError('PW_FETCH_REDIRECT', 'it leads to no http or https URL without credentials');
  if (url.hash === '') url.hash = request.url.hash;
  const headers = new Headers(request.headers);
  if (url.origin !== request.url.origin) for (const name of credentialHeaders) headers.delete(name);
  const { method, body } = request;
  const becomesGet =
    (status === 303 && method !== 'GET' && method !== 'HEAD') || (status <= 302 && method === 'POST');
  if (becomesGet) {
    for (const name of bodyHeaders) headers.delete(name);
    return { url, method: 'GET', headers, body: await readBody(null) };
  }
  if (body.once) throw new FetchError('PW_FETCH_REDIRECT', 'its body is a stream, which was sent before');
  return { url, method, headers, body };
}

/** Whether a status is a redirect to somewhere. */
export function isRedirect(status: number, location: string | null): boolean {
  return redirectStatuses.has(status) && location !== null;
}
