import type { Candidate, Candidates } from '../strategies/strategy.js';
import { type Adjustment, type AdjustmentChange, adjusted, noAdjustment } from './adjustment.js';
import { type CandidateStore, CandidateView } from './candidate-view.js';
import type { Events } from './events.js';
import { type BreakerState, closed, mayServe } from './health.js';
import { MinuteWindows } from './minute-windows.js';
import { parseProxy } from './parse.js';
import { type Proxy, withMetadata } from './proxy.js';
import { Positions, SlotSet } from './slot-set.js';
import { type ProxyFigures, ProxyStats, type StatsSettings } from './stats.js';

/** A proxy in the pool with all that is known of it. Outlives its membership while leases hold it. */
export class Member implements Candidate {
  readonly stats: ProxyStats;
  breaker: BreakerState = closed;
  /** Monotonic ms of the last success; -Infinity before the first. */
  lastSuccessAt: number = Number.NEGATIVE_INFINITY;
  /** Monotonic ms of the last fault; -Infinity before the first. */
  lastFailedAt: number = Number.NEGATIVE_INFINITY;
  /** Number of its window in the fault rates; -1 while it has none. */
  rateWindow = -1;
  /** True once it left the pool: what its leases still report is ignored. */
  removed = false;
  drained = false;
  /** True when a budget of its group is used up. */
  overBudget = false;
  /** What an operator has set. */
  adjustment: Adjustment = noAdjustment;
  /** Another value of the same id when an operator has changed its tags. */
  proxy: Proxy;

  readonly slot: number;

  constructor(proxy: Proxy, slot: number, settings: StatsSettings, windows?: MinuteWindows) {
    this.proxy = proxy;
    this.slot = slot;
    this.stats = new ProxyStats(settings, windows);
  }

  get id(): string {
    return this.proxy.id;
  }

  /** State of the breaker. */
  get health(): BreakerState['state'] {
    return this.breaker.state;
  }

  get disabled(): boolean {
    return this.adjustment.disabled === true;
  }

  get weight(): number | undefined {
    return this.adjustment.weight;
  }
}

/** A proxy in the pool, as the engine's users see it. */
export interface PooledProxy {
  readonly id: string;
  readonly proxy: Proxy;
  readonly stats: ProxyFigures;
  /** State of the breaker. */
  readonly health: BreakerState['state'];
  readonly breaker: BreakerState;
  /** Monotonic ms; -Infinity before the first success. */
  readonly lastSuccessAt: number;
  /** Monotonic ms; -Infinity before the first fault. */
  readonly lastFailedAt: number;
  /** True when nothing new goes to it. */
  readonly drained: boolean;
  /** True when an operator has taken it out; unlike a drain, nobody else ends it. */
  readonly disabled: boolean;
  /** Set by an operator, for the strategy `weighted`. */
  readonly weight?: number | undefined;
}

/** The pool as the engine's users see it. */
export interface ProxyPool {
  readonly size: number;
  get(id: string): PooledProxy | undefined;
  list(filter?: (member: PooledProxy) => boolean): PooledProxy[];
  /**
   * Adds proxies or proxy lines; one that is there already stays with all that is known of it. Nothing is added when
   * a line cannot be read. A long list goes through `replace`.
   * @returns those that are new
   * @throws ProxyParseError
   */
  add(...entries: readonly (string | Proxy)[]): PooledProxy[];
  /** Takes a proxy out: requests in flight finish, and what they report is ignored. False when it was not there. */
  remove(id: string): boolean;
  /**
   * Makes the pool hold exactly these; what is known of the proxies that stay is kept.
   * @throws ProxyParseError and changes nothing
   */
  replace(entries: readonly (string | Proxy)[]): void;
  /** Sends nothing new to a proxy (or does so again); requests in flight finish. False when it was not there. */
  drain(id: string, drained?: boolean): boolean;
  /**
   * Sets what an operator wants of a proxy: that it is disabled, its weight, its tags. It is part of a snapshot, and of
   * the cache. False when it was not there.
   * @throws OptionsError and changes nothing
   */
  adjust(id: string, change: AdjustmentChange): boolean;
  /** Sets the counters of one proxy, or of all, to zero; requests in flight stay counted. */
  resetStats(id?: string): void;
}

/** Who may be chosen at all; `false` hides a member from one selection. */
export type Filter = (member: Member) => boolean;

/** Membership, and the indexes of those that may serve. Knows nothing of requests. */
export class Pool implements ProxyPool {
  readonly #settings: StatsSettings;
  readonly #windows: MinuteWindows;
  readonly #events: Events;
  readonly #onChange: (member: Member) => void;
  readonly #isOverBudget: (proxy: Proxy) => boolean;
  readonly #bySlot: (Member | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #byId = new Map<string, Member>();
  readonly #serving = new SlotSet();
  readonly #probing = new SlotSet();
  readonly #warming = new SlotSet();
  readonly #countries = new Map<string, SlotSet>();
  readonly #countryPositions = new Positions();
  readonly #store: CandidateStore<Member> = new MemberStore(this.#bySlot, this.#serving, this.#countries);
  readonly #whole: Candidates = new CandidateView(this.#store, this.#serving);

  /**
   * @param onChange told of every member that joined, left, or changed whether it may serve
   * @param isOverBudget whether nothing new may go to a proxy; when that changes, there is `checkBudgets`
   */
  constructor(
    settings: StatsSettings,
    events: Events,
    onChange: (member: Member) => void = () => {},
    isOverBudget: (proxy: Proxy) => boolean = () => false,
  ) {
    this.#isOverBudget = isOverBudget;
    this.#settings = settings;
    this.#windows = new MinuteWindows(settings.windowSeconds);
    this.#events = events;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Whether somebody who may serve has less than a full share. */
  get hasWarming(): boolean {
    return this.#warming.size > 0;
  }

  /** Whether one of those that may serve is such. */
  some(test: Filter): boolean {
    for (const member of this.#whole) if (test(member as Member)) return true;
    return false;
  }

  /** How many may serve. */
  get serving(): number {
    return this.#serving.size;
  }

  get(id: string): Member | undefined {
    return this.#byId.get(id);
  }

  list(filter: Filter = () => true): Member[] {
    return [...this.#byId.values()].filter(filter);
  }

  add(...entries: readonly (string | Proxy)[]): Member[] {
    const proxies = entries.map((entry) => (typeof entry === 'string' ? parseProxy(entry) : entry));
    return proxies.flatMap((proxy) => this.#join(proxy) ?? []);
  }

  remove(id: string): boolean {
    const member = this.#byId.get(id);
    if (member === undefined) return false;
    member.removed = true;
    this.#byId.delete(id);
    this.#reindex(member);
    this.#bySlot[member.slot] = undefined;
    this.#freeSlots.push(member.slot);
    member.stats.forgetWindow();
    this.#events.emit('pool', { proxyId: id, change: 'removed' });
    return true;
  }

  replace(entries: readonly (string | Proxy)[]): void {
    const proxies = entries.map((entry) => (typeof entry === 'string' ? parseProxy(entry) : entry));
    const staying = new Set(proxies.map((proxy) => proxy.id));
    for (const id of [...this.#byId.keys()]) if (!staying.has(id)) this.remove(id);
    for (const proxy of proxies) this.#join(proxy);
  }

  drain(id: string, drained = true): boolean {
    const member = this.#byId.get(id);
    if (member === undefined) return false;
    member.drained = drained;
    this.#reindex(member);
    return true;
  }

  adjust(id: string, change: AdjustmentChange): boolean {
    const member = this.#byId.get(id);
    if (member === undefined) return false;
    this.setAdjustment(member, adjusted(member.adjustment, change));
    this.#events.emit('adjusted', { proxyId: id });
    return true;
  }

  setAdjustment(member: Member, adjustment: Adjustment): void {
    if (member.removed) return;
    // Strategies have read weight and tags when it came in: for them it leaves, and comes in again.
    this.#index(member, false);
    member.adjustment = adjustment;
    const { tags } = adjustment;
    if (tags !== undefined) member.proxy = withMetadata(member.proxy, { tags });
    member.overBudget = this.#isOverBudget(member.proxy);
    this.#reindex(member);
  }

  resetStats(id?: string): void {
    for (const member of id === undefined ? this.#byId.values() : [this.#byId.get(id)]) {
      member?.stats.reset();
      if (member !== undefined) this.#onChange(member);
    }
  }

  /** Asks anew of every member whether its budgets allow it to serve. */
  checkBudgets(): void {
    for (const member of this.#byId.values()) {
      const over = this.#isOverBudget(member.proxy);
      if (over === member.overBudget) continue;
      member.overBudget = over;
      this.#reindex(member);
    }
  }

  /** Sets the breaker and, with it, whether the member may be chosen. */
  setBreaker(member: Member, breaker: BreakerState): void {
    member.breaker = breaker;
    if (!member.removed) this.#reindex(member);
  }

  isServing(member: Member): boolean {
    return !member.removed && this.#serving.has(member.slot);
  }

  #join(proxy: Proxy): Member | undefined {
    if (this.#byId.has(proxy.id)) return undefined;
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    const member = new Member(proxy, slot, this.#settings, this.#windows);
    member.overBudget = this.#isOverBudget(proxy);
    this.#bySlot[slot] = member;
    this.#byId.set(proxy.id, member);
    this.#reindex(member);
    this.#events.emit('pool', { proxyId: proxy.id, change: 'added' });
    return member;
  }

  /** Those that may serve and pass `filter`, as a view that copies nothing. */
  candidates(filter?: Filter): Candidates {
    return filter === undefined ? this.#whole : new CandidateView(this.#store, this.#serving, filter);
  }

  /** Those whose breaker is half-open and waits for a probe. */
  probes(): Candidates {
    return new CandidateView(this.#store, this.#probing);
  }

  #reindex(member: Member): void {
    const { removed, drained, disabled, overBudget, breaker } = member;
    this.#index(member, !removed && !drained && !disabled && !overBudget && mayServe(breaker));
  }

  #index(member: Member, serving: boolean): void {
    const { slot, proxy, breaker } = member;
    const change = serving ? 'add' : 'delete';
    this.#serving[change](slot);
    this.#probing[serving && breaker.state === 'half-open' ? 'add' : 'delete'](slot);
    this.#warming[serving && breaker.state === 'warming' ? 'add' : 'delete'](slot);
    const countryCode = proxy.geo?.countryCode;
    if (countryCode !== undefined) this.#inCountry(countryCode)[change](slot);
    this.#onChange(member);
  }

  #inCountry(countryCode: string): SlotSet {
    let country = this.#countries.get(countryCode);
    if (country === undefined) {
      country = new SlotSet(this.#countryPositions);
      this.#countries.set(countryCode, country);
    }
    return country;
  }
}

/** What views look into. A class: one of closures made for each pool would be called anew for each, never inlined. */
class MemberStore implements CandidateStore<Member> {
  readonly serving: SlotSet;
  readonly #bySlot: readonly (Member | undefined)[];
  readonly #countries: ReadonlyMap<string, SlotSet>;

  constructor(
    bySlot: readonly (Member | undefined)[],
    serving: SlotSet,
    countries: ReadonlyMap<string, SlotSet>,
  ) {
    this.#bySlot = bySlot;
    this.serving = serving;
    this.#countries = countries;
  }

  at(slot: number): Member | undefined {
    return slot < 0 ? undefined : this.#bySlot[slot];
  }

  inCountry(countryCode: string): SlotSet | undefined {
    return this.#countries.get(countryCode);
  }
}
