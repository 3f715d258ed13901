/**
 * Every error that ProxyWhirl throws, with its stable code. `docs/errors.md` lists the same table and a test
 * holds the two together. Messages and data never contain a password, a user name or a raw session id.
 */

/** The stable codes; renaming one is a breaking change. */
export type ErrorCode =
  | 'PW_OPTIONS_INVALID'
  | 'PW_PROXY_INVALID'
  | 'PW_LIST_INVALID'
  | 'PW_POOL_EMPTY'
  | 'PW_NO_CANDIDATE'
  | 'PW_STRATEGY_UNKNOWN'
  | 'PW_STRATEGY_INVALID'
  | 'PW_STRATEGY_METADATA'
  | 'PW_SESSION_INVALID'
  | 'PW_SESSION_NOT_FOUND'
  | 'PW_SNAPSHOT_INVALID'
  | 'PW_CLOSED'
  | 'PW_PROXY_NOT_FOUND'
  | 'PW_PROXY_REFUSED'
  | 'PW_PROXY_CONNECT_TIMEOUT'
  | 'PW_PROXY_RESET'
  | 'PW_PROXY_CLOSED'
  | 'PW_PROXY_AUTH'
  | 'PW_PROXY_CONNECT_STATUS'
  | 'PW_PROXY_BAD_RESPONSE'
  | 'PW_PROXY_TLS'
  | 'PW_TARGET_TLS'
  | 'PW_TARGET_NOT_FOUND'
  | 'PW_TARGET_INVALID'
  | 'PW_TUNNEL_DEADLINE'
  | 'PW_TUNNEL_ABORTED'
  | 'PW_LOCAL_NETWORK'
  | 'PW_FETCH_INVALID'
  | 'PW_FETCH_EXHAUSTED'
  | 'PW_FETCH_DEADLINE'
  | 'PW_FETCH_ABORTED'
  | 'PW_FETCH_REDIRECT'
  | 'PW_FETCH_BODY_LIMIT'
  | 'PW_FETCH_BODY_BROKEN'
  | 'PW_PAGE_BLOCKED'
  | 'PW_CACHE_CORRUPT'
  | 'PW_CACHE_STORAGE'
  | 'PW_CACHE_INVALID'
  | 'PW_CACHE_KEY'
  | 'PW_SOURCE_INVALID'
  | 'PW_SOURCE_UNREADABLE'
  | 'PW_ADDRESS_REFUSED'
  | 'PW_RELAY_AUTH'
  | 'PW_RELAY_REQUEST'
  | 'PW_RELAY_LOOP'
  | 'PW_RELAY_LISTEN'
  | 'PW_SERVER_LISTEN'
  | 'PW_LAB_UNAVAILABLE';

/** Stable code -> HTTP status (used by the REST API) and what it means. */
export const errorCodes: Readonly<Record<ErrorCode, { readonly status: number; readonly meaning: string }>> =
  {
    PW_OPTIONS_INVALID: { status: 400, meaning: 'An option is unknown or breaks its rule.' },
    PW_PROXY_INVALID: { status: 400, meaning: 'A proxy line breaks a rule of the line grammar.' },
    PW_LIST_INVALID: { status: 400, meaning: 'A proxy list has lines that cannot be read, or none at all.' },
    PW_POOL_EMPTY: { status: 503, meaning: 'The pool holds no proxy.' },
    PW_NO_CANDIDATE: {
      status: 503,
      meaning: 'The pool holds proxies, but none may be used for this request now.',
    },
    PW_STRATEGY_UNKNOWN: { status: 400, meaning: 'No strategy is registered under this name.' },
    PW_STRATEGY_INVALID: {
      status: 400,
      meaning: 'A strategy does not keep the contract of the Strategy interface.',
    },
    PW_STRATEGY_METADATA: { status: 409, meaning: 'A strategy needs data that no candidate has.' },
    PW_SESSION_INVALID: { status: 400, meaning: 'A session id breaks the rule for session ids.' },
    PW_SESSION_NOT_FOUND: { status: 404, meaning: 'There is no session with this id.' },
    PW_SNAPSHOT_INVALID: { status: 400, meaning: 'A snapshot has another version or another shape.' },
    PW_CLOSED: { status: 503, meaning: 'The engine was closed.' },
    PW_PROXY_NOT_FOUND: { status: 502, meaning: 'The host name of the proxy does not resolve.' },
    PW_PROXY_REFUSED: {
      status: 502,
      meaning: 'Nothing listens at the address of the proxy, or it cannot be reached.',
    },
    PW_PROXY_CONNECT_TIMEOUT: {
      status: 504,
      meaning: 'A phase of opening a tunnel took longer than its limit.',
    },
    PW_PROXY_RESET: { status: 502, meaning: 'The connection was reset before a request was written.' },
    PW_PROXY_CLOSED: { status: 502, meaning: 'The connection was closed before a request was written.' },
    PW_PROXY_AUTH: { status: 502, meaning: 'The proxy refused the credentials, or asks for some.' },
    PW_PROXY_CONNECT_STATUS: { status: 502, meaning: 'The proxy refused to open a tunnel.' },
    PW_PROXY_BAD_RESPONSE: {
      status: 502,
      meaning: 'The proxy answered with something that is not its protocol.',
    },
    PW_PROXY_TLS: { status: 502, meaning: 'TLS with the proxy failed.' },
    PW_TARGET_TLS: { status: 502, meaning: 'TLS with the target failed inside the tunnel.' },
    PW_TARGET_NOT_FOUND: { status: 502, meaning: 'The host name of the target does not resolve.' },
    PW_TARGET_INVALID: {
      status: 400,
      meaning: 'The target is no host and port that the proxy can be asked for.',
    },
    PW_TUNNEL_DEADLINE: { status: 504, meaning: 'The deadline passed before the tunnel stood.' },
    PW_TUNNEL_ABORTED: { status: 503, meaning: 'The caller aborted the attempt.' },
    PW_LOCAL_NETWORK: { status: 503, meaning: 'Our own machine or network failed; no proxy is to blame.' },
    PW_FETCH_INVALID: { status: 400, meaning: 'A request cannot be sent as it was asked for.' },
    PW_FETCH_EXHAUSTED: {
      status: 502,
      meaning: 'All attempts of a request failed, or no further one was allowed.',
    },
    PW_FETCH_DEADLINE: { status: 504, meaning: 'The deadline of a request passed.' },
    PW_FETCH_ABORTED: { status: 503, meaning: 'The caller aborted a request.' },
    PW_FETCH_REDIRECT: { status: 502, meaning: 'A redirect cannot be followed, or must not be.' },
    PW_FETCH_BODY_LIMIT: { status: 502, meaning: 'The body of an answer is larger than allowed.' },
    PW_FETCH_BODY_BROKEN: {
      status: 502,
      meaning: 'The body of an answer broke off, stalled or could not be decoded.',
    },
    PW_PAGE_BLOCKED: { status: 502, meaning: 'The target turned the proxy away with a page that says so.' },
    PW_CACHE_CORRUPT: { status: 500, meaning: 'A record of the cache is damaged; it was set aside.' },
    PW_CACHE_STORAGE: { status: 503, meaning: 'A tier of the cache cannot be read or written.' },
    PW_CACHE_INVALID: { status: 400, meaning: 'A cache entry or a cache setting breaks its rule.' },
    PW_CACHE_KEY: { status: 500, meaning: 'A key of the cache is missing, wrong or badly kept.' },
    PW_SOURCE_INVALID: { status: 502, meaning: 'A source gave something that is no list of proxies.' },
    PW_SOURCE_UNREADABLE: { status: 502, meaning: 'A source cannot be read or fetched.' },
    PW_ADDRESS_REFUSED: {
      status: 403,
      meaning: 'An address is not a public one, or its name is reserved.',
    },
    PW_RELAY_AUTH: { status: 407, meaning: 'The relay asks for credentials, or refuses those that came.' },
    PW_RELAY_REQUEST: { status: 400, meaning: 'A request to the relay breaks a rule of HTTP.' },
    PW_RELAY_LOOP: { status: 508, meaning: 'A request came back to the relay that had sent it.' },
    PW_RELAY_LISTEN: { status: 500, meaning: 'The relay cannot listen at its address.' },
    PW_SERVER_LISTEN: { status: 500, meaning: 'The API cannot listen at its address.' },
    PW_LAB_UNAVAILABLE: { status: 500, meaning: 'The lab cannot do on this machine what was asked of it.' },
  };

/** Base of all errors: a stable `code`, the `data` to act on, and the `cause` where there is one. */
export class ProxyWhirlError extends Error {
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, data: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.data = Object.freeze({ ...data });
  }

  /** HTTP status that the REST API answers with. */
  get status(): number {
    return errorCodes[this.code].status;
  }
}

/** One option that breaks its rule. `path` is dotted (`session.idleTimeoutSeconds`). */
export interface OptionIssue {
  readonly path: string;
  readonly rule: string;
}

/** An unknown option or a value that breaks its rule; `data.issues` lists all of them. */
export class OptionsError extends ProxyWhirlError {
  readonly issues: readonly OptionIssue[];

  constructor(issues: readonly OptionIssue[]) {
    super('PW_OPTIONS_INVALID', `Invalid options: ${issues.map((i) => `${i.path}: ${i.rule}`).join('; ')}`, {
      issues,
    });
    this.issues = issues;
  }
}

/** A line that is no proxy. The text of the line is never repeated: it may hold a credential. */
export class ProxyParseError extends ProxyWhirlError {
  /** Rule of the line grammar, `G1` to `G14`. */
  readonly rule: string;
  /** Where in the line, counted from 1. */
  readonly column: number;

  constructor(rule: string, column: number, why: string) {
    super('PW_PROXY_INVALID', `${why} (rule ${rule}, column ${column})`, { rule, column, why });
    this.rule = rule;
    this.column = column;
  }
}

/** A line of a list that was not accepted. */
export interface RejectedLine {
  /** Counted from 1. */
  readonly line: number;
  readonly column?: number;
  readonly rule: string;
  readonly message: string;
}

/** A list in which lines cannot be read; `rejected` names each of them. */
export class ProxyListError extends ProxyWhirlError {
  readonly rejected: readonly RejectedLine[];

  constructor(message: string, rejected: readonly RejectedLine[] = []) {
    super('PW_LIST_INVALID', message, { rejected });
    this.rejected = rejected;
  }
}

/** The pool holds no proxy at all. */
export class PoolEmptyError extends ProxyWhirlError {
  constructor() {
    super('PW_POOL_EMPTY', 'The pool is empty: add a proxy, or look at why its source gave none.');
  }
}

/** There are proxies, but each is ruled out; `removedBy` counts them by the reason. */
export class NoCandidateError extends ProxyWhirlError {
  readonly removedBy: Readonly<Record<string, number>>;
  /** When the next proxy may be tried again, in ms from now; null when time alone will not change it. */
  readonly retryAfterMs: number | null;

  constructor(removedBy: Readonly<Record<string, number>>, retryAfterMs: number | null) {
    const reasons = Object.entries(removedBy).map(([reason, count]) => `${count} by ${reason}`);
    const when = retryAfterMs === null ? '' : `; the next is due in ${Math.ceil(retryAfterMs)} ms`;
    super('PW_NO_CANDIDATE', `No proxy may be used for this request: ${reasons.join(', ')}${when}.`, {
      removedBy,
      retryAfterMs,
    });
    this.removedBy = removedBy;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No strategy of this name; `data.known` lists the names that exist. */
export class StrategyUnknownError extends ProxyWhirlError {
  constructor(name: string, known: readonly string[]) {
    // Anything that is no name is not repeated: it may be a misplaced URL with its credentials.
    const shown = /^[\w.-]{1,64}$/.test(name) ? name : '(no name)';
    super('PW_STRATEGY_UNKNOWN', `Unknown strategy "${shown}"; known: ${known.join(', ')}.`, {
      name: shown,
      known,
    });
  }
}

/** No candidate has the data that a strategy needs; `data.fields` lists what is missing. */
export class StrategyMetadataError extends ProxyWhirlError {
  readonly fields: readonly string[];

  constructor(strategy: string, fields: readonly string[]) {
    super(
      'PW_STRATEGY_METADATA',
      `The strategy "${strategy}" needs data that no candidate has: ${fields.join(', ')}.`,
      {
        strategy,
        fields,
      },
    );
    this.fields = fields;
  }
}

/** A strategy that does not keep the contract; `data.rule` says which part of it. */
export class StrategyContractError extends ProxyWhirlError {
  constructor(name: string, rule: string, options?: ErrorOptions) {
    super('PW_STRATEGY_INVALID', `The strategy "${name}" ${rule}.`, { name, rule }, options);
  }
}

/** A snapshot that cannot be taken over; nothing was changed. */
export class SnapshotError extends ProxyWhirlError {
  constructor(path: string, rule: string) {
    super('PW_SNAPSHOT_INVALID', `The snapshot cannot be restored: ${path} ${rule}.`, { path, rule });
  }
}

/** A session id outside `[A-Za-z0-9._~-]{1,128}`. The id is not repeated: it may be a secret of its owner. */
export class SessionIdError extends ProxyWhirlError {
  constructor() {
    super('PW_SESSION_INVALID', 'A session id must match [A-Za-z0-9._~-]{1,128}.');
  }
}

/** No such session, or it has expired. */
export class SessionNotFoundError extends ProxyWhirlError {
  constructor() {
    super('PW_SESSION_NOT_FOUND', 'No session with this id; it never was, was closed, or has expired.');
  }
}

/** The engine was closed; nothing is acquired from it any more. */
export class ClosedError extends ProxyWhirlError {
  constructor() {
    super('PW_CLOSED', 'ProxyWhirl was closed; create a new one.');
  }
}

/** The target turned the proxy away: with a captcha, a challenge, a refusal. `data.rule` names what found it. */
export class BlockedPageError extends ProxyWhirlError {
  constructor(host: string, rule: string, proxyId: string) {
    super('PW_PAGE_BLOCKED', `${host} turned the proxy away (${rule}).`, { host, rule, proxyId });
  }
}

/** A record of the cache that is damaged. It was set aside; the rest stays readable. */
export class CacheCorruptionError extends ProxyWhirlError {
  constructor(tier: string, what: string, options?: ErrorOptions) {
    super('PW_CACHE_CORRUPT', `The ${tier} tier holds damaged data: ${what}.`, { tier, what }, options);
  }
}

/** A tier that cannot be read or written; the other tiers go on, and this one is tried again. */
export class CacheStorageError extends ProxyWhirlError {
  constructor(tier: string, what: string, options?: ErrorOptions) {
    super('PW_CACHE_STORAGE', `The ${tier} tier failed: ${what}.`, { tier, what }, options);
  }
}

/** An entry or a setting of the cache that breaks its rule; the value is not repeated. */
export class CacheValidationError extends ProxyWhirlError {
  constructor(path: string, rule: string) {
    super('PW_CACHE_INVALID', `Invalid for the cache: ${path} ${rule}.`, { path, rule });
  }
}

/** A key that is missing, wrong or badly kept. `data.keyId` names a key that is missing; a key is never shown. */
export class CacheKeyError extends ProxyWhirlError {
  constructor(why: string, keyId: string | null = null) {
    super('PW_CACHE_KEY', why, { keyId });
  }
}
