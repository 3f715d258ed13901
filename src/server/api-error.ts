import {
  type ErrorCode,
  errorCodes,
  NoCandidateError,
  OptionsError,
  ProxyWhirlError,
  StrategyUnknownError,
} from '../errors.js';

/** What an answer says by default. */
export interface ApiErrorRow {
  readonly status: number;
  readonly message: string;
}

/** A stable code of the API's own. */
export type ApiErrorCode =
  | 'VALIDATION_ERROR'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'ORIGIN_REFUSED'
  | 'TARGET_REFUSED'
  | 'NOT_FOUND'
  | 'PROXY_NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'PROXY_EXISTS'
  | 'CONFIG_NOT_STORED'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'HOST_REFUSED'
  | 'RATE_LIMITED'
  | 'INTERNAL'
  | 'PROXY_FAILOVER_EXHAUSTED'
  | 'RESPONSE_TOO_LARGE'
  | 'PROXY_POOL_EMPTY'
  | 'BUSY'
  | 'SHUTTING_DOWN'
  | 'TOO_MANY_STREAMS'
  | 'REQUEST_TIMEOUT'
  | 'TARGET_UNREACHABLE';

/** The codes that the API has of its own, with status and default message; those of the engine keep theirs. */
export const apiErrors: Readonly<Record<ApiErrorCode, ApiErrorRow>> = {
  VALIDATION_ERROR: { status: 400, message: 'The request breaks a rule of this route.' },
  UNAUTHORIZED: { status: 401, message: 'A valid API key is needed in X-API-Key.' },
  FORBIDDEN: { status: 403, message: 'The API key lacks the scope of this route.' },
  ORIGIN_REFUSED: { status: 403, message: 'Web pages of this origin may not use the API.' },
  TARGET_REFUSED: { status: 403, message: 'The address may not be reached through this API.' },
  NOT_FOUND: { status: 404, message: 'There is nothing at this path.' },
  PROXY_NOT_FOUND: { status: 404, message: 'The pool holds no proxy with this id.' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'The path does not take this method.' },
  PROXY_EXISTS: { status: 409, message: 'The pool holds this proxy already.' },
  CONFIG_NOT_STORED: { status: 409, message: 'Nothing keeps the configuration for the next start.' },
  PAYLOAD_TOO_LARGE: { status: 413, message: 'The body of the request is larger than allowed.' },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    message: 'A body must be application/json, in UTF-8 and not compressed.',
  },
  HOST_REFUSED: { status: 421, message: 'This server does not answer for that host name.' },
  RATE_LIMITED: { status: 429, message: 'Too many requests; see Retry-After.' },
  INTERNAL: { status: 500, message: 'The request failed inside the server.' },
  PROXY_FAILOVER_EXHAUSTED: { status: 502, message: 'All proxies that were tried failed.' },
  RESPONSE_TOO_LARGE: { status: 502, message: 'The answer of the target is larger than allowed.' },
  PROXY_POOL_EMPTY: { status: 503, message: 'The pool holds no proxy that may be used.' },
  BUSY: { status: 503, message: 'The bodies that are under way take all the room there is.' },
  SHUTTING_DOWN: { status: 503, message: 'The server is shutting down.' },
  TOO_MANY_STREAMS: { status: 503, message: 'As many clients as allowed follow the events.' },
  REQUEST_TIMEOUT: { status: 504, message: 'The deadline of the request passed.' },
  TARGET_UNREACHABLE: {
    status: 504,
    message: 'The target could not be reached through any proxy that was tried.',
  },
};

/** What is wrong with one part of a request; never with the value in it. */
export interface ApiIssue {
  readonly path: string;
  readonly rule: string;
}

/** An answer that is an error; thrown by routes and guards, written by the app. */
export class ApiError extends Error {
  readonly code: ApiErrorCode | ErrorCode;
  readonly status: number;
  /** JSON for the client; null = none. */
  readonly details: unknown;
  /** Seconds for Retry-After; null = no such header. */
  readonly retryAfter: number | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ApiErrorCode | ErrorCode,
    more: {
      message?: string;
      details?: unknown;
      retryAfterMs?: number | null;
      headers?: Readonly<Record<string, string>>;
      cause?: unknown;
    } = {},
  ) {
    const row: ApiErrorRow = isOwn(code)
      ? apiErrors[code]
      : { status: errorCodes[code].status, message: errorCodes[code].meaning };
    super(more.message ?? row.message, { cause: more.cause });
    this.code = code;
    this.status = row.status;
    this.details = more.details ?? null;
    this.retryAfter = more.retryAfterMs == null ? null : Math.max(1, Math.ceil(more.retryAfterMs / 1000));
    this.headers = more.headers ?? {};
  }
}

/** The engine's codes that the API has names of its own for. */
const renamed: Partial<Record<ErrorCode, ApiErrorCode>> = {
  PW_OPTIONS_INVALID: 'VALIDATION_ERROR',
  PW_PROXY_INVALID: 'VALIDATION_ERROR',
  PW_STRATEGY_UNKNOWN: 'VALIDATION_ERROR',
  PW_STRATEGY_INVALID: 'VALIDATION_ERROR',
  PW_SESSION_INVALID: 'VALIDATION_ERROR',
  PW_FETCH_INVALID: 'VALIDATION_ERROR',
  PW_ADDRESS_REFUSED: 'TARGET_REFUSED',
  PW_FETCH_EXHAUSTED: 'PROXY_FAILOVER_EXHAUSTED',
  PW_FETCH_DEADLINE: 'REQUEST_TIMEOUT',
  PW_FETCH_BODY_LIMIT: 'RESPONSE_TOO_LARGE',
  PW_POOL_EMPTY: 'PROXY_POOL_EMPTY',
  PW_NO_CANDIDATE: 'PROXY_POOL_EMPTY',
  PW_CLOSED: 'SHUTTING_DOWN',
};

/** How long a client shall wait when there is no proxy and nobody knows when there will be one, in ms. */
const EMPTY_RETRY_MS = 5_000;

/**
 * The answer for whatever was thrown. An error that is not known says nothing but INTERNAL; one of the engine says what
 * the table says of its code, since its own message is written for whoever runs the engine.
 */
export function toApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (!(thrown instanceof ProxyWhirlError)) return new ApiError('INTERNAL', { cause: thrown });
  const code = renamed[thrown.code] ?? thrown.code;
  if (code === 'VALIDATION_ERROR') return new ApiError(code, { details: issuesOf(thrown), cause: thrown });
  if (code === 'PROXY_POOL_EMPTY') {
    const known = thrown instanceof NoCandidateError;
    return new ApiError(code, {
      details: known ? { removedBy: thrown.removedBy } : null,
      retryAfterMs: (known ? thrown.retryAfterMs : null) ?? EMPTY_RETRY_MS,
      cause: thrown,
    });
  }
  if (isOwn(code)) return new ApiError(code, { cause: thrown });
  return errorCodes[code].status === 500
    ? new ApiError('INTERNAL', { cause: thrown })
    : new ApiError(code, { cause: thrown });
}

/** As the schemas tell of them: path and rule, and never the value. */
function issuesOf(error: ProxyWhirlError): readonly ApiIssue[] {
  if (error instanceof OptionsError) return error.issues;
  if (error instanceof StrategyUnknownError)
    return [{ path: 'body.strategy', rule: `must be one of ${(error.data.known as string[]).join(', ')}` }];
  return [{ path: 'request', rule: error.message }];
}

function isOwn(code: string): code is ApiErrorCode {
  return Object.hasOwn(apiErrors, code);
}
