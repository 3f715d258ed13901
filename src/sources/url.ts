import { createHash } from 'node:crypto';
import type { LookupFunction } from 'node:net';
import type { Clock, Timers } from '../core/clock.js';
import { OptionsError } from '../errors.js';
import { AddressPolicy, AddressRefusedError } from '../transport/address-policy.js';
import { Deadline } from '../transport/deadline.js';
import { type DirectAnswer, type DirectGet, guardedGet } from '../transport/guarded-get.js';
import { parseHttpDate, parseRetryAfter } from '../transport/retry-after.js';
import { collectList } from './collect.js';
import { acceptedEncodings, decodeContent } from './content-decoding.js';
import type { ProxyListFormat } from './formats.js';
import {
  isCount,
  type OptionRules,
  readSourceOptions,
  type Source,
  type SourceBatch,
  type SourceContext,
  type SourceOptions,
  type SourceSettings,
  type SourceValidator,
} from './source.js';
import { SourceError } from './source-error.js';

export interface UrlSourceOptions extends SourceOptions {
  /** @default 'auto' */
  readonly format?: ProxyListFormat | undefined;
  /**
   * Sent to the origin of the URL, for a key of its API, and to no other: a redirect that leaves it goes without.
   * @default {}
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Addresses that are not public are refused before anything is connected. True allows all of them, a list allows
   * its addresses and CIDR blocks: `['10.1.0.0/16']`.
   * @default false
   */
  readonly allowPrivate?: boolean | readonly string[] | undefined;
  /** From the first look-up to the last byte, redirects included, in ms. @default 15_000 */
  readonly timeoutMs?: number | undefined;
  /** As it comes over the wire. @default 10_000_000 */
  readonly maxBytes?: number | undefined;
  /** As it is read. @default 50_000_000 */
  readonly maxDecodedBytes?: number | undefined;
  /** A longer list is refused, not cut. @default 100_000 */
  readonly maxProxies?: number | undefined;
}

/** What a source of a URL works with besides its options. */
export interface UrlSourceParts {
  readonly clock?: Clock | undefined;
  /** Ms since 1970, for a date in `Retry-After`. */
  readonly wallNow?: (() => number) | undefined;
  readonly timers?: Timers | undefined;
  /** The system's resolver, when it is not given. */
  readonly lookup?: LookupFunction | undefined;
  /** Sends the request in another way, through a proxy for example; addresses are its business then. */
  readonly send?: ((url: URL, get: DirectGet) => Promise<DirectAnswer>) | undefined;
}

const MAX_REDIRECTS = 3;
/** Most that a server may ask to be left alone. */
const MAX_RETRY_AFTER_MS = 3_600_000;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const formats = ['auto', 'text', 'json', 'jsonl', 'csv', 'html'];
/** Says who asks and why; no browser is imitated. */
const userAgent = 'ProxyWhirl (reads lists of proxies)';

const rules: OptionRules = {
  format: [(value) => formats.includes(String(value)), `must be one of ${formats.join(', ')}`],
  headers: [
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      Object.entries(value).every(([name, text]) => isHeader(name, text)),
    'must be an object of header names and values',
  ],
  allowPrivate: [
    (value) => typeof value === 'boolean' || Array.isArray(value),
    'must be true, false or a list of addresses and CIDR blocks',
  ],
  timeoutMs: [isCount(1), 'must be a whole number of 1 or more'],
  maxBytes: [isCount(1), 'must be a whole number of 1 or more'],
  maxDecodedBytes: [isCount(1), 'must be a whole number of 1 or more'],
  maxProxies: [isCount(1), 'must be a whole number of 1 or more'],
};

/**
 * A list behind an http or https URL, fetched directly. It is asked for again with the validators of HTTP, so that a
 * list which did not change costs one small answer.
 *
 * @example url('https://lists.example/proxies.txt', { intervalSeconds: 600, tags: ['free'] })
 * @throws OptionsError also for a URL that is not http or https, or holds credentials: use `headers`
 */
export function url(
  address: string | URL,
  options: UrlSourceOptions = {},
  parts: UrlSourceParts = {},
): Source {
  const settings = readSourceOptions('url', options, rules, { intervalSeconds: 900, ttlSeconds: 3600 });
  const start = httpUrl(address);
  if (start === null)
    throw new OptionsError([{ path: 'url', rule: 'must be an http or https URL without credentials' }]);
  return new UrlSource(start, settings, options, parts);
}

class UrlSource implements Source {
  readonly name: string;
  readonly settings: SourceSettings;
  readonly fingerprint: string;
  readonly #start: URL;
  readonly #options: UrlSourceOptions;
  readonly #clock: Clock;
  readonly #wallNow: () => number;
  readonly #timers: Timers | undefined;
  readonly #send: (url: URL, get: DirectGet) => Promise<DirectAnswer>;

  constructor(start: URL, settings: SourceSettings, options: UrlSourceOptions, parts: UrlSourceParts) {
    this.#start = start;
    // A hash, because it is kept on disk: path and query may hold the key of an account.
    this.fingerprint = createHash('sha256').update(start.href).digest('hex').slice(0, 16);
    this.settings = settings;
    this.#options = options;
    // Path and query are not shown: they may hold the key of an account.
    this.name = options.name ?? start.hostname.replaceAll(/[[\]]/g, '');
    this.#clock = parts.clock ?? performance;
    this.#wallNow = parts.wallNow ?? Date.now;
    this.#timers = parts.timers;
    const policy = new AddressPolicy(options.allowPrivate, parts.lookup);
    this.#send = parts.send ?? ((to, get) => guardedGet(to, get, policy));
  }

  async load({ signal, validator }: SourceContext): Promise<SourceBatch> {
    const { timeoutMs = 15_000 } = this.#options;
    const deadline = new Deadline(this.#clock, timeoutMs, signal, this.#timers);
    // Ends all connections in every case: of a body that is not read to its end nothing more shall come.
    const ending = new AbortController();
    const ends = AbortSignal.any([deadline.signal, ending.signal]);
    try {
      // Whoever sends in a way of his own may hear no signal.
      return await deadline.race(this.#fetch(validator, ends), () => {});
    } catch (error) {
      throw this.#explain(error, deadline, timeoutMs);
    } finally {
      deadline.end();
      ending.abort();
    }
  }

  async #fetch(validator: SourceValidator | null, signal: AbortSignal): Promise<SourceBatch> {
    const answer = await this.#follow(validator, signal);
    if (answer.status === 304 && validator !== null) return { changed: false };
    return await this.#read(answer, signal);
  }

  async #follow(validator: SourceValidator | null, signal: AbortSignal): Promise<DirectAnswer> {
    let at = this.#start;
    let own = this.#options.headers ?? {};
    for (let hops = 0; ; hops++) {
      const headers = {
        ...own,
        'user-agent': userAgent,
        accept: 'text/plain, application/json, text/csv, text/html;q=0.5, */*;q=0.1',
        'accept-encoding': acceptedEncodings,
        ...conditions(validator),
      };
      const answer = await this.#send(at, { headers, signal });
      const { location } = answer.headers;
      if (!redirects.has(answer.status) || location === undefined) return answer;
      if (hops >= MAX_REDIRECTS)
        throw new SourceError(this.name, 'redirect', `more than ${MAX_REDIRECTS} redirects`);
      const next = httpUrl(location, at);
      if (next === null || (at.protocol === 'https:' && next.protocol === 'http:'))
        throw new SourceError(this.name, 'redirect', 'it redirects to where it must not');
      if (next.origin !== at.origin) own = {};
      at = next;
    }
  }

  async #read({ status, headers, body }: DirectAnswer, signal: AbortSignal): Promise<SourceBatch> {
    const { maxBytes = 10_000_000, maxDecodedBytes = 50_000_000, maxProxies = 100_000 } = this.#options;
    if (status !== 200) {
      const retryAfterMs = this.#retryAfterMs(headers);
      throw new SourceError(this.name, 'status', `the server answered ${status}`, { retryAfterMs });
    }
    if (Number(headers['content-length'] ?? 0) > maxBytes)
      throw new SourceError(this.name, 'too-large', `more than ${maxBytes} bytes on the wire`);
    const limits = { maxBytes, maxDecodedBytes };
    const content = decodeContent(this.name, headers['content-encoding'], body, limits);
    const { name, settings } = this;
    const format = this.#options.format ?? 'auto';
    const collected = await collectList(content, { name, settings, format, maxProxies, signal });
    return { changed: true, ...collected, validator: validatorOf(headers) };
  }

  /** A date is read against the server's own clock. */
  #retryAfterMs({ date, 'retry-after': wish }: DirectAnswer['headers']): number | null {
    const now = this.#wallNow();
    return parseRetryAfter(wish, parseHttpDate(date, now) ?? now, MAX_RETRY_AFTER_MS);
  }

  #explain(error: unknown, { reason }: Deadline, timeoutMs: number): SourceError {
    const options = { cause: error };
    // What was cut fails in whatever way it can.
    if (reason === 'deadline')
      return new SourceError(this.name, 'timeout', `not done within ${timeoutMs} ms`, options);
    if (reason === 'aborted') return new SourceError(this.name, 'aborted', 'the load was aborted', options);
    if (error instanceof SourceError) return error;
    if (error instanceof AddressRefusedError)
      return new SourceError(this.name, 'address', 'its address is not a public one', options);
    return new SourceError(this.name, 'failed', 'the connection or its content failed', options);
  }
}

/** Absolute, http or https, without credentials; else null. */
function httpUrl(text: string | URL, base?: URL): URL | null {
  if (!URL.canParse(String(text), base?.href)) return null;
  const found = new URL(text, base);
  const isHttp = found.protocol === 'http:' || found.protocol === 'https:';
  return isHttp && found.username === '' && found.password === '' ? found : null;
}

function isHeader(name: string, text: unknown): boolean {
  try {
    // It names neither in an error that we would show.
    new Headers([[name, String(text)]]);
    return typeof text === 'string';
  } catch {
    return false;
  }
}

function conditions(validator: SourceValidator | null): Record<string, string> {
  const { etag, lastModified } = validator ?? {};
  return {
    ...(etag !== undefined && { 'if-none-match': etag }),
    ...(lastModified !== undefined && { 'if-modified-since': lastModified }),
  };
}

function validatorOf(headers: DirectAnswer['headers']): SourceValidator | null {
  const { etag, 'last-modified': lastModified } = headers;
  if (etag === undefined && lastModified === undefined) return null;
  return { ...(etag !== undefined && { etag }), ...(lastModified !== undefined && { lastModified }) };
}
