import { ProxyWhirlError } from '../errors.js';
import type { BanRule } from './ban-rules.js';
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy.js';
import type { LabCredentials } from './front.js';
import { type AddressProbe, canListen, loopbackAddress } from './loopback.js';
import type { LabProxyKind, ProxyBehaviour } from './proxy-fault.js';
import { seededRandom } from './seeded-random.js';
import { startTargetSite, type TargetSite, type TargetSiteOptions } from './target-site.js';

/** One proxy of a lab. */
export interface ProxySpec extends ProxyBehaviour {
  /** Default `proxy-1`, `proxy-2`, ... by position. */
  readonly name?: string;
  /** Default `'http'`. */
  readonly kind?: LabProxyKind;
  /** Asked of every client, and part of the proxy's URL. Default none. */
  readonly credentials?: LabCredentials;
  /** The proxy's URL holds a password that the proxy refuses. Default false. */
  readonly wrongPassword?: boolean;
  /** The site always bans this proxy's address. Default false. */
  readonly bannedBySite?: boolean;
}

/** Options of {@link startLab}. */
export interface LabOptions {
  /** A number means as many good HTTP proxies. Default {@link demoWorld}. */
  readonly proxies?: number | readonly ProxySpec[];
  readonly site?: TargetSiteOptions;
  /** All chance in the lab comes from it. Default 1. */
  readonly seed?: number;
  /** Clock of records and bans, ms. Default `Date.now`. */
  readonly now?: () => number;
  /** Says which addresses exist on this machine. Default: tries them. */
  readonly probeAddress?: AddressProbe;
}

/** Proxies and a site, started together; see {@link startLab}. */
export interface Lab extends AsyncDisposable {
  readonly proxies: readonly FaultProxy[];
  readonly site: TargetSite;
  /** Whether each proxy has a source address of its own. */
  readonly distinctAddresses: boolean;
  /** What this machine cannot do, to be shown to the user; null when there is nothing to say. */
  readonly notice: string | null;
  /** The URLs of all proxies, in order. */
  readonly urls: readonly string[];
  /** By its name. Throws `PW_LAB_UNAVAILABLE` when there is none. */
  proxy(name: string): FaultProxy;
  /** Closes everything; resolves when no socket is left. Calling it again does nothing. */
  close(): Promise<void>;
}

/**
 * Twelve proxies as a scraper meets them: five good ones of different latency, three dead, two that hang, one that
 * resets, one whose password is wrong. `banned` adds a good one that the site has banned.
 */
export function demoWorld(options: { banned?: boolean } = {}): ProxySpec[] {
  const good = [5, 15, 30, 60, 120].map(
    (ms, i): ProxySpec => ({ name: `good-${i + 1}`, latencyMs: [ms, ms * 1.5] }),
  );
  const dead = [1, 2, 3].map((n): ProxySpec => ({ name: `dead-${n}`, fault: 'dead' }));
  const hanging = [1, 2].map((n): ProxySpec => ({ name: `hanging-${n}`, fault: 'hang' }));
  return [
    ...good,
    ...dead,
    ...hanging,
    { name: 'resetting', fault: 'reset' },
    { name: 'wrong-password', credentials: { username: 'lab', password: 'right' }, wrongPassword: true },
    ...(options.banned === true ? [{ name: 'banned', latencyMs: 5, bannedBySite: true }] : []),
  ];
}

/**
 * Starts real proxies and a real site on loopback, each on a free port; nothing leaves the machine. Each proxy
 * listens on and dials from its own address (127.0.0.2, 127.0.0.3, ...), so the site can tell them apart. Where these
 * addresses do not exist (macOS), all use 127.0.0.1 and `notice` says so.
 * If anything fails to start, all is closed again and `PW_LAB_UNAVAILABLE` is thrown.
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const specs = toSpecs(options.proxies ?? demoWorld());
  const own = specs.map((_, i) => loopbackAddress(i));
  const probes = await Promise.all(own.map(options.probeAddress ?? canListen));
  const distinctAddresses = probes.every(Boolean);
  const addresses = distinctAddresses ? own : own.map(() => '127.0.0.1');
  const clock = options.now === undefined ? {} : { now: options.now };

  const banned = addresses.filter((_, i) => distinctAddresses && specs[i]?.bannedBySite === true);
  const site = startTargetSite({ ...clock, ...options.site, ban: withBanned(options.site?.ban, banned) });
  const proxies = specs.map((spec, i) =>
    startFaultProxy({
      ...toProxyOptions(spec),
      ...clock,
      name: spec.name ?? `proxy-${i + 1}`,
      address: addresses[i] ?? '127.0.0.1',
      // A stream of its own for each: a proxy more or less does not change what the others do.
      random: seededRandom((options.seed ?? 1) * 7919 + i),
    }),
  );
  const [siteResult, ...proxyResults] = await Promise.allSettled([site, ...proxies]);
  const started: AsyncDisposable[] = [];
  const failed: unknown[] = [];
  for (const result of [siteResult, ...proxyResults]) {
    if (result.status === 'fulfilled') started.push(result.value);
    else failed.push(result.reason);
  }
  const closeAll = async (): Promise<void> => {
    await Promise.all(started.map((part) => part[Symbol.asyncDispose]()));
  };
  if (failed.length > 0) {
    await closeAll();
    if (failed[0] instanceof ProxyWhirlError) throw failed[0];
    throw new ProxyWhirlError('PW_LAB_UNAVAILABLE', 'The lab could not start.', {}, { cause: failed[0] });
  }
  return createLab(await Promise.all(proxies), await site, distinctAddresses, closeAll);
}

function createLab(
  proxies: FaultProxy[],
  site: TargetSite,
  distinctAddresses: boolean,
  closeAll: () => Promise<void>,
): Lab {
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= closeAll();
    return closing;
  };
  return {
    proxies,
    site,
    distinctAddresses,
    notice: distinctAddresses
      ? null
      : 'This machine has no 127.0.0.2 and following, so all lab proxies share 127.0.0.1: the site cannot tell them ' +
        'apart, and no single proxy is banned. On macOS, `sudo ifconfig lo0 alias 127.0.0.2` (and so on) adds them.',
    get urls() {
      return proxies.map((proxy) => proxy.url);
    },
    proxy(name) {
      const found = proxies.find((proxy) => proxy.name === name);
      if (found === undefined)
        throw new ProxyWhirlError('PW_LAB_UNAVAILABLE', 'The lab has no such proxy.', { name });
      return found;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function toSpecs(proxies: number | readonly ProxySpec[]): readonly ProxySpec[] {
  return typeof proxies === 'number' ? Array.from({ length: proxies }, () => ({})) : proxies;
}

function toProxyOptions(spec: ProxySpec): FaultProxyOptions {
  const { name: _name, wrongPassword, bannedBySite: _banned, ...options } = spec;
  const { credentials } = options;
  if (wrongPassword !== true || credentials === undefined) return options;
  return { ...options, urlCredentials: { ...credentials, password: `not-${credentials.password}` } };
}

function withBanned(rules: TargetSiteOptions['ban'], addresses: readonly string[]): BanRule[] {
  const list: readonly BanRule[] = rules === undefined ? [] : [rules].flat();
  return addresses.length === 0 ? [...list] : [...list, { addresses }];
}
