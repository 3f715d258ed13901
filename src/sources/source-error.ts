import { ProxyWhirlError } from '../errors.js';

const messages = {
  PW_SOURCE_INVALID: 'gave no list of proxies',
  PW_SOURCE_UNREADABLE: 'cannot be read',
} as const;

export type SourceErrorCode = keyof typeof messages;

/**
 * - `empty` nothing in it, `no-proxies` no line of it is a proxy, `shrink` far shorter than before and not confirmed,
 *   `too-large` over a limit, `encoding` more than one content encoding, or an unknown one
 * - `status` the server answered with another status than 2xx, `redirect` one redirect too many, or to a place that is
 *   no http or https URL, `address` not a public address, `timeout` over its total time, `aborted`, `failed` anything
 *   else: read the cause
 */
export type SourceFault =
  | 'empty'
  | 'no-proxies'
  | 'shrink'
  | 'too-large'
  | 'encoding'
  | 'status'
  | 'redirect'
  | 'address'
  | 'timeout'
  | 'aborted'
  | 'failed';

const unreadable: ReadonlySet<SourceFault> = new Set([
  'status',
  'redirect',
  'address',
  'timeout',
  'aborted',
  'failed',
]);

export interface SourceErrorOptions extends ErrorOptions {
  /** How long the server asks to be left alone, in ms. @default null */
  readonly retryAfterMs?: number | null | undefined;
}

/** What a source gave before stays. The URL or path is not repeated: it may hold a key. */
export class SourceError extends ProxyWhirlError {
  declare readonly code: SourceErrorCode;
  readonly reason: SourceFault;
  /** How long the server asks to be left alone, in ms; null when it does not. The next load waits for it, an hour at most. */
  readonly retryAfterMs: number | null;

  /** @param detail a few words of our own */
  constructor(source: string, reason: SourceFault, detail: string, options?: SourceErrorOptions) {
    const code = unreadable.has(reason) ? 'PW_SOURCE_UNREADABLE' : 'PW_SOURCE_INVALID';
    super(code, `The source "${source}" ${messages[code]}: ${detail}.`, { source, reason }, options);
    this.reason = reason;
    this.retryAfterMs = options?.retryAfterMs ?? null;
  }
}
