import type { Clock, Timers } from '../core/clock.js';
import { parseProxy } from '../core/parse.js';
import type { Proxy } from '../core/proxy.js';
import { Deadline } from '../transport/deadline.js';
import { nodeTimers } from '../transport/node-timers.js';
import {
  isCount,
  readSourceOptions,
  type Source,
  type SourceBatch,
  type SourceOptions,
  withSourceData,
} from './source.js';
import { SourceError } from './source-error.js';

/** Gives all proxies that there are now; null: they are what they were. Its signal tells when nobody waits any more. */
export type LoadProxies = (
  signal: AbortSignal,
) => Promise<Iterable<string | Proxy> | null> | Iterable<string | Proxy> | null;

export interface CustomSourceOptions extends Omit<SourceOptions, 'name'> {
  /** A load that takes longer has failed, in ms. @default 60_000 */
  readonly timeoutMs?: number | undefined;
}

/**
 * A source of your own: a database, the API of a vendor.
 *
 * @example
 * custom('vendor', async (signal) => (await vendor.listProxies({ signal })).map(({ url }) => url))
 * @throws OptionsError
 */
export function custom(
  name: string,
  load: LoadProxies,
  options: CustomSourceOptions = {},
  parts: { readonly clock?: Clock; readonly timers?: Timers } = {},
): Source {
  const settings = readSourceOptions('custom', { ...options, name } as SourceOptions, {
    timeoutMs: [isCount(1), 'must be a whole number of 1 or more'],
  });
  const { timeoutMs = 60_000 } = options;
  const { clock = performance, timers = nodeTimers } = parts;
  return {
    name,
    settings,
    async load({ signal }) {
      const deadline = new Deadline(clock, timeoutMs, signal, timers);
      try {
        // In a promise of its own: it may throw at once.
        const loading = Promise.resolve().then(() => load(deadline.signal));
        return toBatch(await deadline.race(loading, () => {}));
      } catch (cause) {
        if (deadline.reason === 'deadline')
          throw new SourceError(name, 'timeout', `not done within ${timeoutMs} ms`, { cause });
        if (cause instanceof SourceError) throw cause;
        const reason = deadline.reason ?? 'failed';
        throw new SourceError(name, reason === 'aborted' ? reason : 'failed', 'its function threw', {
          cause,
        });
      } finally {
        deadline.end();
      }
    },
  };

  function toBatch(entries: Iterable<string | Proxy> | null): SourceBatch {
    if (entries === null) return { changed: false };
    const proxies = new Map<string, Proxy>();
    for (const entry of entries) {
      const proxy = withSourceData(typeof entry === 'string' ? parseProxy(entry) : entry, name, settings);
      proxies.set(proxy.id, proxy);
    }
    if (proxies.size === 0) throw new SourceError(name, 'empty', 'it is empty');
    return { changed: true, proxies: [...proxies.values()], rejected: [], rejectedCount: 0, validator: null };
  }
}
