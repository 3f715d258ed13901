import { createProxy, type Proxy, type ProxyMetadata } from '../../src/core/proxy.js';
import type { Rotator } from '../../src/core/rotator.js';
import type { Candidate, Strategy } from '../../src/strategies/strategy.js';

/** A proxy of which something is said besides its address. */
export function placed(index: number, metadata: ProxyMetadata): Proxy {
  return createProxy({ host: `192.0.2.${index + 1}`, port: 8000, ...metadata });
}

/** Gives a proxy successes of a latency, and as many faults, never two in a row; past the strategy. */
export function teach(
  rotator: Rotator,
  id: string,
  lesson: { ok: number; latencyMs?: number; bad?: number },
): void {
  const { ok, bad = 0, latencyMs = 100 } = lesson;
  for (let i = 0; i < Math.max(ok, bad); i++) {
    if (i < bad) rotator.acquireCarrier(id)?.fail({ verdict: 'proxy' });
    if (i < ok) rotator.acquireCarrier(id)?.succeed({ latencyMs });
  }
}

/** A host bans a proxy. */
export function ban(rotator: Rotator, id: string, host: string, retryAfterMs?: number): void {
  rotator.acquireCarrier(id, { host })?.settle({
    verdict: 'banned',
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** Takes the first candidate, and remembers who the candidates of the last choice were. */
export function witness(): Strategy & { readonly seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    name: 'witness',
    choose(candidates) {
      const all: Candidate[] = [...candidates];
      seen.splice(0, seen.length, ...all.map(({ proxy }) => proxy.id).sort());
      return all[0];
    },
  };
}
