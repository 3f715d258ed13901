import { LRUCache } from 'lru-cache';
import { BanRecord } from './ban-record.js';
import { CertificateRecord } from './certificate-record.js';
import type { Random } from './clock.js';
import { HostAnswers } from './host-answers.js';
import { HostFailures } from './host-failures.js';
import { SilenceRecord } from './silence-record.js';

/** How bans cool down, and how long evidence about a host counts. */
export interface HostHealthSettings {
  /** First cooldown of a (proxy, host) pair in ms; doubles with each ban in a row. */
  readonly cooldownMs: number;
  /** Cap of the cooldown in ms, before jitter. */
  readonly maxCooldownMs: number;
  /** The cooldown is stretched by a random share of itself up to this. */
  readonly jitter: number;
  /** Pairs that are remembered; the least recently banned is forgotten first. */
  readonly maxPairs: number;
}

/** How far back a success on a host tells that the host works, in ms. */
const EVIDENCE_MS = 10_000;
/** Others that a host answered, so that it is the proxy that does not get there. */
const ALIVE = 2;
const MIN_RETRY_AFTER_MS = 1_000;
const MAX_RETRY_AFTER_MS = 300_000;

/**
 * The size of an entry. A cache that is bounded by `max` reserves its memory when it is made, milliseconds and
 * megabytes for each engine; one that is bounded by the sum of sizes grows with what is in it.
 */
const one = (): number => 1;

/** A cooldown as it outlives the process. */
export interface LearnedCooldown {
  readonly host: string;
  readonly proxyId: string;
  readonly remainingMs: number;
  readonly bans: number;
}

interface Cooldown {
  readonly host: string;
  /** When the ban was seen that it comes from. */
  readonly since: number;
  readonly until: number;
  readonly bans: number;
}

/** What is known of hosts: which proxies each has banned, and whether it answers at all. Bounded in memory. */
export class HostHealth {
  readonly failures: HostFailures = new HostFailures();
  readonly answers: HostAnswers = new HostAnswers();
  readonly silences: SilenceRecord = new SilenceRecord();
  readonly bans: BanRecord = new BanRecord();
  readonly certificates: CertificateRecord = new CertificateRecord();
  readonly #settings: HostHealthSettings;
  readonly #random: Random;
  readonly #pairs: LRUCache<string, Cooldown>;
  /** host -> pairs remembered for it; lets hosts that never banned anybody skip the check. */
  readonly #pairsPerHost = new Map<string, number>();

  constructor(settings: HostHealthSettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
    this.#pairs = new LRUCache({
      maxSize: settings.maxPairs,
      sizeCalculation: one,
      dispose: ({ host }, _key, reason) => {
        if (reason !== 'set') this.#countPair(host, -1);
      },
    });
  }

  /**
   * Starts or prolongs the cooldown of a pair. Retry-After is clamped to 1..300 s. Several requests that were under
   * way together meet one ban, not one each: only what began after the last one doubles the time.
   *
   * @param startedAt when the request began that was turned away
   * @returns how long the pair rests from now on, in ms
   */
  ban(host: string, proxyId: string, now: number, retryAfterMs?: number, startedAt: number = now): number {
    const key = pairKey(host, proxyId);
    const known = this.#pairs.get(key);
    const isSame = known !== undefined && startedAt < known.since;
    const asked =
      retryAfterMs !== undefined && Number.isFinite(retryAfterMs) && retryAfterMs > 0
        ? Math.min(Math.max(retryAfterMs, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS)
        : null;
    if (isSame) {
      const until = Math.max(known.until, now + (asked ?? 0));
      this.#pairs.set(key, { ...known, until });
      return until - now;
    }
    const bans = (known?.bans ?? 0) + 1;
    const { cooldownMs, maxCooldownMs, jitter } = this.#settings;
    const restMs =
      asked ?? Math.min(cooldownMs * 2 ** (bans - 1), maxCooldownMs) * (1 + jitter * this.#random());
    if (known === undefined) this.#countPair(host, 1);
    this.#pairs.set(key, { host, since: now, until: now + restMs, bans });
    return restMs;
  }

  /** Whether any proxy may be cooling for this host: false lets a selection skip the check of each pair. */
  hasBans(host: string): boolean {
    return this.#pairsPerHost.has(host);
  }

  isCooling(host: string, proxyId: string, now: number): boolean {
    const pair = this.#pairs.peek(pairKey(host, proxyId));
    return pair !== undefined && pair.until > now;
  }

  /** A success tells that the host works, and clears the record of the pair unless it began before the ban. */
  success(host: string, proxyId: string, now: number, startedAt: number = now): void {
    this.answers.add(host, proxyId, now);
    this.failures.answered(host, now);
    this.bans.success(host, proxyId, now);
    if (!this.hasBans(host)) return;
    const key = pairKey(host, proxyId);
    const known = this.#pairs.peek(key);
    if (known !== undefined && startedAt >= known.since) this.#pairs.delete(key);
  }

  /**
   * Whether the host has answered through somebody lately, so that a proxy through which nothing came cannot put
   * it on the host. `since` is when the attempt in question started.
   */
  answeredSince(host: string, since: number, now: number): boolean {
    return this.answers.lastAt(host) >= evidenceFrom(since, now);
  }

  /** Whether the host has answered somebody after `since`. */
  answeredAfter(host: string, since: number): boolean {
    return this.answers.lastAt(host) > since;
  }

  /** Whether it answered enough others in the last ten seconds, and is not failing and answering by turns. */
  isAlive(host: string, proxyId: string, now: number): boolean {
    const others = this.answers.others(host, proxyId, now - EVIDENCE_MS);
    return others >= ALIVE && !this.failures.comeAndGo(host, proxyId, now);
  }

  /** All pairs that cool down now, those of some proxies or of all. */
  *cooldowns(now: number, only?: ReadonlySet<string>): IterableIterator<LearnedCooldown> {
    for (const [key, { host, until, bans }] of this.#pairs.entries()) {
      if (until <= now) continue;
      const proxyId = key.slice(host.length + 1);
      if (only?.has(proxyId) !== false) yield { host, proxyId, remainingMs: until - now, bans };
    }
  }

  /** Takes over a cooldown that was learned earlier. */
  restore({ host, proxyId, remainingMs, bans }: LearnedCooldown, now: number): void {
    const key = pairKey(host, proxyId);
    if (!this.#pairs.has(key)) this.#countPair(host, 1);
    this.#pairs.set(key, { host, since: now, until: now + remainingMs, bans });
  }

  #countPair(host: string, change: 1 | -1): void {
    const count = (this.#pairsPerHost.get(host) ?? 0) + change;
    if (count === 0) this.#pairsPerHost.delete(host);
    else this.#pairsPerHost.set(host, count);
  }
}

/** From when on a success counts as evidence about an attempt that started at `since`. */
export function evidenceFrom(since: number, now: number): number {
  return Math.min(since, now - EVIDENCE_MS);
}

function pairKey(host: string, proxyId: string): string {
  return `${host} ${proxyId}`;
}
