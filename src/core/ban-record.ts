import { LRUCache } from 'lru-cache';

/** Hosts that must ban a proxy, and within which time in ms, so that the proxy itself is what they do not want. */
const HOSTS = 3;
const BANS_MS = 600_000;
/** A host that bans this share of at least so many proxies within this time in ms bans everybody. */
const EVERYBODY = 0.8;
const PROXIES = 5;
const EVERYBODY_MS = 60_000;
/** Hosts per proxy, proxies per host, hosts and proxies that are remembered; the oldest are forgotten first. */
const MAX_BANS = 8;
const MAX_ANSWERS = 50;
const MAX_REMEMBERED = 10_000;

interface Ban {
  readonly host: string;
  readonly at: number;
}

/** How one host treats proxies. */
interface Treatment {
  /** Proxy id -> its latest answer; the latest last. */
  readonly answers: Map<string, { readonly banned: boolean; readonly at: number }>;
  /** The latest time in which the host banned everybody, as monotonic ms. */
  everybody: { readonly from: number; readonly to: number } | null;
}

/** Tells a proxy that nobody wants from a host that wants nobody. */
export class BanRecord {
  readonly #byProxy = new LRUCache<string, readonly Ban[]>({
    maxSize: MAX_REMEMBERED,
    sizeCalculation: () => 1,
  });
  readonly #byHost = new LRUCache<string, Treatment>({ maxSize: MAX_REMEMBERED, sizeCalculation: () => 1 });

  /** Notes a ban; true when by now the proxy itself is to blame. Then the count starts anew. */
  ban(host: string, proxyId: string, now: number): boolean {
    this.#note(host, proxyId, now);
    const others = (this.#byProxy.get(proxyId) ?? []).filter((ban) => ban.host !== host);
    const bans = [...others, { host, at: now }].filter(({ at }) => now - at <= BANS_MS).slice(-MAX_BANS);
    const own = bans.filter((ban) => !this.#isHostsDoing(ban));
    if (own.length < HOSTS) this.#byProxy.set(proxyId, bans);
    else this.#byProxy.delete(proxyId);
    return own.length >= HOSTS;
  }

  /** Only of hosts that ban: any other success costs one comparison. */
  success(host: string, proxyId: string, now: number): void {
    if (this.#byHost.size === 0) return;
    const treatment = this.#byHost.peek(host);
    if (treatment !== undefined) answered(treatment, proxyId, false, now);
  }

  #note(host: string, proxyId: string, now: number): void {
    const treatment = this.#byHost.get(host) ?? { answers: new Map(), everybody: null };
    this.#byHost.set(host, treatment);
    answered(treatment, proxyId, true, now);
    let [all, banned] = [0, 0];
    for (const answer of treatment.answers.values()) {
      if (now - answer.at > EVERYBODY_MS) continue;
      all += 1;
      if (answer.banned) banned += 1;
    }
    if (all < PROXIES || banned < EVERYBODY * all) return;
    const before = treatment.everybody;
    const from = before !== null && now - before.to <= EVERYBODY_MS ? before.from : now;
    treatment.everybody = { from, to: now };
  }

  #isHostsDoing({ host, at }: Ban): boolean {
    const everybody = this.#byHost.peek(host)?.everybody ?? null;
    return everybody !== null && at >= everybody.from - EVERYBODY_MS && at <= everybody.to + EVERYBODY_MS;
  }
}

function answered({ answers }: Treatment, proxyId: string, banned: boolean, at: number): void {
  answers.delete(proxyId);
  answers.set(proxyId, { banned, at });
  const oldest = answers.size > MAX_ANSWERS ? answers.keys().next().value : undefined;
  if (oldest !== undefined) answers.delete(oldest);
}
