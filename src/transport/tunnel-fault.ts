import type { Verdict } from '../core/outcome.js';
import type { TunnelFault, TunnelPhase } from './tunnel-error.js';

/** Ours: no route, no descriptors, no ports, a resolver that does not answer, a local firewall. */
const localCodes: ReadonlySet<string> = new Set([
  'EACCES',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EAI_AGAIN',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EPERM',
]);

/** The name does not exist, as getaddrinfo, c-ares and custom resolvers say it. */
const notFoundCodes: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EAI_NONAME', 'EAI_NODATA']);

/** A socket or TLS error of one phase -> whose fault. */
export function faultOfError(phase: TunnelPhase, cause: unknown): TunnelFault {
  const code = codeOf(cause);
  if (localCodes.has(code)) return { code: 'PW_LOCAL_NETWORK', verdict: 'local', detail: code, cause };
  // Inside the tunnel the target can have done it as well, and from here the two look the same.
  const verdict = phase === 'tls' ? 'ambiguous' : 'proxy';
  // Node has one code for a FIN and a RST in the middle of a TLS handshake; only the text differs.
  if (code === 'ECONNRESET' && /disconnected before secure/.test(messageOf(cause)))
    return { code: 'PW_PROXY_CLOSED', verdict, cause };
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED')
    return { code: 'PW_PROXY_RESET', verdict, cause };
  if (code === 'ETIMEDOUT') return { code: 'PW_PROXY_CONNECT_TIMEOUT', verdict, cause };
  if (phase === 'proxy-tls') return { code: 'PW_PROXY_TLS', verdict, detail: code, cause };
  if (phase === 'tls') return targetTlsFault(code, cause);
  return { code: 'PW_PROXY_REFUSED', verdict, detail: code, cause };
}

/**
 * Only who holds the target's end can have sent a certificate or an alert. Bytes that are no TLS may just as well be
 * the page of a proxy that answered 200 and opened nothing.
 */
function targetTlsFault(code: string, cause: unknown): TunnelFault {
  const noTls = code === 'EPROTO' || (code.startsWith('ERR_SSL_') && !code.includes('ALERT'));
  return { code: 'PW_TARGET_TLS', verdict: noTls ? 'ambiguous' : 'target', detail: code, cause };
}

/** A name that does not resolve; one that cannot be looked up at all is our own trouble. */
export function faultOfLookup(whose: 'proxy' | 'target', cause: unknown): TunnelFault {
  const code = codeOf(cause);
  if (!notFoundCodes.has(code)) return { code: 'PW_LOCAL_NETWORK', verdict: 'local', detail: code, cause };
  return whose === 'proxy'
    ? { code: 'PW_PROXY_NOT_FOUND', verdict: 'proxy', cause }
    : { code: 'PW_TARGET_NOT_FOUND', verdict: 'target', cause };
}

/**
 * The limit of a phase passed. A proxy that is silent after CONNECT may be waiting for a target that does not answer,
 * as one that says 504 is: then nobody can tell. One that began its answer and drips it has no such excuse, nor has
 * one that leaves a SOCKS greeting unanswered.
 */
export function faultOfSilence(phase: TunnelPhase, awaitsTarget: boolean): TunnelFault {
  if (phase === 'dns')
    return { code: 'PW_LOCAL_NETWORK', verdict: 'local', detail: 'no answer to a look-up' };
  return { code: 'PW_PROXY_CONNECT_TIMEOUT', verdict: awaitsTarget ? 'ambiguous' : 'proxy' };
}

/** The caller's deadline passed before the limit of the phase: how much of it was the proxy's, one cannot tell. */
export function faultOfDeadline(phase: TunnelPhase): TunnelFault {
  return { code: 'PW_TUNNEL_DEADLINE', verdict: phase === 'dns' ? 'local' : 'ambiguous' };
}

/**
 * What the SOCKS library says, as text: its reply codes have no other way out. "General failure" is how most servers
 * say that the target did not answer; not allowed, not supported and nonsense are the proxy's own.
 */
export function faultOfSocks(message: string): TunnelFault {
  if (/authentication failed|no accepted authentication/i.test(message))
    return { code: 'PW_PROXY_AUTH', verdict: 'auth' };
  const name = /rejected connection - \(?(\w+)/.exec(message)?.[1] ?? '';
  const reply = socksReplies[name];
  if (reply === undefined)
    return { code: 'PW_PROXY_BAD_RESPONSE', verdict: 'proxy', detail: 'no SOCKS reply' };
  const [socksReply, verdict] = reply;
  const code = verdict === 'auth' ? 'PW_PROXY_AUTH' : 'PW_PROXY_CONNECT_STATUS';
  return { code, verdict, socksReply, detail: `SOCKS reply ${socksReply}` };
}

/** Names of the library -> reply codes of RFC 1928 and SOCKS4. */
const socksReplies: Readonly<Record<string, readonly [code: number, verdict: Verdict]>> = {
  Failure: [1, 'ambiguous'],
  NotAllowed: [2, 'proxy'],
  NetworkUnreachable: [3, 'ambiguous'],
  HostUnreachable: [4, 'ambiguous'],
  ConnectionRefused: [5, 'ambiguous'],
  TTLExpired: [6, 'ambiguous'],
  CommandNotSupported: [7, 'proxy'],
  AddressNotSupported: [8, 'proxy'],
  Failed: [91, 'ambiguous'],
  Rejected: [92, 'auth'],
  RejectedIdent: [93, 'auth'],
};

/** The proxy answered CONNECT with a status that opens no tunnel. */
export function faultOfStatus(status: number, retryAfterMs: number | undefined): TunnelFault {
  const more = { proxyStatus: status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  if (status === 407 || status === 401) return { code: 'PW_PROXY_AUTH', verdict: 'auth', ...more };
  // The gateway statuses may tell the truth about the target.
  const verdict = status >= 502 && status <= 504 ? 'ambiguous' : 'proxy';
  return { code: 'PW_PROXY_CONNECT_STATUS', verdict, detail: `status ${status}`, ...more };
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : 'unknown';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}
