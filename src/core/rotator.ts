import { ClosedError, NoCandidateError, PoolEmptyError } from '../errors.js';
import type { SelectionContext, Strategy, StrategySpec } from '../strategies/strategy.js';
import type { Clock, Random } from './clock.js';
import { Events, type RotatorEvents, type SelectedEvent } from './events.js';
import * as health from './health.js';
import { evidenceFrom, HostHealth, type HostHealthSettings } from './host-health.js';
import { hash64 } from './identity.js';
import { Lease } from './lease.js';
import { faultWeight, type Outcome, type Verdict } from './outcome.js';
import { type Filter, type Member, Pool } from './pool.js';
import { Schedule } from './schedule.js';
import { assertSessionId, type SessionSettings, Sessions } from './sessions.js';
import type { StatsFigures, StatsSettings } from './stats.js';
import { targetOf } from './target.js';

/** Everything the engine is made of; nothing in it reads a clock or a random generator of its own. */
export interface RotatorParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly strategy: Strategy;
  /** Turns a name, a name with settings, or an object into a strategy. */
  readonly resolveStrategy: (spec: StrategySpec) => Strategy;
  readonly stats: StatsSettings;
  readonly breaker: health.BreakerSettings;
  readonly hosts: HostHealthSettings;
  readonly sessions: SessionSettings;
}

/** What a proxy is acquired for. */
export interface AcquireContext extends SelectionContext {
  /** Ids of proxies that must not be used. */
  readonly exclude?: Iterable<string>;
  /** Ids of proxies that are used only when no other is left, such as those that failed this request before. */
  readonly avoid?: Iterable<string>;
}

/** Figures of one proxy, without its credentials. */
export interface ProxyReport extends StatsFigures {
  readonly proxyId: string;
  readonly url: string;
  readonly health: health.BreakerState['state'];
}

/** Figures of the engine: sums, and a line per proxy. */
export interface RotatorReport {
  readonly strategy: string;
  readonly size: number;
  readonly sessions: number;
  readonly started: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly active: number;
  readonly proxies: readonly ProxyReport[];
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
  readonly pool: Pool;
  readonly sessions: Sessions;
  /** The engine's time. */
  readonly clock: Clock;
  readonly #parts: RotatorParts;
  readonly #events = new Events();
  readonly #hosts: HostHealth;
  readonly #due = new Schedule<Member>();
  #strategy: Strategy;
  #lastLeaseId = 0;
  #closed = false;

  constructor(parts: RotatorParts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.#strategy = parts.strategy;
    this.pool = new Pool(parts.stats, this.#events);
    this.sessions = new Sessions(parts.sessions, parts.clock);
    this.#hosts = new HostHealth(parts.hosts, parts.random);
  }

  get strategy(): Strategy {
    return this.#strategy;
  }

  /** Swaps the strategy; the next selection uses it, requests in flight finish as they are. */
  setStrategy(spec: StrategySpec): void {
    const from = this.#strategy.name;
    this.#strategy = this.#parts.resolveStrategy(spec);
    this.#events.emit('strategy', { from, to: this.#strategy.name });
  }

  on<Name extends keyof RotatorEvents>(
    event: Name,
    listener: (payload: RotatorEvents[Name]) => void,
  ): () => void {
    return this.#events.on(event, listener);
  }

  /**
   * Chooses a proxy and counts it as active; the lease must be settled.
   * @throws PoolEmptyError, NoCandidateError, SessionIdError, ClosedError
   */
  acquire(context: AcquireContext = {}): Lease {
    if (this.#closed) throw new ClosedError();
    const now = this.clock.now();
    this.#advance(now);
    if (this.pool.size === 0) throw new PoolEmptyError();
    const { sessionId } = context;
    const host = context.host ?? (context.url === undefined ? null : targetOf(context.url));
    if (sessionId === undefined)
      return this.#lease(this.#choose(context, host, now), context, host, now, 'strategy');
    return this.#acquireInSession(sessionId, readOnce(context), host, now);
  }

  #acquireInSession(sessionId: string, context: AcquireContext, host: string | null, now: number): Lease {
    assertSessionId(sessionId);
    const binding = this.sessions.binding(sessionId);
    const bound = binding && this.pool.get(binding.proxyId);
    if (bound !== undefined && !binding?.leaving && this.#mayStay(bound, context, host, now)) {
      this.sessions.use(sessionId, bound.id);
      return this.#lease(bound, context, host, now, 'session');
    }
    const previous = binding?.proxyId;
    const avoid = previous === undefined ? context.avoid : [...(context.avoid ?? []), previous];
    const member = this.#choose(avoid === undefined ? context : { ...context, avoid }, host, now);
    this.sessions.use(sessionId, member.id);
    if (previous !== member.id && this.#events.wants('session')) {
      this.#events.emit('session', {
        session: hashSession(sessionId),
        proxyId: member.id,
        previousProxyId: previous ?? null,
        reason: previous === undefined ? 'bound' : 'moved',
      });
    }
    return this.#lease(member, context, host, now, 'strategy');
  }

  /**
   * A lease on the proxy that really carried a request, when that is not the one that was handed out for it. It
   * passes over strategy and health: the request has happened.
   */
  acquireCarrier(proxyId: string, context: AcquireContext = {}): Lease | undefined {
    const member = this.pool.get(proxyId);
    if (member === undefined || this.#closed) return undefined;
    this.#advance(this.clock.now());
    const host = context.host ?? (context.url === undefined ? null : targetOf(context.url));
    return this.#lease(member, context, host, this.clock.now(), 'strategy');
  }

  /**
   * All requests acquired through the handle use one proxy, until that proxy fails.
   * @param id made up when absent
   */
  session(id: string = this.#newSessionId(), context: Omit<AcquireContext, 'sessionId'> = {}): SessionHandle {
    assertSessionId(id);
    return {
      id,
      acquire: (more) => this.acquire({ ...context, ...more, sessionId: id }),
      close: () => void this.sessions.close(id),
    };
  }

  /** Figures as of now. */
  stats(): RotatorReport {
    const now = this.clock.now();
    this.#advance(now);
    const proxies = this.pool.list().map((member) => ({
      proxyId: member.id,
      url: member.proxy.url,
      health: member.health,
      ...member.stats.figures(now),
    }));
    const sum = (figure: 'started' | 'succeeded' | 'failed' | 'active'): number =>
      proxies.reduce((total, proxy) => total + proxy[figure], 0);
    return {
      strategy: this.#strategy.name,
      size: this.pool.size,
      sessions: this.sessions.size,
      started: sum('started'),
      succeeded: sum('succeeded'),
      failed: sum('failed'),
      active: sum('active'),
      proxies,
    };
  }

  /** Nothing is acquired from now on; leases that are out may still be settled. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Bans and earlier failures of the same request are left behind while anybody else is there; they never make a
   * selection fail, because a whole pool can be cooling for a host that forbids one page.
   */
  #choose(context: AcquireContext, host: string | null, now: number): Member {
    const { random } = this.#parts;
    const excluded = context.exclude && new Set(context.exclude);
    const avoided = new Set(context.avoid);
    const cooling = host !== null && this.#hosts.hasBans(host) ? host : null;
    const allowed: Filter | undefined = excluded && ((member) => !excluded.has(member.id));
    const untried: Filter = (member) => !avoided.has(member.id) && (allowed?.(member) ?? true);
    const welcome: Filter = (member) =>
      untried(member) && (cooling === null || !this.#hosts.isCooling(cooling, member.id, now));
    const filters = [
      ...(cooling === null ? [] : [welcome]),
      ...(avoided.size === 0 ? [] : [untried]),
      allowed,
    ];
    for (const filter of filters) {
      const candidates = this.pool.candidates(filter);
      const chosen = this.#strategy.choose(candidates, context, { now, random });
      if (chosen !== undefined) return chosen as Member;
    }
    throw this.#nobody(excluded, now);
  }

  /** Whether a session may stay with the proxy that it is bound to. */
  #mayStay(bound: Member, context: AcquireContext, host: string | null, now: number): boolean {
    if (!this.pool.isServing(bound)) return false;
    for (const id of context.exclude ?? []) if (id === bound.id) return false;
    for (const id of context.avoid ?? []) if (id === bound.id) return false;
    return host === null || !this.#hosts.isCooling(host, bound.id, now);
  }

  #lease(
    member: Member,
    context: AcquireContext,
    host: string | null,
    now: number,
    reason: SelectedEvent['reason'],
  ): Lease {
    const id = ++this.#lastLeaseId;
    // A carrier may meet a probe that is out already, and must not take its place.
    const probe = member.breaker.state === 'half-open' && member.breaker.probe === null;
    if (probe) this.#setBreaker(member, health.withProbe(member.breaker, id, now, this.#parts.breaker));
    member.stats.start(now);
    const lease = new Lease(
      { id, proxy: member.proxy, startedAt: now, sessionId: context.sessionId, host: host ?? undefined },
      (settled, outcome) => this.#settle(settled, member, outcome),
    );
    if (this.#events.wants('selected')) {
      this.#events.emit('selected', {
        proxyId: member.id,
        strategy: this.#strategy.name,
        reason: probe ? 'probe' : reason,
        host,
        session: context.sessionId === undefined ? null : hashSession(context.sessionId),
      });
    }
    return lease;
  }

  #settle(lease: Lease, member: Member, outcome: Outcome): Verdict {
    const now = this.clock.now();
    const verdict = this.#corroborate(lease, member, outcome.verdict, now);
    const { host } = lease;
    const weight = faultWeight(verdict);
    // A ban is between the proxy and one host, a target's fault is none of the proxy's: neither is a failure of it.
    const result = verdict === 'success' ? 'succeeded' : weight > 0 ? 'failed' : 'neutral';
    member.stats.finish(result, outcome.latencyMs);
    if (!member.removed) this.#learn(lease, member, verdict, weight, outcome, now);
    if (this.#events.wants('settled')) {
      this.#events.emit('settled', {
        proxyId: member.id,
        strategy: this.#strategy.name,
        verdict,
        latencyMs: outcome.latencyMs ?? null,
        host: host ?? null,
        session: lease.sessionId === undefined ? null : hashSession(lease.sessionId),
      });
    }
    return verdict;
  }

  #learn(
    { id, host, sessionId }: Lease,
    member: Member,
    verdict: Verdict,
    weight: number,
    outcome: Outcome,
    now: number,
  ): void {
    const { breaker, random } = this.#parts;
    const { breaker: before } = member;
    // Half-open, the probe alone decides: what others report is about the time before the breaker opened.
    const decides = before.state !== 'half-open' || before.probe?.leaseId === id;
    if (verdict === 'success') {
      member.lastSuccessAt = now;
      if (host !== undefined) this.#hosts.success(host, member.id, now);
      if (decides) this.#setBreaker(member, health.afterSuccess(before));
    } else if (weight > 0) {
      if (decides) this.#setBreaker(member, health.afterFault(before, weight, now, breaker, random));
      if (weight === 1 && sessionId !== undefined) this.sessions.leave(sessionId, member.id);
    } else if (verdict === 'banned' && host !== undefined) {
      const cooldownMs = this.#hosts.ban(host, member.id, now, outcome.retryAfterMs);
      this.#events.emit('cooldown', { proxyId: member.id, host, cooldownMs });
    }
    // A probe that ended without evidence, such as an aborted one, leaves the place to the next.
    const { breaker: after } = member;
    if (after.state === 'half-open' && after.probe?.leaseId === id) {
      this.#setBreaker(member, health.withProbe(after, null, now, breaker));
    }
  }

  /**
   * Ambiguous evidence becomes the proxy's fault when the host answered others meanwhile while nothing at all came
   * through this proxy.
   */
  #corroborate({ host, startedAt }: Lease, member: Member, verdict: Verdict, now: number): Verdict {
    if (verdict !== 'ambiguous' || host === undefined) return verdict;
    if (member.lastSuccessAt >= evidenceFrom(startedAt, now)) return verdict;
    return this.#hosts.answeredSince(host, startedAt, now) ? 'proxy' : verdict;
  }

  #advance(now: number): void {
    for (let due = this.#due.takeDue(now); due !== undefined; due = this.#due.takeDue(now)) {
      this.#setBreaker(due, health.afterTime(due.breaker, now));
    }
  }

  #setBreaker(member: Member, breaker: health.BreakerState): void {
    const from = member.breaker;
    if (breaker === from) return;
    this.pool.setBreaker(member, breaker);
    const change = health.nextChange(breaker);
    if (change !== null && change !== health.nextChange(from)) this.#due.add(change, member);
    if (from.state === breaker.state || member.removed) return;
    this.#events.emit('breaker', {
      proxyId: member.id,
      from: from.state,
      to: breaker.state,
      openMs: breaker.state === 'open' ? breaker.until - this.clock.now() : null,
    });
  }

  #nobody(excluded: ReadonlySet<string> | undefined, now: number): NoCandidateError {
    const removedBy: Record<string, number> = {};
    let dueAt = Number.POSITIVE_INFINITY;
    for (const member of this.pool.list()) {
      const reason = excluded?.has(member.id)
        ? 'exclude'
        : this.pool.isServing(member)
          ? 'strategy'
          : 'breaker';
      removedBy[reason] = (removedBy[reason] ?? 0) + 1;
      if (reason === 'breaker') dueAt = Math.min(dueAt, health.nextChange(member.breaker) ?? dueAt);
    }
    return new NoCandidateError(removedBy, Number.isFinite(dueAt) ? Math.max(0, dueAt - now) : null);
  }

  #newSessionId(): string {
    return Array.from({ length: 4 }, () => Math.floor(this.#parts.random() * 2 ** 32).toString(36)).join('');
  }
}

/** The same context with lists that can be walked again: a caller may hand over a generator. */
function readOnce(context: AcquireContext): AcquireContext {
  const { exclude, avoid } = context;
  if (exclude === undefined && avoid === undefined) return context;
  return {
    ...context,
    ...(exclude && { exclude: new Set(exclude) }),
    ...(avoid && { avoid: new Set(avoid) }),
  };
}

/** Eight hex digits that stand for a session id in events. */
function hashSession(id: string): string {
  return hash64(id).slice(0, 8);
}
