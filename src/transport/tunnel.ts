import type { LookupFunction, Socket } from 'node:net';
import { readHostField, urlHost } from '../core/host.js';
import type { Proxy } from '../core/proxy.js';
import { httpConnect } from './http-connect.js';
import { dialProxy, resolveName } from './proxy-dial.js';
import { secureSocket, type TlsSettings } from './secure-socket.js';
import { type SocksDestination, socksConnect } from './socks-connect.js';
import type { StopSignal } from './stop-signal.js';
import { TunnelAttempt } from './tunnel-attempt.js';
import type { Wire, WireMeter } from './wire-meter.js';

/** The most that each phase may take, in ms. */
export interface TunnelLimits {
  /** Each look-up, and TCP to the proxy. @default 5_000 */
  readonly connectMs: number;
  /** CONNECT or the SOCKS handshake; the proxy dials the target meanwhile. @default 10_000 */
  readonly handshakeMs: number;
  /** Each TLS handshake, with the proxy and with the target. @default 5_000 */
  readonly tlsMs: number;
}

const defaultTunnelLimits: TunnelLimits = Object.freeze({
  connectMs: 5_000,
  handshakeMs: 10_000,
  tlsMs: 5_000,
});

/** How to reach a proxy. */
export interface DialOptions {
  /** All phases together, in ms from now. @default 30_000 */
  readonly deadlineMs?: number | undefined;
  readonly signal?: StopSignal | undefined;
  readonly limits?: Partial<TunnelLimits> | undefined;
  /** TLS towards a proxy of protocol `https`. */
  readonly proxyTls?: TlsSettings | undefined;
  /** Resolves names, as `net.connect` takes it. @default dns.lookup */
  readonly lookup?: LookupFunction | undefined;
  /** Counts what the connection carries. @default nobody does */
  readonly meter?: WireMeter | undefined;
  /** For whom it is opened. @default no session */
  readonly sessionId?: string | undefined;
}

/** Options of {@link openTunnel}. */
export interface TunnelOptions extends DialOptions {
  readonly proxy: Proxy;
  /** Name or address of the target; an IPv6 address with or without brackets. */
  readonly host: string;
  readonly port: number;
  /** TLS with the target inside the tunnel; `{}` for the defaults. @default none */
  readonly tls?: TlsSettings | undefined;
}

/** What each phase took, in ms. Absent where there was nothing to do. */
export interface TunnelTimings {
  readonly dnsMs?: number;
  readonly connectMs: number;
  readonly proxyTlsMs?: number;
  readonly handshakeMs?: number;
  readonly tlsMs?: number;
}

/** A connection that is ready for its first request; it belongs to the caller, who ends it. */
export interface Tunnel {
  /** A TLSSocket where TLS was asked for. An error that nobody listens for ends the socket and nothing else. */
  readonly socket: Socket;
  readonly timings: TunnelTimings;
  /** Our own address on the way to the proxy. */
  readonly localAddress: string | undefined;
  /** What counts its bytes; null where nothing does. */
  readonly wire: Wire | null;
}

const defaultDeadlineMs = 30_000;

/**
 * Opens a tunnel to `host:port` through the proxy, by exactly one TCP connection. It ends within the deadline, however
 * the proxy drips or hangs, and leaves nothing open when it fails.
 * @throws TunnelError which says in what phase, and whose fault it was.
 */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { proxy, tls } = options;
  const attempt = new TunnelAttempt(proxy, options.deadlineMs ?? defaultDeadlineMs, options);
  const limits = { ...defaultTunnelLimits, ...options.limits };
  try {
    const target = checkTarget(attempt, options);
    const watch = new PhaseWatch();
    const destination = await resolveDestination(attempt, target, limits, options.lookup, watch);
    const below = await reachProxy(attempt, options, limits, watch);
    if (proxy.protocol === 'http' || proxy.protocol === 'https')
      await httpConnect(attempt, below, `${urlHost(target.host)}:${target.port}`, limits.handshakeMs);
    else await socksConnect(attempt, below, destination, limits.handshakeMs);
    watch.lap('handshakeMs');
    if (tls === undefined) return watch.tunnel(below, attempt.wire);
    const limitMs = limits.tlsMs;
    const socket = await secureSocket(attempt, 'tls', { below, host: target.host, limitMs, settings: tls });
    watch.lap('tlsMs');
    return watch.tunnel(socket, attempt.wire);
  } catch (error) {
    attempt.discard();
    throw error;
  }
}

/**
 * Opens a connection to an http or https proxy itself, for requests in absolute form. Same promises as
 * {@link openTunnel}.
 */
export async function openProxyConnection(options: DialOptions & { readonly proxy: Proxy }): Promise<Tunnel> {
  const attempt = new TunnelAttempt(options.proxy, options.deadlineMs ?? defaultDeadlineMs, options);
  const watch = new PhaseWatch();
  try {
    const socket = await reachProxy(attempt, options, { ...defaultTunnelLimits, ...options.limits }, watch);
    return watch.tunnel(socket, attempt.wire);
  } catch (error) {
    attempt.discard();
    throw error;
  }
}

/** Look-up, TCP, and TLS where the proxy wants it. */
async function reachProxy(
  attempt: TunnelAttempt,
  options: DialOptions,
  limits: TunnelLimits,
  watch: PhaseWatch,
): Promise<Socket> {
  const { host, port, protocol } = attempt.proxy;
  const { lookup, proxyTls: settings } = options;
  const limitMs = limits.connectMs;
  const addresses = await resolveName(attempt, { host, whose: 'proxy', limitMs, lookup });
  if (addresses[0]?.address !== host) watch.lap('dnsMs');
  watch.skip();
  const socket = await dialProxy(attempt, addresses, port, limitMs);
  watch.lap('connectMs');
  if (protocol !== 'https') return socket;
  const secure = await secureSocket(attempt, 'proxy-tls', {
    below: socket,
    host,
    limitMs: limits.tlsMs,
    settings,
  });
  watch.lap('proxyTlsMs');
  return secure;
}

/** The target in canonical form. Nothing else may come near the wire: a line break in it would be a header of ours. */
function checkTarget(attempt: TunnelAttempt, { host, port }: TunnelOptions): SocksDestination {
  const name = readHostField(host)?.name;
  if (name === undefined || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw attempt.error('connect', { code: 'PW_TARGET_INVALID', verdict: 'neutral' });
  return { host: name, port };
}

/** `socks4` and `socks5` take an address and leave the look-up to us; `socks4a` and `socks5h` take the name. */
async function resolveDestination(
  attempt: TunnelAttempt,
  target: SocksDestination,
  limits: TunnelLimits,
  lookup: LookupFunction | undefined,
  watch: PhaseWatch,
): Promise<SocksDestination> {
  const { protocol } = attempt.proxy;
  if (protocol !== 'socks4' && protocol !== 'socks5') return target;
  if (protocol === 'socks4' && target.host.includes(':'))
    throw attempt.error('connect', {
      code: 'PW_TARGET_INVALID',
      verdict: 'neutral',
      detail: 'SOCKS4 has no IPv6',
    });
  const [first] = await resolveName(attempt, {
    host: target.host,
    whose: 'target',
    ...(protocol === 'socks4' ? { family: 4 } : {}),
    limitMs: limits.connectMs,
    lookup,
  });
  if (first === undefined || first.address === target.host) return target;
  watch.lap('dnsMs');
  return { host: first.address, port: target.port };
}

/** Times the phases one after the other. */
class PhaseWatch {
  #at = performance.now();
  #timings: { -readonly [K in keyof TunnelTimings]: TunnelTimings[K] } = { connectMs: 0 };

  lap(phase: keyof TunnelTimings): void {
    const now = performance.now();
    this.#timings[phase] = (this.#timings[phase] ?? 0) + now - this.#at;
    this.#at = now;
  }

  /** What passed since the last lap belongs to no phase. */
  skip(): void {
    this.#at = performance.now();
  }

  tunnel(socket: Socket, wire: Wire | null): Tunnel {
    return {
      socket,
      timings: this.#timings,
      // The system is asked for it, and hardly anybody wants to know.
      get localAddress() {
        return socket.localAddress;
      },
      wire,
    };
  }
}
