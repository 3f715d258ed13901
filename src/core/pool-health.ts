import type { Clock, Random } from './clock.js';
import type { Events } from './events.js';
import * as breakers from './health.js';
import { evidenceFrom, type HostHealth } from './host-health.js';
import type { Lease } from './lease.js';
import { faultWeight, type Outcome, type Verdict } from './outcome.js';
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
   * The verdict that is charged: ambiguous evidence becomes the proxy's fault when the host answered others
   * meanwhile while nothing at all came through this proxy.
   */
  judge({ host, startedAt }: Lease, member: Member, verdict: Verdict, now: number): Verdict {
    if (verdict !== 'ambiguous' || host === undefined) return verdict;
    if (member.lastSuccessAt >= evidenceFrom(startedAt, now)) return verdict;
    return this.#parts.hosts.answeredSince(host, startedAt, now) ? 'proxy' : verdict;
  }

  /** Charges a verdict to whom it concerns. */
  charge(
    { id, host, sessionId }: Lease,
    member: Member,
    verdict: Verdict,
    outcome: Outcome,
    now: number,
  ): void {
    const { hosts, sessions, events, settings, random } = this.#parts;
    const { breaker: before } = member;
    const weight = faultWeight(verdict);
    // Half-open, the probe alone decides: what others report is about the time before the breaker opened.
    const decides = before.state !== 'half-open' || before.probe?.leaseId === id;
    if (verdict === 'success') {
      member.lastSuccessAt = now;
      if (host !== undefined) hosts.success(host, member.id, now);
      if (decides) this.#set(member, breakers.afterSuccess(before));
    } else if (weight > 0) {
      if (decides) this.#set(member, breakers.afterFault(before, weight, now, settings, random));
      if (weight === 1 && sessionId !== undefined) sessions.leave(sessionId, member.id);
    } else if (verdict === 'banned' && host !== undefined) {
      const cooldownMs = hosts.ban(host, member.id, now, outcome.retryAfterMs);
      events.emit('cooldown', { proxyId: member.id, host, cooldownMs });
    }
    // A probe that ended without evidence, such as an aborted one, leaves the place to the next.
    const { breaker: after } = member;
    if (after.state === 'half-open' && after.probe?.leaseId === id) {
      this.#set(member, breakers.withProbe(after, null, now, settings));
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
      openMs: breaker.state === 'open' ? breaker.until - clock.now() : null,
    });
  }
}
