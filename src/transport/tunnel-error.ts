import type { Verdict } from '../core/outcome.js';
import type { Proxy } from '../core/proxy.js';
import { ProxyWhirlError } from '../errors.js';

/** Where an attempt to open a tunnel was when it ended. */
export type TunnelPhase =
  /** Resolving the name of the proxy, or that of the target where the protocol wants its address. */
  | 'dns'
  /** TCP to the proxy. */
  | 'connect'
  /** TLS to the proxy. */
  | 'proxy-tls'
  /** CONNECT, or SOCKS. */
  | 'handshake'
  /** TLS to the target, inside the tunnel. */
  | 'tls';

/** What is said of each code; the sentence goes on with the phase. */
const messages = {
  PW_PROXY_NOT_FOUND: 'The name of the proxy does not resolve',
  PW_PROXY_REFUSED: 'The proxy refused the connection',
  PW_PROXY_CONNECT_TIMEOUT: 'The time limit of the phase passed',
  PW_PROXY_RESET: 'The connection was reset',
  PW_PROXY_CLOSED: 'The connection was closed',
  PW_PROXY_AUTH: 'The proxy refused the credentials, or asks for some',
  PW_PROXY_CONNECT_STATUS: 'The proxy refused to open the tunnel',
  PW_PROXY_BAD_RESPONSE: 'The proxy answered with something that is not its protocol',
  PW_PROXY_TLS: 'TLS with the proxy failed',
  PW_TARGET_TLS: 'TLS with the target failed',
  PW_TARGET_NOT_FOUND: 'The name of the target does not resolve',
  PW_TARGET_INVALID: 'The target is no host and port that this proxy can be asked for',
  PW_TUNNEL_DEADLINE: 'The deadline passed',
  PW_TUNNEL_ABORTED: 'The attempt was aborted',
  PW_LOCAL_NETWORK: 'Our own machine or network failed',
} as const;

/** The codes that a tunnel fails with. */
export type TunnelErrorCode = keyof typeof messages;

/** What went wrong and whose fault it was. */
export interface TunnelFault {
  readonly code: TunnelErrorCode;
  readonly verdict: Verdict;
  /** HTTP status that the proxy answered CONNECT with. */
  readonly proxyStatus?: number;
  /** Reply code of SOCKS4 (90 to 93) or SOCKS5 (0 to 8). */
  readonly socksReply?: number;
  /** How long the proxy asked us to stay away, in ms. */
  readonly retryAfterMs?: number;
  /** A few words of our own; nothing that the proxy said is repeated. */
  readonly detail?: string;
  readonly cause?: unknown;
}

/**
 * No tunnel. Nothing of the request was written yet, so that any method may be tried again on another proxy.
 * Neither message nor data repeats what the proxy said: a hostile one could echo the credentials.
 */
export class TunnelError extends ProxyWhirlError {
  declare readonly code: TunnelErrorCode;
  readonly proxyId: string;
  readonly phase: TunnelPhase;
  readonly verdict: Verdict;
  /** HTTP status that the proxy answered CONNECT with; `status` is that of our own HTTP answer. */
  readonly proxyStatus: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly written = false;

  constructor(proxy: Pick<Proxy, 'id' | 'url'>, phase: TunnelPhase, fault: TunnelFault) {
    const { code, verdict, proxyStatus, socksReply, retryAfterMs, detail, cause } = fault;
    super(
      code,
      `${messages[code]}${detail === undefined ? '' : ` (${detail})`}: ${proxy.url}, phase ${phase}.`,
      {
        proxyId: proxy.id,
        phase,
        verdict,
        written: false,
        ...(proxyStatus === undefined ? {} : { status: proxyStatus }),
        ...(socksReply === undefined ? {} : { socksReply }),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      },
      cause === undefined ? undefined : { cause },
    );
    this.proxyId = proxy.id;
    this.phase = phase;
    this.verdict = verdict;
    this.proxyStatus = proxyStatus;
    this.retryAfterMs = retryAfterMs;
  }
}
