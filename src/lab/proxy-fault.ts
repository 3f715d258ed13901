import { ProxyWhirlError } from '../errors.js';

/** Chance in [0, 1] that a request meets the fault. Default 1. */
interface Chance {
  readonly probability?: number;
}

/**
 * What a lab proxy does wrong, decided anew for each request (SOCKS5: for each connection).
 *
 * - `none`: serves.
 * - `dead`: its port is closed and refuses connections; open ones are reset. The port stays reserved for revival.
 * - `hang`: accepts and never answers.
 * - `reset`: TCP RST. `at: 'request'` (default) before anything is forwarded; `'response'` when the target's answer
 *   has arrived, so that the target did get the request.
 * - `close`: ends the connection instead of answering.
 * - `close-after-connect`: answers CONNECT with 200 and then ends; on a plain http target it just ends.
 * - `connect-status`: answers CONNECT with this status (default 502). Any 2xx without a body opens the tunnel
 *   (RFC 9110, 9.3.6), everything else ends. A plain http request gets the same as its response.
 * - `auth`: refuses whatever credentials (407; SOCKS5: authentication failure).
 * - `garbage`: answers with this many random bytes (default 512) that are not HTTP, and ends.
 * - `drip`: sends the head of its answer one byte every `everyMs` (default 50). Not for SOCKS5.
 * - `truncate`: cuts the answer after `afterBytes` of its body: half of it by default on plain http, 4096 inside a
 *   tunnel. `reset` cuts by RST instead of an orderly end.
 */
export type ProxyFault =
  | { readonly kind: 'none' }
  | { readonly kind: 'dead' }
  | ({ readonly kind: 'hang' } & Chance)
  | ({ readonly kind: 'reset'; readonly at?: 'request' | 'response' } & Chance)
  | ({ readonly kind: 'close' } & Chance)
  | ({ readonly kind: 'close-after-connect' } & Chance)
  | ({
      readonly kind: 'connect-status';
      readonly status?: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    } & Chance)
  | ({ readonly kind: 'auth' } & Chance)
  | ({ readonly kind: 'garbage'; readonly bytes?: number } & Chance)
  | ({ readonly kind: 'drip'; readonly everyMs?: number } & Chance)
  | ({ readonly kind: 'truncate'; readonly afterBytes?: number; readonly reset?: boolean } & Chance);

export type ProxyFaultKind = ProxyFault['kind'];

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
}

export const healthy: ResolvedBehaviour = { latencyMs: [0, 0], faults: [] };

/** Lays `change` over `current`. Throws `PW_LAB_UNAVAILABLE` for what this kind of proxy cannot do. */
export function resolveBehaviour(
  current: ResolvedBehaviour,
  change: ProxyBehaviour,
  kind: 'http' | 'https' | 'socks5',
): ResolvedBehaviour {
  const { latencyMs, fault } = change;
  const range = latencyMs === undefined ? current.latencyMs : toRange(latencyMs);
  const faults = fault === undefined ? current.faults : toList(fault);
  if (kind === 'socks5' && faults.some((f) => f.kind === 'drip')) {
    throw new ProxyWhirlError('PW_LAB_UNAVAILABLE', 'The fault "drip" needs a header, and SOCKS5 has none.', {
      kind,
    });
  }
  return { latencyMs: range, faults };
}

export function drawPlan(behaviour: ResolvedBehaviour, random: () => number): FaultPlan {
  const [min, max] = behaviour.latencyMs;
  const latencyMs = max > min ? min + random() * (max - min) : min;
  for (const fault of behaviour.faults) {
    const probability = 'probability' in fault ? (fault.probability ?? 1) : 1;
    // A certain fault draws nothing, so that adding one leaves the sequence of the others alone.
    if (probability >= 1 || random() < probability) return { latencyMs, fault };
  }
  return { latencyMs, fault: { kind: 'none' } };
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
