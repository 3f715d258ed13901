import { ClosedError, NoCandidateError, PoolEmptyError } from '../errors.js';
import type { SelectionEngine, Strategy, StrategyFactory, StrategySpec } from '../strategies/strategy.js';
import { adjusted, noAdjustment } from './adjustment.js';
import { type BudgetSettings, Budgets } from './budgets.js';
import type { Clock, Random } from './clock.js';
import { Events, type RotatorEvents, type SelectedEvent } from './events.js';
import { type Explanation, explainSelection } from './explain.js';
import type { FaultRateSettings } from './fault-rates.js';
import type { BreakerSettings } from './health.js';
import { HostHealth, type HostHealthSettings } from './host-health.js';
import { hash64 } from './identity.js';
import { Lease } from './lease.js';
import { faultWeight, type Outcome, type Verdict } from './outcome.js';
import { Panic, type PanicSettings } from './panic.js';
import { type Member, Pool, type ProxyPool } from './pool.js';
import { PoolHealth } from './pool-health.js';
import type { Proxy } from './proxy.js';
import { RandomTape } from './random-tape.js';
import { type RotatorReport, report } from './report.js';
import type { AcquireContext, SelectionLimits } from './selection-rules.js';
import { type Selection, Selector, targetHost } from './selector.js';
import { assertSessionId, type SessionSettings, Sessions } from './sessions.js';
import { restoreSnapshot, type Snapshot, takeSnapshot } from './snapshot.js';
import type { StatsSettings } from './stats.js';
import { StrategySeat } from './strategy-seat.js';

/** Everything the engine is made of; nothing in it reads a clock or a random generator of its own. */
export interface RotatorParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly strategy: Strategy;
  /** Serves when the strategy cannot; null = its error is thrown, or the next proxy in circular order is taken. */
  readonly fallback: Strategy | null;
  /** Turns a name, a name with settings, or an object into a strategy. */
  readonly resolveStrategy: (spec: StrategySpec) => Strategy;
  readonly registerStrategy: (name: string, factory: StrategyFactory) => void;
  readonly stats: StatsSettings;
  readonly limits: SelectionLimits;
  readonly breaker: BreakerSettings & FaultRateSettings;
  readonly hosts: HostHealthSettings;
  readonly panic: PanicSettings;
  readonly sessions: SessionSettings;
  readonly budgets: readonly BudgetSettings[];
}

/** All requests that are acquired through it use one proxy, for as long as that proxy serves. */
export interface SessionHandle {
  readonly id: string;
  acquire(context?: Omit<AcquireContext, 'sessionId'>): Lease;
  close(): void;
}

/**
 * The engine: pool, strategy, health and sessions. `acquire` chooses and counts in one synchronous step; a lease
 * brings the outcome back. What is slow happens elsewhere.
 */
export class Rotator {
  readonly pool: ProxyPool;
  readonly sessions: Sessions;
  /** The engine's time. */
  readonly clock: Clock;
  readonly #parts: RotatorParts;
  readonly #events = new Events();
  readonly #members: Pool;
  readonly #hosts: HostHealth;
  readonly #panic: Panic;
  readonly #budgets: Budgets;
  readonly #health: PoolHealth;
  readonly #seat: StrategySeat;
  readonly #selector: Selector;
  readonly #tape: RandomTape;
  readonly #now: { now: number; readonly random: Random; readonly warn: (message: string) => void };
  #lastLeaseId = 0;
  #closed = false;

  constructor(parts: RotatorParts) {
    const { clock, random, stats, breaker: settings } = parts;
    const events = this.#events;
    this.#parts = parts;
    this.clock = clock;
    this.#tape = new RandomTape(random);
    const warn = (message: string): void => events.emit('warning', { strategy: this.strategy.name, message });
    this.#now = { now: clock.now(), random: this.#tape.next, warn };
    this.#seat = new StrategySeat(parts.strategy, parts.fallback, events);
    const budgets = new Budgets(parts.budgets, {
      tell: (event) => events.emit('budget', event),
      onChange: () => pool.checkBudgets(),
    });
    this.#budgets = budgets;
    const onChange = (member: Member): void => {
      if (member.removed) this.#health.forget(member);
      this.#tellStrategy(member, clock.now());
    };
    const pool = new Pool(stats, events, onChange, (proxy) => budgets.stops(proxy));
    this.pool = pool;
    this.#members = pool;
    this.sessions = new Sessions(parts.sessions, clock);
    // All of them draw from one tape, so that what `explain` has looked at is drawn in the same order afterwards.
    const { next } = this.#tape;
    this.#hosts = new HostHealth(parts.hosts, next);
    const panic = new Panic(parts.panic);
    this.#panic = panic;
    this.#health = new PoolHealth({
      pool,
      hosts: this.#hosts,
      sessions: this.sessions,
      events,
      clock,
      random: next,
      settings,
      rates: parts.breaker,
      panic,
    });
    this.#selector = new Selector({
      pool,
      budgets,
      hosts: this.#hosts,
      sessions: this.sessions,
      seat: this.#seat,
      panic,
      limits: parts.limits,
    });
    this.#seat.attach([], this.#engine(clock.now()));
  }

  get strategy(): Strategy {
    return this.#seat.current;
  }

  /** Whether most of the pool fails at once, so that it is rather our own network. */
  get inPanic(): boolean {
    return this.#panic.on;
  }

  /**
   * Swaps the strategy; the next selection uses it, requests in flight finish and report to the one that chose them.
   * @throws StrategyUnknownError, OptionsError, StrategyContractError; then the old one stays
   */
  setStrategy(spec: StrategySpec): void {
    this.#seat.swap(
      this.#parts.resolveStrategy(spec),
      this.#members.candidates(),
      this.#engine(this.clock.now()),
    );
  }

  /**
   * Makes a strategy of your own known by a name.
   * @throws StrategyContractError when what the factory makes does not keep the contract
   */
  registerStrategy(name: string, factory: StrategyFactory): void {
    this.#parts.registerStrategy(name, factory);
  }

  on<Name extends keyof RotatorEvents>(
    event: Name,
    listener: (payload: RotatorEvents[Name]) => void,
  ): () => void {
    return this.#events.on(event, listener);
  }

  /** Tells listeners of what those who see attempts have found; the engine itself goes by the outcomes. */
  tell<Name extends 'suspect' | 'classify-error'>(event: Name, payload: RotatorEvents[Name]): void {
    this.#events.emit(event, payload);
  }

  /**
   * Chooses a proxy and counts it as active; the lease must be settled.
   * @throws PoolEmptyError, NoCandidateError, StrategyMetadataError, SessionIdError, ClosedError
   */
  acquire(context: AcquireContext = {}): Lease {
    if (this.#closed) throw new ClosedError();
    const now = this.clock.now();
    this.#advance(now);
    if (this.pool.size === 0) throw new PoolEmptyError();
    const { sessionId } = context;
    if (sessionId !== undefined) return this.#acquireInSession(sessionId, context, now);
    const selection = this.#selector.selection(context, now, this.#lastLeaseId + 1);
    const { candidate, strategy } = this.#selector.choose(selection, this.#engine(now));
    return this.#lease(candidate as Member, strategy, selection, 'strategy');
  }

  /**
   * A lease on the proxy that really carried a request, when that is not the one that was handed out for it. It
   * passes over strategy and health: the request has happened.
   */
  acquireCarrier(proxyId: string, context: AcquireContext = {}): Lease | undefined {
    const now = this.clock.now();
    this.#advance(now);
    const member = this.#members.get(proxyId);
    if (member === undefined || this.#closed) return undefined;
    return this.#lease(
      member,
      this.strategy,
      { context, host: targetHost(context), now, rules: [] },
      'carrier',
    );
  }

  /**
   * All requests acquired through the handle use one proxy, until that proxy fails.
   * @param id made up when absent
   * @throws SessionIdError
   */
  session(id: string = this.#newSessionId(), context: Omit<AcquireContext, 'sessionId'> = {}): SessionHandle {
    assertSessionId(id);
    return {
      id,
      acquire: (more) => this.acquire({ ...context, ...more, sessionId: id }),
      close: () => void this.sessions.close(id),
    };
  }

  /**
   * Counts bytes that a connection to the proxy has carried since it was counted last: for the proxy, for its budgets,
   * and for a session where there is one. Our own connections do so; outcomes tell of all others.
   */
  carried(proxy: Proxy, bytesUp: number, bytesDown: number, sessionId?: string): void {
    const bytes = bytesUp + bytesDown;
    const member = this.#members.get(proxy.id);
    member?.stats.carry(bytesUp, bytesDown);
    if (sessionId !== undefined) this.sessions.carry(sessionId, bytes);
    // Its tags may have been changed since it was handed out.
    this.#budgets.spend(member?.proxy ?? proxy, bytes, this.clock.now());
  }

  /** Figures as of now. */
  stats(): RotatorReport {
    const now = this.clock.now();
    this.#advance(now);
    return report(
      this.strategy.name,
      this.#members.list(),
      this.sessions.size,
      this.#budgets.report(now),
      now,
    );
  }

  /**
   * What `acquire(context)` would do now and why, without doing it: every proxy appears exactly once. The next
   * `acquire` with the same context draws the same random numbers and makes the same choice.
   */
  explain(given: AcquireContext = {}): Explanation {
    const context = readOnce(given);
    if (context.sessionId !== undefined) assertSessionId(context.sessionId);
    const now = this.clock.now();
    this.#advance(now);
    const bound =
      context.sessionId === undefined ? undefined : this.#selector.place(context.sessionId, context, now);
    const selection = this.#selector.selection(bound?.context ?? context, now, this.#lastLeaseId + 1);
    const trial = this.#seat.rehearse(() =>
      this.#tape.rehearse((random) => {
        if (bound?.stays !== undefined) return { candidate: bound.stays, strategy: this.strategy };
        return this.#selector.look(selection, { now, random });
      }),
    );
    const filtered = this.#seat.narrow(this.#members.candidates(), selection.context);
    const explain = (random: Random): Explanation =>
      explainSelection({
        members: this.#members.list(),
        isServing: (member) => this.#members.isServing(member),
        passesFilters: (member) => filtered.has(member),
        rules: selection.rules,
        choice: trial.result.result instanceof NoCandidateError ? undefined : trial.result.result,
        reason: bound?.stays === undefined ? 'strategy' : 'session',
        strategy: this.strategy,
        inputs: { context, now, random: trial.result.drawn, state: trial.state ?? null },
        engine: { now, random },
      });
    // A score may draw as well.
    return this.#tape.rehearse(explain).result;
  }

  /**
   * Everything learned, as versioned JSON without credentials. Session ids are in it.
   * @param only ids of the proxies it is about, so that what changed costs no walk over the pool; all when absent
   */
  snapshot(only?: ReadonlySet<string>): Snapshot {
    const now = this.clock.now();
    this.#advance(now);
    const members =
      only === undefined ? this.#members.list() : [...only].flatMap((id) => this.#members.get(id) ?? []);
    return takeSnapshot({
      members,
      hosts: this.#hosts,
      sessions: this.sessions,
      budgets: this.#budgets,
      now,
      only,
    });
  }

  /**
   * Takes over what a snapshot knows of the proxies that are in the pool; of others it knows nothing any more.
   * @param elapsedMs how long ago it was taken, so that open times and cooldowns have run on
   * @throws SnapshotError when it has another version or shape; then nothing changes
   */
  restore(snapshot: unknown, elapsedMs = 0): void {
    restoreSnapshot(snapshot, elapsedMs, {
      find: (id) => this.#members.get(id),
      hosts: this.#hosts,
      sessions: this.sessions,
      budgets: this.#budgets,
      setBreaker: (member, breaker) => this.#health.restore(member, breaker),
      adjust: (member, change) => this.#members.setAdjustment(member, adjusted(noAdjustment, change)),
      now: this.clock.now(),
    });
    this.#seat.reattach(this.#members.candidates(), this.#engine(this.clock.now()));
  }

  /** Nothing is acquired from now on; leases that are out may still be settled. */
  close(): void {
    this.#closed = true;
  }

  /** Does what has become due. */
  #advance(now: number): void {
    this.#health.advance(now);
    this.#budgets.advance(now);
  }

  #acquireInSession(sessionId: string, given: AcquireContext, now: number): Lease {
    assertSessionId(sessionId);
    const { context, stays, previous } = this.#selector.place(sessionId, readOnce(given), now);
    const selection = this.#selector.selection(context, now, this.#lastLeaseId + 1);
    if (stays !== undefined) {
      this.sessions.use(sessionId, stays.id, now);
      return this.#lease(stays, this.strategy, selection, 'session');
    }
    const { candidate, strategy } = this.#selector.choose(selection, this.#engine(now));
    const member = candidate as Member;
    this.sessions.use(sessionId, member.id, now);
    const lease = this.#lease(member, strategy, selection, 'strategy');
    if (previous !== member.id && this.#events.wants('session')) {
      this.#events.emit('session', {
        session: hashSession(sessionId),
        proxyId: member.id,
        previousProxyId: previous ?? null,
        reason: previous === undefined ? 'bound' : 'moved',
      });
    }
    return lease;
  }

  #lease(member: Member, strategy: Strategy, selection: Selection, reason: SelectedEvent['reason']): Lease {
    const { context, host, now } = selection;
    const id = ++this.#lastLeaseId;
    const probe = this.#health.claimProbe(member, id, now);
    member.stats.start(now);
    this.#tellStrategy(member, now);
    const lease = new Lease(
      { id, proxy: member.proxy, startedAt: now, sessionId: context.sessionId, host: host ?? undefined },
      (settled, outcome) => this.#settle(settled, member, strategy, outcome),
    );
    if (this.#events.wants('selected')) {
      this.#events.emit('selected', {
        proxyId: member.id,
        strategy: strategy.name,
        reason: probe ? 'probe' : reason,
        host,
        session: context.sessionId === undefined ? null : hashSession(context.sessionId),
      });
    }
    return lease;
  }

  #settle(lease: Lease, member: Member, strategy: Strategy, outcome: Outcome): Verdict {
    const { bytes } = outcome;
    if (bytes !== undefined && bytes > 0 && Number.isFinite(bytes))
      this.carried(lease.proxy, 0, bytes, lease.sessionId);
    const now = this.clock.now();
    const verdict = this.#health.judge(lease, member, outcome, now);
    // A ban is between the proxy and one host, a target's fault is none of the proxy's: neither is a failure of it.
    const result = verdict === 'success' ? 'succeeded' : faultWeight(verdict) > 0 ? 'failed' : 'neutral';
    member.stats.finish(result, outcome.latencyMs);
    if (!member.removed) {
      this.#health.charge(lease, member, verdict, outcome, now);
      this.#tellStrategy(member, now);
      if (strategy.settled !== undefined) {
        this.#seat.settled(strategy, member, { ...outcome, verdict }, this.#engine(now));
      }
    }
    if (this.#events.wants('settled')) {
      this.#events.emit('settled', {
        proxyId: member.id,
        strategy: strategy.name,
        verdict,
        latencyMs: outcome.latencyMs ?? null,
        host: lease.host ?? null,
        session: lease.sessionId === undefined ? null : hashSession(lease.sessionId),
      });
    }
    return verdict;
  }

  #tellStrategy(member: Member, now: number): void {
    if (!this.#seat.listens) return;
    this.#seat.changed(member, this.#members.isServing(member), this.#engine(now));
  }

  /** The same object each time: what is handed down is used at once and kept by nobody. */
  #engine(now: number): SelectionEngine {
    this.#now.now = now;
    return this.#now;
  }

  #newSessionId(): string {
    return Array.from({ length: 4 }, () => Math.floor(this.#tape.next() * 2 ** 32).toString(36)).join('');
  }
}

/** The same context with lists that can be walked again: a caller may hand over a generator. */
function readOnce(context: AcquireContext): AcquireContext {
  const { exclude, avoid } = context;
  if (exclude === undefined && avoid === undefined) return context;
  return {
    ...context,
    ...(exclude && { exclude: [...exclude] }),
    ...(avoid && { avoid: [...avoid] }),
  };
}

/** Eight hex digits that stand for a session id in events. */
function hashSession(id: string): string {
  return hash64(id).slice(0, 8);
}
