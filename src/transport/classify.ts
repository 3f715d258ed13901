import type { Verdict } from '../core/outcome.js';
import type { BlockFinding } from './block-page.js';
import { TunnelError } from './tunnel-error.js';

/** How far an attempt had come when it ended. */
export type Phase =
  /** Nothing was sent yet. */
  | 'start'
  /** A request was on its way, no answer yet. */
  | 'navigation'
  /** An answer came; it was not yet handed to the user's code. */
  | 'answered'
  /** The user's code was running. */
  | 'handler';

/** What was seen of one attempt that went through a proxy. */
export interface Evidence {
  readonly phase: Phase;
  /** Whether the target is reached in the clear: then a proxy can forge any status. */
  readonly plainHttp: boolean;
  readonly error?: unknown;
  /** HTTP status of the answer, where it is known. */
  readonly status?: number;
  /** What the answer was found to be, where it was looked at: it tells more than the status. */
  readonly finding?: Pick<BlockFinding, 'blocked' | 'proxySpoke'>;
}

type Rule = readonly [pattern: RegExp, verdict: Verdict];

/**
 * First match wins. The texts are those of Node's sockets and TLS, got-scraping, http2-wrapper, Crawlee's errors
 * and Chromium's net:: codes; they were collected by running each fault against each client.
 */
const RULES: readonly Rule[] = [
  // The proxy says so itself.
  [/\b407\b.*\bproxy\b|\bproxy\b.*\b407\b|proxy authentication|ERR_PROXY_AUTH/i, 'auth'],
  // CONNECT answered 502-504: the proxy may be broken, or tell the truth about the target.
  [
    /proxy (?:server )?(?:responded with|rejected the request with status code|response \() ?\(?50[234]/i,
    'ambiguous',
  ],
  [/proxy (?:server )?(?:responded with|rejected the request with status code|response \()/i, 'proxy'],
  // Crawlee found the page blocked, by status or by what it looks like.
  [/request blocked - received|blocked (?:by )?status code|found selectors|challenge failed/i, 'banned'],
  // Ours: no network, no descriptors, no resolver, or a client that cannot speak the proxy's protocol.
  [/EAI_AGAIN|EMFILE|ENFILE|ENOBUFS|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|ERR_INTERNET_DISCONNECTED/, 'local'],
  [
    /ERR_NETWORK_CHANGED|ERR_INSUFFICIENT_RESOURCES|proxy url protocol .* not supported|ERR_NO_SUPPORTED_PROXIES/i,
    'local',
  ],
  // Through a proxy the client dials nobody but the proxy.
  [
    /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|connect ETIMEDOUT|ERR_PROXY_CONNECTION_FAILED|ERR_SOCKS_|ERR_PROXY_CERTIFICATE/,
    'proxy',
  ],
  // Nobody's: torn down, or not a page.
  [
    /ERR_ABORTED|has been closed|target closed|download is starting|served content-type|AbortError/i,
    'neutral',
  ],
  // The proxy or the target broke off, stayed silent or talked nonsense; from here they look the same.
  [
    /ECONNRESET|EPIPE|ETIMEDOUT|UND_ERR_SOCKET|socket hang up|HPE_|socket disconnected|timed? ?out|ERR_EMPTY_RESPONSE/i,
    'ambiguous',
  ],
  [
    /ERR_CONNECTION_|ERR_TUNNEL_CONNECTION_FAILED|ERR_TIMED_OUT|ERR_INVALID_HTTP_RESPONSE|ERR_HTTP2|ERR_SSL|ERR_CERT|ERR_UNEXPECTED_PROXY_AUTH/,
    'ambiguous',
  ],
  [/EPROTO|certificate|wrong version number|ERR_RESPONSE_HEADERS|Parse Error/i, 'ambiguous'],
];

/** Statuses with which a site says that it does not want this client. */
const BANNED: ReadonlySet<number> = new Set([401, 403, 429]);

/** Whose fault was it? */
export function classify(evidence: Evidence): Verdict {
  const { phase, error, status } = evidence;
  if (error === undefined) {
    // Without an answer there is nothing to learn, such as from a request that skips its navigation.
    return phase === 'start' || phase === 'navigation' ? 'neutral' : ofAnswer(status, evidence);
  }
  // An error of the user's own code says nothing, unless it is thrown to say "this session is burnt".
  if (phase === 'handler') return nameOf(error) === 'SessionError' ? 'banned' : 'neutral';
  if (status !== undefined && isProxyPage(status, evidence.plainHttp)) return ofAnswer(status, evidence);
  const text = textOf(error);
  const refused = Number(
    /\b(?:request blocked - received|blocked (?:by )?status code:?) (\d{3})\b/i.exec(text)?.[1],
  );
  // The client goes by the status alone. One that it was told to refuse on top of the usual is the user's word.
  if (evidence.finding !== undefined && BANNED.has(refused)) return ofAnswer(refused, evidence);
  const serverError = /^(5\d\d) - /m.exec(text);
  if (serverError !== null) return ofAnswer(Number(serverError[1]), evidence);
  const verdict = RULES.find(([pattern]) => pattern.test(text))?.[1];
  if (phase === 'answered') {
    // The head came through: the body may still break off, but a connection that was refused or a time limit that
    // passed since then is that of a hook or a handler.
    if (/requestHandler timed out/.test(text)) return 'neutral';
    return verdict === 'banned' || verdict === 'ambiguous' ? verdict : 'neutral';
  }
  const tunnel = tunnelErrorIn(error);
  if (tunnel !== undefined) return tunnel.verdict;
  if (verdict !== undefined) return verdict;
  return phase === 'start' ? 'local' : 'ambiguous';
}

/**
 * Whether the proxy is not there at all: it refuses the connection, or its name does not exist. Two in a row tell
 * enough. A resolver that does not answer is our own trouble.
 */
export function isHardFault(error: unknown): boolean {
  const tunnel = tunnelErrorIn(error);
  if (tunnel === undefined) return /ECONNREFUSED|ENOTFOUND|ERR_PROXY_CONNECTION_FAILED/.test(textOf(error));
  if (tunnel.code === 'PW_PROXY_NOT_FOUND') return true;
  return tunnel.code === 'PW_PROXY_REFUSED' && /ECONNREFUSED/.test(textOf(tunnel.cause));
}

/** Over plain http a proxy can forge any status; 590 to 599 is what forward proxies answer in place of a target. */
function ofAnswer(status: number | undefined, { plainHttp, finding }: Evidence): Verdict {
  if (finding?.blocked === true) return 'banned';
  if (status === undefined) return 'success';
  if (status === 407 || status === 597) return plainHttp ? 'auth' : 'target';
  if (finding?.proxySpoke === true && status >= 400) return 'ambiguous';
  // A login that is missing, or a right: the proxy brought what the target says to everybody.
  if (BANNED.has(status)) return finding === undefined ? 'banned' : 'success';
  if (status < 500) return 'success';
  return plainHttp ? 'ambiguous' : 'target';
}

/**
 * Crawlee refused an answer for its content type. Over plain http it can be the target's file or the proxy's own
 * error page; the answer that another proxy brings tells which.
 */
export function isUnexpectedContent(error: unknown): boolean {
  return /served Content-Type/.test(textOf(error));
}

/** Whether an answer over plain http is the proxy's own error page rather than the target's. */
export function isProxyPage(status: number, plainHttp: boolean): boolean {
  return plainHttp && (status === 407 || (status >= 590 && status <= 599));
}

const ESCAPE = String.fromCharCode(27);
/** Browsers name the page that failed, and a page may be called anything, such as `/errors/ECONNREFUSED`. */
const PAGE_URL = /\bhttps?:\/\/\S+/gi;
const MAX_CAUSES = 5;
const MAX_TEXT = 2_000;

/** Names, codes and messages of an error and its causes; the rules look for what they know in it. */
function textOf(error: unknown): string {
  const parts: string[] = [];
  let at: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && typeof at === 'object' && at !== null; depth++) {
    const { code, message, cause } = at as { code?: unknown; message?: unknown; cause?: unknown };
    parts.push(nameOf(at), String(code ?? ''), String(message ?? ''));
    at = cause;
  }
  if (typeof error !== 'object') parts.push(String(error));
  return parts
    .map((part) => part.slice(0, MAX_TEXT).replaceAll(ESCAPE, '').replaceAll(PAGE_URL, ''))
    .join('\n');
}

/** The first of ours among an error and its causes. */
function tunnelErrorIn(error: unknown): TunnelError | undefined {
  let at = error;
  for (let depth = 0; depth < MAX_CAUSES && typeof at === 'object' && at !== null; depth++) {
    if (at instanceof TunnelError) return at;
    at = (at as { cause?: unknown }).cause;
  }
  return undefined;
}

/** Libraries that wrap errors often leave `name` at "Error": the class tells more. */
function nameOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { name } = error as { name?: unknown };
  return typeof name === 'string' && name !== '' && name !== 'Error' ? name : (error.constructor?.name ?? '');
}
