import { ProxyWhirlError } from '../errors.js';

/** Chance in [0, 1] that a request meets the fault. Default 1. */
interface Chance {
  readonly probability?: number;
}

export type LabProxyKind = 'http' | 'https' | 'socks4' | 'socks4a' | 'socks5';

/**
 * What a lab proxy does wrong, decided anew for each request (SOCKS, and everything `at: 'accept'`: for each
 * connection).
 *
 * - `none`: serves.
 * - `dead`: its port is closed and refuses connections; open ones are reset. The port stays reserved for revival.
 * - `hang`: accepts and never answers: its request (default), or `at: 'accept'` not even the TLS handshake.
 * - `reset`: TCP RST. `at: 'request'` (default) before anything is forwarded; `'accept'` before a byte is read;
 *   `'tunnel'` after CONNECT was answered with 200; `'response'` when the target's answer has arrived, so that the
 *   target did get the request.
 * - `close`: ends the connection instead of answering, or `at: 'accept'`.
 * - `close-after-connect`: answers CONNECT with 200 and then ends; on a plain http target it just ends.
 * - `connect-status`: answers CONNECT with this status (default 502). Any 2xx without a body opens the tunnel
 *   (RFC 9110, 9.3.6), everything else ends. A plain http request gets the same as its response.
 * - `interim`: sends these 1xx answers (default 100 and 103) and then serves.
 * - `auth`: refuses whatever credentials (407; SOCKS: authentication failure).
 * - `portal`: a captive portal. CONNECT gets 302 to its login page; so does a plain http request, or, without
 *   `redirect` (default true), 200 and the page at once.
 * - `garbage`: answers with this many random bytes (default 512) that are not HTTP, and ends.
 * - `tls-alert`: answers with a fatal TLS alert (an https proxy: to the handshake), and ends.
 * - `http-0.9`: answers with HTML without a head, and ends.
 * - `header-flood`: answers 200 with so many `headers` (default 1) of together `bytes` (default 32,768), and ends.
 * - `drip`: sends the head of its answer one byte every `everyMs` (default 50); `part: 'body'` the body, or all that
 *   comes out of a tunnel. SOCKS has no head.
 * - `truncate`: cuts the answer after `afterBytes` of its body: half of it by default on plain http, 4096 inside a
 *   tunnel. `reset` cuts by RST instead of an orderly end.
 * - `intercept`: breaks tunnels open: serves the target's name with a certificate of its own CA (`interceptCaPem`),
 *   and passes on what it reads. Tunnels only, and only to targets that speak TLS.
 * - `cert-expired`, `cert-self-signed`, `cert-wrong-name`: presents such a certificate, and serves who takes it.
 * - `tls-1.0`: speaks no newer version of TLS.
 */
export type ProxyFault =
  | { readonly kind: 'none' }
  | { readonly kind: 'dead' }
  | ({ readonly kind: 'hang'; readonly at?: 'accept' | 'request' } & Chance)
  | ({ readonly kind: 'reset'; readonly at?: 'accept' | 'request' | 'tunnel' | 'response' } & Chance)
  | ({ readonly kind: 'close'; readonly at?: 'accept' | 'request' } & Chance)
  | ({ readonly kind: 'close-after-connect' } & Chance)
  | ({
      readonly kind: 'connect-status';
      readonly status?: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    } & Chance)
  | ({ readonly kind: 'interim'; readonly statuses?: readonly number[] } & Chance)
  | ({ readonly kind: 'auth' } & Chance)
  | ({ readonly kind: 'portal'; readonly redirect?: boolean } & Chance)
  | ({ readonly kind: 'garbage'; readonly bytes?: number } & Chance)
  | ({ readonly kind: 'tls-alert' } & Chance)
  | ({ readonly kind: 'http-0.9' } & Chance)
  | ({ readonly kind: 'header-flood'; readonly headers?: number; readonly bytes?: number } & Chance)
  | ({ readonly kind: 'drip'; readonly everyMs?: number; readonly part?: 'head' | 'body' } & Chance)
  | ({ readonly kind: 'truncate'; readonly afterBytes?: number; readonly reset?: boolean } & Chance)
  | ({ readonly kind: 'intercept' } & Chance)
  | ({ readonly kind: 'cert-expired' | 'cert-self-signed' | 'cert-wrong-name' | 'tls-1.0' } & Chance);

export type ProxyFaultKind = ProxyFault['kind'];

const any: readonly LabProxyKind[] = ['http', 'https', 'socks4', 'socks4a', 'socks5'];
const overHttp: readonly LabProxyKind[] = ['http', 'https'];
const overTls: readonly LabProxyKind[] = ['https'];

/** Which kinds of proxy can have which fault. */
export const kindsWithFault: Readonly<Record<ProxyFaultKind, readonly LabProxyKind[]>> = {
  none: any,
  dead: any,
  hang: any,
  reset: any,
  close: any,
  'close-after-connect': any,
  'connect-status': any,
  interim: overHttp,
  auth: any,
  portal: overHttp,
  garbage: any,
  'tls-alert': any,
  'http-0.9': overHttp,
  'header-flood': overHttp,
  drip: any,
  truncate: any,
  intercept: any,
  'cert-expired': overTls,
  'cert-self-signed': overTls,
  'cert-wrong-name': overTls,
  'tls-1.0': overTls,
};

/** How a lab proxy behaves; what a call of `behave()` leaves out stays as it was. */
export interface ProxyBehaviour {
  /** Delay before the head of every answer, in ms; a pair is drawn from evenly. Default 0. */
  readonly latencyMs?: number | readonly [min: number, max: number];
  /** A fault or just its kind; of several, the first whose `probability` hits is met. Default `'none'`. */
  readonly fault?: ProxyFault | ProxyFaultKind | readonly (ProxyFault | ProxyFaultKind)[];
}

/** The two draws for one request. */
export interface FaultPlan {
  readonly latencyMs: number;
  readonly fault: ProxyFault;
}

/** A behaviour that was checked, ready to draw from. */
export interface ResolvedBehaviour {
  readonly latencyMs: readonly [min: number, max: number];
  readonly faults: readonly ProxyFault[];
  /** Those that strike before a request. */
  readonly atAccept: readonly ProxyFault[];
}

export const healthy: ResolvedBehaviour = { latencyMs: [0, 0], faults: [], atAccept: [] };

/** Lays `change` over `current`. Throws `PW_LAB_UNAVAILABLE` for what this kind of proxy cannot do. */
export function resolveBehaviour(
  current: ResolvedBehaviour,
  change: ProxyBehaviour,
  kind: LabProxyKind,
): ResolvedBehaviour {
  const { latencyMs, fault } = change;
  const range = latencyMs === undefined ? current.latencyMs : toRange(latencyMs);
  if (fault === undefined) return { ...current, latencyMs: range };
  const all = toList(fault);
  const wrong = all.find((f) => !kindsWithFault[f.kind].includes(kind) || (isHeadDrip(f) && isSocks(kind)));
  if (wrong !== undefined) {
    const message = `The fault "${wrong.kind}" is none that a proxy of kind "${kind}" can have.`;
    throw new ProxyWhirlError('PW_LAB_UNAVAILABLE', message, { kind, fault: wrong.kind });
  }
  const early = (f: ProxyFault): boolean => strikesAtAccept(f, kind);
  return { latencyMs: range, faults: all.filter((f) => !early(f)), atAccept: all.filter(early) };
}

export function isSocks(kind: LabProxyKind): boolean {
  return kind.startsWith('socks');
}

function isHeadDrip(fault: ProxyFault): boolean {
  return fault.kind === 'drip' && fault.part !== 'body';
}

function strikesAtAccept(fault: ProxyFault, kind: LabProxyKind): boolean {
  if ('at' in fault && fault.at === 'accept') return true;
  if (fault.kind === 'tls-alert') return kind === 'https';
  return /^(cert-|tls-1)/.test(fault.kind);
}

/** The two draws for one request. */
export function drawPlan(behaviour: ResolvedBehaviour, random: () => number): FaultPlan {
  const [min, max] = behaviour.latencyMs;
  const latencyMs = max > min ? min + random() * (max - min) : min;
  return { latencyMs, fault: drawFault(behaviour.faults, random) };
}

/** The first that hits. A certain fault draws nothing, so that adding one leaves the sequence of the others alone. */
export function drawFault(faults: readonly ProxyFault[], random: () => number): ProxyFault {
  for (const fault of faults) {
    const probability = 'probability' in fault ? (fault.probability ?? 1) : 1;
    if (probability >= 1 || random() < probability) return fault;
  }
  return { kind: 'none' };
}

function toRange(latencyMs: number | readonly [number, number]): readonly [number, number] {
  return typeof latencyMs === 'number' ? [latencyMs, latencyMs] : latencyMs;
}

function toList(fault: NonNullable<ProxyBehaviour['fault']>): readonly ProxyFault[] {
  const list: readonly (ProxyFault | ProxyFaultKind)[] = isList(fault) ? fault : [fault];
  return list.map((entry) => (typeof entry === 'string' ? { kind: entry } : entry));
}

function isList(
  fault: NonNullable<ProxyBehaviour['fault']>,
): fault is readonly (ProxyFault | ProxyFaultKind)[] {
  return Array.isArray(fault);
}
