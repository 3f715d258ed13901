import type { Verdict } from '../core/outcome.js';
import type { FetchAttempt } from './fetch-error.js';

/** What a {@link ProxiedResponse} tells besides the answer. */
export interface ProxiedDetails {
  /** Which proxy carried it; the URL is without credentials. */
  readonly proxy: { readonly id: string; readonly url: string };
  /** What was thought of this answer: `success`, `banned` when every proxy that was tried was turned away, ... */
  readonly verdict: Verdict;
  /** The rule that found the verdict, such as `datadome` or `status-403`; null = none, the status tells all. */
  readonly rule: string | null;
  /** All attempts in order. */
  readonly attempts: readonly FetchAttempt[];
  /** In ms: from the call to the head of this answer, and from the start of the last attempt to it. */
  readonly timings: { readonly totalMs: number; readonly firstByteMs: number };
}

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly url: string;
  readonly redirected: boolean;
}

const nullBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304]);

/** Whether an answer with this status has no body. */
export function hasNoBody(method: string, status: number): boolean {
  return method === 'HEAD' || nullBodyStatuses.has(status);
}

/** A web-standard Response, and which proxy brought it. */
export type ProxiedResponse = Response & ProxiedDetails;

/**
 * Makes one. Own properties shadow those that the platform's constructor does not take: a URL, and statuses outside of
 * 200 to 599, while sites do answer 999. Not a subclass, because the types of Node and of browsers disagree on what
 * of a Response may be overridden.
 */
export function proxiedResponse(
  body: ReadableStream<Uint8Array> | null,
  head: AnswerHead,
  details: ProxiedDetails,
): ProxiedResponse {
  const { status, statusText, url, redirected, headers } = head;
  const response = new Response(body, { status: status >= 200 && status <= 599 ? status : 200, headers });
  const clone = (): ProxiedResponse => {
    const copy = Response.prototype.clone.call(response);
    return proxiedResponse(copy.body, { ...head, headers: copy.headers }, details);
  };
  const ok = status >= 200 && status <= 299;
  const { proxy, verdict, rule, attempts, timings } = details;
  const own = { status, ok, statusText, url, redirected, clone, proxy, verdict, rule, attempts, timings };
  return Object.defineProperties(
    response,
    Object.fromEntries(Object.entries(own).map(([name, value]) => [name, { value, enumerable: true }])),
  ) as ProxiedResponse;
}
