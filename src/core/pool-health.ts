import type { Clock, Random } from './clock.js';
import type { Events } from './events.js';
import * as breakers from './health.js';
import { evidenceFrom, type HostHealth } from './host-health.js';
import type { Lease } from './lease.js';
import { faultWeight, type Outcome, type Verdict } from './outcome.js';
import { PANIC_RETRY_MS, type Panic } from './panic.js';
import type { Member, Pool } from './pool.js';
import { Schedule } from './schedule.js';
import type { Sessions } from './sessions.js';

export interface PoolHealthParts {
  readonly pool: Pool;
  readonly hosts: HostHealth;
  readonly sessions: Sessions;
  readonly events: Events;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: breakers.BreakerSettings;
  readonly panic: Panic;
}

/** Turns outcomes into the states of breakers and (proxy, host) pairs: the one place that judges a proxy. */
export class PoolHealth {
  readonly #parts: PoolHealthParts;
  readonly #due = new Schedule<Member>();

  constructor(parts: PoolHealthParts) {
    this.#parts = parts;
  }

  /** Does what has become due: open breakers become half-open, overdue probes are given up, idle sessions end. */
  advance(now: number): void {
    this.#parts.sessions.endIdle(now);
    for (let due = this.#due.takeDue(now); due !== undefined; due = this.#due.takeDue(now)) {
      this.#set(due, breakers.afterTime(due.breaker, now));
    }
  }

  /** True when this lease is the probe of a half-open breaker. A carrier never takes the place of a probe. */
  claimProbe(member: Member, leaseId: number, now: number): boolean {
    const { breaker } = member;
    if (breaker.state !== 'half-open' || breaker.probe !== null) return false;
    this.#set(member, breakers.withProbe(breaker, leaseId, now, this.#parts.settings));
    return true;
  }

  /** Puts a state in place that was learned earlier. */
  restore(member: Member, breaker: breakers.BreakerState): void {
    this.#set(member, breaker);
  }

  /**
   * The verdict that is charged: ambiguous evidence is the target's fault when the host failed through others as
   * well, and the proxy's when the host answered others meanwhile while nothing at all came through this proxy.
   */
  judge({ host, startedAt }: Lease, member: Member, verdict: Verdict, now: number): Verdict {
    if (verdict !== 'ambiguous' || host === undefined) return verdict;
    if (this.#parts.hosts.failures.areHostsOwn(host, member.id, now)) return 'target';
    if (member.lastSuccessAt >= evidenceFrom(startedAt, now)) return verdict;
    return this.#parts.hosts.answeredSince(host, startedAt, now) ? 'proxy' : verdict;
  }

  /** Charges a verdict to whom it concerns. */
  charge(
    { id, host, sessionId, startedAt }: Lease,
    member: Member,
    verdict: Verdict,
    outcome: Outcome,
    now: number,
  ): void {
    const { hosts, sessions, events, settings, random, panic } = this.#parts;
    const { breaker: before } = member;
    const weight = faultWeight(verdict);
    // Half-open, the probe alone decides: what others report is about the time before the breaker opened.
    const decides = before.state !== 'half-open' || before.probe?.leaseId === id;
    if (verdict === 'success') {
      member.lastSuccessAt = now;
      if (host !== undefined) hosts.success(host, member.id, now);
      if (decides) this.#set(member, breakers.afterSuccess(before, now, settings));
      if (panic.success(now)) events.emit('panic', { on: false });
    } else if (weight > 0) {
      member.lastFailedAt = now;
      if (decides) {
        const kind =
          verdict === 'auth' ? 'auth' : outcome.verdict === 'proxy' && outcome.hard ? 'hard' : null;
        const after = breakers.afterFault(before, weight, now, settings, random, kind);
        const paused = after.state === 'open' && before.state !== 'open' && panic.covers(startedAt);
        this.#set(member, paused ? { ...after, until: now + PANIC_RETRY_MS, opens: before.opens } : after);
        if (after.state === 'open' && before.state !== 'open') this.#opened(member, now);
      }
      if (weight === 1 && sessionId !== undefined) sessions.leave(sessionId, member.id);
    } else if (verdict === 'banned' && host !== undefined) {
      const cooldownMs = hosts.ban(host, member.id, now, outcome.retryAfterMs);
      events.emit('cooldown', { proxyId: member.id, host, cooldownMs });
      if (hosts.bans.ban(host, member.id, now) && decides)
        this.#set(member, breakers.opened(before, now, settings, random));
    }
    if (outcome.verdict === 'ambiguous' && host !== undefined) {
      hosts.failures.add(host, member.id, before.state === 'half-open' ? 0 : weight, now);
      if (verdict === 'target') this.#refund(host);
    }
    // A probe that ended without evidence, such as an aborted one, leaves the place to the next.
    const { breaker: after } = member;
    if (after.state === 'half-open' && after.probe?.leaseId === id) {
      this.#set(member, breakers.withProbe(after, null, now, settings));
    }
  }

  /** Panic may begin here: then nobody who has opened waits any longer than in panic. */
  #opened(member: Member, now: number): void {
    const { pool, events, panic } = this.#parts;
    if (!panic.opened(member.id, now, pool)) return;
    for (const other of pool.list(({ breaker }) => breaker.state === 'open')) {
      const until = Math.max(now, other.lastFailedAt + PANIC_RETRY_MS);
      if (other.breaker.state === 'open' && other.breaker.until > until)
        this.#set(other, { ...other.breaker, until });
    }
    events.emit('panic', { on: true });
  }

  /** Gives back what proxies were charged for failures of a host that is down, unless a success did so since. */
  #refund(host: string): void {
    for (const { proxyId, weight, at } of this.#parts.hosts.failures.takeRefunds(host)) {
      const member = this.#parts.pool.get(proxyId);
      if (member === undefined || member.lastSuccessAt >= at) continue;
      this.#set(member, breakers.afterRefund(member.breaker, weight));
    }
  }

  #set(member: Member, breaker: breakers.BreakerState): void {
    const { pool, events, clock } = this.#parts;
    const from = member.breaker;
    if (breaker === from) return;
    pool.setBreaker(member, breaker);
    const change = breakers.nextChange(breaker);
    if (change !== null && change !== breakers.nextChange(from)) this.#due.add(change, member);
    if (member.removed || from.state === breaker.state) return;
    events.emit('breaker', {
      proxyId: member.id,
      from: from.state,
      to: breaker.state,
      openMs: 'until' in breaker && !breakers.mayServe(breaker) ? breaker.until - clock.now() : null,
    });
  }
}
