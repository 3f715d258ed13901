import { parseProxy } from '../core/parse.js';
import type { Proxy } from '../core/proxy.js';
import { readSourceOptions, type Source, type SourceOptions, withSourceData } from './source.js';

/**
 * Proxies that are there already.
 * @throws ProxyParseError, OptionsError
 */
export function list(entries: readonly (string | Proxy)[], options: SourceOptions = {}): Source {
  const settings = readSourceOptions('list', options, {});
  const name = options.name ?? 'list';
  const proxies = entries.map((entry) =>
    withSourceData(typeof entry === 'string' ? parseProxy(entry) : entry, name, settings),
  );
  const unique = [...new Map(proxies.map((proxy) => [proxy.id, proxy])).values()];
  const batch = { changed: true, proxies: unique, rejected: [], rejectedCount: 0, validator: null } as const;
  return { name, settings, load: async () => batch };
}
