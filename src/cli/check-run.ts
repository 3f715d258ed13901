import type { Proxy } from '../core/proxy.js';
import type { ProbeResult } from '../health/probe.js';

/** One proxy and what its check has shown. */
export interface Checked {
  readonly proxy: Proxy;
  readonly result: ProbeResult;
}

export interface CheckRunParts {
  readonly proxies: AsyncIterable<Proxy>;
  readonly probe: (proxy: Proxy) => Promise<ProbeResult>;
  /** Checks at the same time. */
  readonly concurrency: number;
  /** Ends it; checks that it has cut off are no results. */
  readonly signal: AbortSignal;
  readonly onChecked: (checked: Checked) => void;
}

/** Checks all of them, and reads no further ahead than it checks: a list may be longer than memory. */
export async function runChecks({
  proxies,
  probe,
  concurrency,
  signal,
  onChecked,
}: CheckRunParts): Promise<void> {
  const left = proxies[Symbol.asyncIterator]();
  const lane = async (): Promise<void> => {
    for (let next = await left.next(); next.done !== true; next = await left.next()) {
      const proxy = next.value;
      const result = await probe(proxy);
      if (signal.aborted) return;
      onChecked({ proxy, result });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}
