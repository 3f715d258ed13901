import type { Verdict } from '../core/outcome.js';
import { ProxyWhirlError } from '../errors.js';

const messages = {
  PW_FETCH_INVALID: 'The request cannot be sent',
  PW_FETCH_EXHAUSTED: 'No attempt succeeded',
  PW_FETCH_DEADLINE: 'The deadline passed',
  PW_FETCH_ABORTED: 'The request was aborted',
  PW_FETCH_REDIRECT: 'The redirect is not followed',
  PW_FETCH_BODY_LIMIT: 'The body is too large',
  PW_FETCH_BODY_BROKEN: 'The body is not whole',
} as const;

/** The codes that a request fails with. */
export type FetchErrorCode = keyof typeof messages;

/** One attempt of a request. */
export interface FetchAttempt {
  readonly proxyId: string;
  /** Whose fault it was; when a body breaks off later, the engine is told, and this stays. */
  readonly verdict: Verdict;
  /** To the head of the answer, or to the failure. */
  readonly elapsedMs: number;
  /** Of the error, null where there was none; `HEDGE_LOST` when the other one of two had answered. */
  readonly code: string | null;
  /** The rule that found the verdict in the answer, such as `datadome` or `status-403`. */
  readonly rule?: string;
  /** Sent beside the one before it, which took long. */
  readonly hedge?: true;
}

/** A request that failed. No part of it repeats the URL, a header, or what a proxy or a target said. */
export class FetchError extends ProxyWhirlError {
  declare readonly code: FetchErrorCode;
  /** Those that were made, in order. */
  readonly attempts: readonly FetchAttempt[];

  /** @param detail a few words of our own */
  constructor(
    code: FetchErrorCode,
    detail: string,
    attempts: readonly FetchAttempt[] = [],
    options?: ErrorOptions,
  ) {
    const made = Object.freeze([...attempts]);
    super(code, `${messages[code]}: ${detail}.`, { detail, attempts: made }, options);
    this.attempts = made;
  }
}

/**
 * An error that may be shown: parsers of HTTP put what they read into theirs, and a hostile proxy could echo our
 * credentials to it.
 */
export function presentable(error: unknown): Error {
  if (error instanceof ProxyWhirlError) return error;
  const code = errorCode(error);
  const known = error instanceof Error && !code.startsWith('HPE_');
  return Object.assign(new Error(known ? error.message : `The connection failed (${code})`), { code });
}

/** The code of an error, or else its name. */
export function errorCode(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === 'string' && /^\w{1,64}$/.test(code)) return code;
  return typeof name === 'string' && /^\w{1,64}$/.test(name) ? name : 'unknown';
}
