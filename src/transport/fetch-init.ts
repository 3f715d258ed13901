import type { Proxy } from '../core/proxy.js';
import { FetchError } from './fetch-error.js';
import { type ProxiedBody, type RequestBody, readBody } from './request-body.js';

/** The most that each phase may take, in ms; those before the request are the dispatchers' to limit. */
export interface FetchPhases {
  /** From the request to the head of its answer. @default 15_000 */
  readonly firstByteMs: number;
  /** Silence within the body. @default 10_000 */
  readonly idleMs: number;
}

/** Limits that each call may set for itself. */
export interface FetchLimits {
  /** Proxies that are tried, 1 to 10. @default 3 */
  readonly attempts: number;
  /** All attempts, redirects and the body together, in ms. @default 30_000 */
  readonly deadlineMs: number;
  /** Of the decoded body. @default 10_485_760 */
  readonly maxBytes: number;
  /**
   * Sends a GET or HEAD through a second proxy as well when the first takes longer than 95 of 100 answers do (and 50 ms),
   * takes the answer that comes first and cuts the other. For 5 of 100 requests at most, once per call, not within a
   * session, nor while much fails. @default false
   */
  readonly hedge: boolean;
  readonly phases: FetchPhases;
}

export const defaultFetchLimits: FetchLimits = Object.freeze({
  attempts: 3,
  deadlineMs: 30_000,
  maxBytes: 10 * 1024 * 1024,
  hedge: false,
  phases: Object.freeze({ firstByteMs: 15_000, idleMs: 10_000 }),
});

const MAX_ATTEMPTS = 10;
/** Node fires a longer timer at once. */
const MAX_MS = 2 ** 31 - 1;

/** Options of one request. */
export interface ProxiedInit extends Partial<Omit<FetchLimits, 'phases'>> {
  /** @default 'GET' */
  readonly method?: string | undefined;
  readonly headers?: ConstructorParameters<typeof Headers>[0] | undefined;
  readonly body?: ProxiedBody | null | undefined;
  /** `follow` goes up to five steps, and takes credentials to no other origin. @default 'follow' */
  readonly redirect?: 'follow' | 'manual' | 'error' | undefined;
  /** Told where a redirect leads before it is followed; what it throws ends the request. @default none */
  readonly onRedirect?: ((url: URL) => void | Promise<void>) | undefined;
  /**
   * The IP address that a proxy is asked for instead of the name in the URL; null = the name. The target still gets the
   * name, in `Host` and in TLS. For whoever resolves names themselves, to say where requests may lead. @default none
   */
  readonly addressOf?: ((url: URL, proxy: Proxy) => string | null) | undefined;
  readonly signal?: AbortSignal | null | undefined;
  /** All requests of a session use one proxy, until it fails. */
  readonly sessionId?: string | undefined;
  /** ISO 3166 code of the country that the proxy shall be in. */
  readonly country?: string | undefined;
  /** Tags that the proxy must have. */
  readonly tags?: readonly string[] | undefined;
  /**
   * Sends POST and PATCH again after they were written, though the target may have got them. A request with an
   * `Idempotency-Key` is sent again in any case. @default false
   */
  readonly retryNonIdempotent?: boolean | undefined;
  readonly phases?: Partial<FetchPhases> | undefined;
}

/** One request as it goes to one target. */
export interface FetchRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: RequestBody;
}

/** What one call wants, checked. */
export interface FetchOrder extends FetchLimits {
  readonly request: FetchRequest;
  readonly redirect: 'follow' | 'manual' | 'error';
  readonly onRedirect: ProxiedInit['onRedirect'];
  readonly addressOf: ProxiedInit['addressOf'];
  readonly retryNonIdempotent: boolean;
  /** For the choice of a proxy. */
  readonly wishes: { sessionId?: string; country?: string; tags?: readonly string[] };
}

/** The connection's own fields, which would break the framing, or go to the wrong peer. */
const refusedHeader =
  /^(?:connection|content-length|expect|host|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade)$/;

/** @throws FetchError PW_FETCH_INVALID */
export async function readOrder(
  url: string | URL,
  init: ProxiedInit,
  defaults: FetchLimits,
): Promise<FetchOrder> {
  const { sessionId, country, tags } = init;
  const method = readMethod(init.method ?? 'GET');
  const headers = readHeaders(init.headers);
  if (init.body != null && (method === 'GET' || method === 'HEAD'))
    throw new FetchError('PW_FETCH_INVALID', `${method} takes no body`);
  const target = readTarget(url);
  const body = await readBody(init.body);
  if (body.contentType !== null && !headers.has('content-type'))
    headers.set('content-type', body.contentType);
  if (!headers.has('accept')) headers.set('accept', '*/*');
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'gzip, deflate, br');
  return {
    request: { url: target, method, headers, body },
    redirect: init.redirect ?? 'follow',
    onRedirect: init.onRedirect,
    addressOf: init.addressOf,
    retryNonIdempotent: init.retryNonIdempotent ?? false,
    wishes: {
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(country === undefined ? {} : { country }),
      ...(tags === undefined ? {} : { tags }),
    },
    attempts: Math.min(whole('attempts', init.attempts ?? defaults.attempts), MAX_ATTEMPTS),
    deadlineMs: Math.min(whole('deadlineMs', init.deadlineMs ?? defaults.deadlineMs), MAX_MS),
    maxBytes: whole('maxBytes', init.maxBytes ?? defaults.maxBytes),
    hedge: flag('hedge', init.hedge ?? defaults.hedge),
    phases: {
      firstByteMs: whole('phases.firstByteMs', init.phases?.firstByteMs ?? defaults.phases.firstByteMs),
      idleMs: whole('phases.idleMs', init.phases?.idleMs ?? defaults.phases.idleMs),
    },
  };
}

/** Null when it is none that can be fetched. */
export function httpUrl(url: string | URL, base?: URL): URL | null {
  const text = String(url);
  if (!URL.canParse(text, base?.href)) return null;
  const parsed = new URL(text, base?.href);
  const fetchable = parsed.protocol === 'http:' || parsed.protocol === 'https:';
  return fetchable && parsed.username === '' && parsed.password === '' ? parsed : null;
}

function readTarget(url: string | URL): URL {
  const target = httpUrl(url);
  if (target !== null) return target;
  throw new FetchError('PW_FETCH_INVALID', 'its URL must be absolute, http or https, without credentials');
}

function readMethod(given: string): string {
  const method = /^(?:delete|get|head|options|patch|post|put)$/i.test(given) ? given.toUpperCase() : given;
  if (/^[!#$%&'*+.^_`|~\w-]{1,32}$/.test(method) && !/^(?:connect|track)$/i.test(method)) return method;
  throw new FetchError('PW_FETCH_INVALID', 'its method is none that can be sent');
}

function readHeaders(given: ProxiedInit['headers']): Headers {
  let headers: Headers;
  try {
    headers = new Headers(given);
  } catch {
    // The platform's error repeats the value, which may be a credential.
    throw new FetchError('PW_FETCH_INVALID', 'a header has a name or a value that cannot be sent');
  }
  for (const name of headers.keys())
    if (refusedHeader.test(name))
      throw new FetchError('PW_FETCH_INVALID', `the header ${name} is not the caller's`);
  return headers;
}

function whole(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new FetchError('PW_FETCH_INVALID', `${name} must be a whole number of at least 1`);
}

function flag(name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value;
  throw new FetchError('PW_FETCH_INVALID', `${name} must be true or false`);
}
