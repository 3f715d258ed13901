import type { ProxyGeo } from '../core/geo.js';
import { createProxy, type Proxy, withMetadata } from '../core/proxy.js';
import { type OptionIssue, OptionsError, type RejectedLine } from '../errors.js';

/** Where proxies come from. Write one with `custom()`. */
export interface Source {
  readonly name: string;
  readonly settings: SourceSettings;
  /** Another one means another list, although the name is the same: nothing that an earlier run knew of it holds. */
  readonly fingerprint?: string;
  /**
   * Reads the whole list.
   * @throws SourceError and whatever a custom source throws; the proxies that it gave before stay then
   */
  load(context: SourceContext): Promise<SourceBatch>;
  /** Calls back when there is something new to load; the function that comes back ends that. */
  watch?(onChange: () => void): () => void;
}

export interface SourceContext {
  /** Aborted when nobody waits for the list any more. */
  readonly signal: AbortSignal;
  /** That of the list which is in force; null when there is none yet. */
  readonly validator: SourceValidator | null;
}

/** What tells one state of a list from another: `etag` and `lastModified` of HTTP, a `stamp` of a file. Plain JSON. */
export type SourceValidator = Readonly<Record<string, string>>;

export type SourceBatch =
  | {
      readonly changed: true;
      /** Each id once. */
      readonly proxies: readonly Proxy[];
      /** The first hundred. */
      readonly rejected: readonly RejectedLine[];
      readonly rejectedCount: number;
      readonly validator: SourceValidator | null;
    }
  /** The list is what it was. */
  | { readonly changed: false };

/** What becomes of a proxy that its source does not name any more. */
export type VanishedPolicy = 'keep' | 'drain' | 'remove';

export interface SourceOptions {
  /** Shown in events and kept with each proxy as its `source`. @default the host of a URL, the name of a file, or `list` */
  readonly name?: string | undefined;
  /**
   * From one load to the next in seconds, 1 or more; each is up to a fifth shorter or longer. Null: it is loaded once,
   * and when it is watched and changes.
   * @default 900 for a URL, else null
   */
  readonly intervalSeconds?: number | null | undefined;
  /**
   * How long a proxy stays that the list does not name any more, in seconds, 0 or more; counted from the first list
   * without it. A source that fails takes nothing away.
   * @default 3600 for a URL, else 0
   */
  readonly ttlSeconds?: number | undefined;
  /** What becomes of it then. @default 'remove' */
  readonly vanished?: VanishedPolicy | undefined;
  /** Put on each proxy, before its own. @default [] */
  readonly tags?: readonly string[] | undefined;
  /** Of each proxy that the list gives none. */
  readonly geo?: ProxyGeo | undefined;
  /** Of each proxy that the list gives none. */
  readonly cost?: number | undefined;
}

/** {@link SourceOptions} with their defaults filled in. */
export interface SourceSettings {
  readonly intervalSeconds: number | null;
  readonly ttlSeconds: number;
  readonly vanished: VanishedPolicy;
  readonly tags: readonly string[];
  readonly geo: ProxyGeo | undefined;
  readonly cost: number | undefined;
}

/** Name -> whether a value keeps its rule, and the rule in words. */
export type OptionRules = Readonly<Record<string, readonly [(value: unknown) => boolean, string]>>;

export function isCount(least: number): (value: unknown) => boolean {
  return (value) => Number.isSafeInteger(value) && (value as number) >= least;
}

const shared: OptionRules = {
  name: [
    (value) => typeof value === 'string' && /^[\w .:-]{1,64}$/.test(value),
    'must be 1 to 64 letters, digits, spaces and _ . : -',
  ],
  intervalSeconds: [
    (value) => value === null || isCount(1)(value),
    'must be a whole number of 1 or more, or null',
  ],
  ttlSeconds: [isCount(0), 'must be a whole number of 0 or more'],
  vanished: [(value) => ['keep', 'drain', 'remove'].includes(String(value)), 'must be keep, drain or remove'],
  // The proxies check these three when they get them, below.
  tags: [() => true, ''],
  geo: [() => true, ''],
  cost: [() => true, ''],
};

/** For a list that its owner keeps: it is loaded when it changes, and what it says holds at once. */
const once = { intervalSeconds: null, ttlSeconds: 0 };
const anyProxy = createProxy({ host: '192.0.2.1', port: 80 });

/**
 * The settings of a source, all rules kept.
 * @param kind shown in the path of an issue: `url.timeoutMs`
 * @throws OptionsError that names each option which is unknown or breaks its rule, and no value
 */
export function readSourceOptions(
  kind: string,
  options: SourceOptions,
  rules: OptionRules,
  defaults: Pick<SourceSettings, 'intervalSeconds' | 'ttlSeconds'> = once,
): SourceSettings {
  const issues: OptionIssue[] = [];
  const all = { ...shared, ...rules };
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(all, name) ? all[name] : undefined;
    if (rule === undefined) issues.push({ path: `${kind}.${name}`, rule: 'is no option of this source' });
    else if (value !== undefined && !rule[0](value)) issues.push({ path: `${kind}.${name}`, rule: rule[1] });
  }
  if (issues.length > 0) throw new OptionsError(issues);
  const settings = {
    intervalSeconds:
      options.intervalSeconds === undefined ? defaults.intervalSeconds : options.intervalSeconds,
    ttlSeconds: options.ttlSeconds ?? defaults.ttlSeconds,
    vanished: options.vanished ?? 'remove',
    tags: options.tags ?? [],
    geo: options.geo,
    cost: options.cost,
  };
  withSourceData(anyProxy, kind, settings);
  return settings;
}

/** The proxy with the name of its source, and with the data that the source has for all of its proxies. */
export function withSourceData(
  proxy: Proxy,
  name: string,
  { tags, geo, cost }: Pick<SourceSettings, 'tags' | 'geo' | 'cost'>,
): Proxy {
  return withMetadata(proxy, {
    source: name,
    tags: tags.length === 0 ? proxy.tags : [...new Set([...tags, ...proxy.tags])],
    geo: proxy.geo ?? geo,
    cost: proxy.cost ?? cost,
  });
}
