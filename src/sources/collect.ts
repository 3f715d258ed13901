import type { Proxy } from '../core/proxy.js';
import { ProxyListError, type RejectedLine } from '../errors.js';
import type { ProxyListFormat } from './formats.js';
import { type ImportInput, importProxies } from './import.js';
import { type SourceSettings, withSourceData } from './source.js';
import { SourceError } from './source-error.js';

const KEPT_REJECTED = 100;

/** What a source reads its list with. */
export interface CollectOptions {
  readonly name: string;
  readonly settings: SourceSettings;
  readonly format: ProxyListFormat;
  readonly maxProxies: number;
  readonly signal: AbortSignal;
}

export interface Collected {
  readonly proxies: readonly Proxy[];
  readonly rejected: readonly RejectedLine[];
  readonly rejectedCount: number;
}

/**
 * The proxies of a whole list, each once.
 * @throws SourceError `too-large`, `empty`, `no-proxies`: a list is taken as a whole or not at all, since the rest of
 * one that was cut would look as if it had vanished
 */
export async function collectList(input: ImportInput, options: CollectOptions): Promise<Collected> {
  const { name, settings, format, maxProxies, signal } = options;
  const proxies = new Map<string, Proxy>();
  const rejected: RejectedLine[] = [];
  let rejectedCount = 0;
  try {
    for await (const batch of importProxies(input, { format, signal })) {
      for (const proxy of batch.proxies)
        if (!proxies.has(proxy.id)) proxies.set(proxy.id, withSourceData(proxy, name, settings));
      rejectedCount += batch.rejected.length;
      rejected.push(...batch.rejected.slice(0, KEPT_REJECTED - rejected.length));
      if (proxies.size > maxProxies)
        throw new SourceError(name, 'too-large', `more than ${maxProxies} proxies`);
      // A page of words makes as many rejected lines as a list has proxies.
      if (rejectedCount > 2 * maxProxies) throw new SourceError(name, 'too-large', 'too many lines');
    }
  } catch (error) {
    if (error instanceof ProxyListError)
      throw new SourceError(name, 'too-large', 'a page or record is too long', { cause: error });
    throw error;
  }
  if (proxies.size === 0) {
    if (rejectedCount === 0) throw new SourceError(name, 'empty', 'it is empty');
    throw new SourceError(name, 'no-proxies', 'nothing in it is a proxy');
  }
  return { proxies: [...proxies.values()], rejected, rejectedCount };
}
