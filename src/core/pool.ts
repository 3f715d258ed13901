import type { Candidate, Candidates } from '../strategies/strategy.js';
import { type CandidateStore, CandidateView } from './candidate-view.js';
import type { Events } from './events.js';
import { type BreakerState, closed, mayServe } from './health.js';
import { parseProxy } from './parse.js';
import type { Proxy } from './proxy.js';
import { Positions, SlotSet } from './slot-set.js';
import { ProxyStats, type StatsSettings } from './stats.js';

/** A proxy in the pool with all that is known of it. Outlives its membership while leases hold it. */
export class Member implements Candidate {
  readonly stats: ProxyStats;
  breaker: BreakerState = closed;
  /** Monotonic ms of the last success; -Infinity before the first. */
  lastSuccessAt: number = Number.NEGATIVE_INFINITY;
  /** True once it left the pool: what its leases still report is ignored. */
  removed = false;

  readonly proxy: Proxy;
  readonly slot: number;

  constructor(proxy: Proxy, slot: number, settings: StatsSettings) {
    this.proxy = proxy;
    this.slot = slot;
    this.stats = new ProxyStats(settings);
  }

  get id(): string {
    return this.proxy.id;
  }

  /** State of the breaker. */
  get health(): BreakerState['state'] {
    return this.breaker.state;
  }
}

/** Who may be chosen at all; `false` hides a member from one selection. */
export type Filter = (member: Member) => boolean;

/** Membership, and the index of those that may serve. Knows nothing of requests. */
export class Pool {
  readonly #settings: StatsSettings;
  readonly #events: Events;
  readonly #bySlot: (Member | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #byId = new Map<string, Member>();
  readonly #serving = new SlotSet();
  readonly #probing = new SlotSet();
  readonly #countries = new Map<string, SlotSet>();
  readonly #countryPositions = new Positions();
  readonly #store: CandidateStore<Member> = {
    serving: this.#serving,
    at: (slot) => this.#bySlot[slot],
    inCountry: (countryCode) => this.#countries.get(countryCode),
  };

  constructor(settings: StatsSettings, events: Events) {
    this.#settings = settings;
    this.#events = events;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Member | undefined {
    return this.#byId.get(id);
  }

  list(filter: Filter = () => true): Member[] {
    return [...this.#byId.values()].filter(filter);
  }

  /**
   * Adds proxies or proxy lines; one that is there already stays with all that is known of it.
   * Nothing is added when a line cannot be read.
   * @returns those that are new
   * @throws ProxyParseError
   */
  add(...entries: readonly (string | Proxy)[]): Member[] {
    const proxies = entries.map((entry) => (typeof entry === 'string' ? parseProxy(entry) : entry));
    return proxies.flatMap((proxy) => this.#join(proxy) ?? []);
  }

  /** Takes a proxy out: requests in flight finish, and what they report is ignored. False when it was not there. */
  remove(id: string): boolean {
    const member = this.#byId.get(id);
    if (member === undefined) return false;
    member.removed = true;
    this.#byId.delete(id);
    this.#index(member, false);
    this.#bySlot[member.slot] = undefined;
    this.#freeSlots.push(member.slot);
    this.#events.emit('pool', { proxyId: id, change: 'removed' });
    return true;
  }

  /**
   * Makes the pool hold exactly these; what is known of the proxies that stay is kept.
   * @throws ProxyParseError and changes nothing
   */
  replace(entries: readonly (string | Proxy)[]): void {
    const proxies = entries.map((entry) => (typeof entry === 'string' ? parseProxy(entry) : entry));
    const staying = new Set(proxies.map((proxy) => proxy.id));
    for (const id of [...this.#byId.keys()]) if (!staying.has(id)) this.remove(id);
    for (const proxy of proxies) this.#join(proxy);
  }

  /** Sets the breaker and, with it, whether the member may be chosen. */
  setBreaker(member: Member, breaker: BreakerState): void {
    member.breaker = breaker;
    if (!member.removed) this.#index(member, mayServe(breaker));
  }

  isServing(member: Member): boolean {
    return !member.removed && this.#serving.has(member.slot);
  }

  #join(proxy: Proxy): Member | undefined {
    if (this.#byId.has(proxy.id)) return undefined;
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    const member = new Member(proxy, slot, this.#settings);
    this.#bySlot[slot] = member;
    this.#byId.set(proxy.id, member);
    this.#index(member, true);
    this.#events.emit('pool', { proxyId: proxy.id, change: 'added' });
    return member;
  }

  /** Those that may serve and pass `filter`, as a view that copies nothing. */
  candidates(filter?: Filter): Candidates {
    return new CandidateView(this.#store, this.#serving, filter);
  }

  /** Those whose breaker is half-open and waits for a probe. */
  probes(): Candidates {
    return new CandidateView(this.#store, this.#probing);
  }

  #index(member: Member, serving: boolean): void {
    const { slot, proxy, breaker } = member;
    const change = serving ? 'add' : 'delete';
    this.#serving[change](slot);
    this.#probing[serving && breaker.state === 'half-open' ? 'add' : 'delete'](slot);
    const countryCode = proxy.geo?.countryCode;
    if (countryCode === undefined) return;
    let country = this.#countries.get(countryCode);
    if (country === undefined) {
      country = new SlotSet(this.#countryPositions);
      this.#countries.set(countryCode, country);
    }
    country[change](slot);
  }
}
