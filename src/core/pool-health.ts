import type { Clock, Random } from './clock.js';
import { Crowd } from './crowd.js';
import type { Events } from './events.js';
import { type FaultRateSettings, FaultRates } from './fault-rates.js';
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
  readonly rates: FaultRateSettings;
  readonly panic: Panic;
}

/** Hosts at which a proxy alone must meet bad certificates, so that it is the one who makes them. */
const INTERCEPTED_HOSTS = 2;

/** Turns outcomes into the states of breakers and (proxy, host) pairs: the one place that judges a proxy. */
export class PoolHealth {
  readonly #parts: PoolHealthParts;
  readonly #due = new Schedule<Member>();
  readonly #rates: FaultRates;
  readonly #crowd = new Crowd();

  constructor(parts: PoolHealthParts) {
    this.#parts = parts;
    this.#rates = new FaultRates(parts.rates);
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

  /** Gives back what is kept of a proxy here; for one that left the pool, or starts anew. */
  forget(member: Member): void {
    this.#rates.give(member.rateWindow);
    member.rateWindow = -1;
  }

  /** Puts a state in place that was learned earlier. */
  restore(member: Member, breaker: breakers.BreakerState): void {
    this.#set(member, breaker);
  }

  /**
   * The verdict that is charged: ambiguous evidence is the target's fault when the host failed through others as
   * well. It is the proxy's when the host answered others meanwhile while nothing at all came through this proxy, when
   * the host answers others at any rate, or when other hosts fail through this proxy as well.
   */
  judge(lease: Lease, member: Member, { verdict, passedOn }: Outcome, now: number): Verdict {
    const { host, startedAt } = lease;
    if (verdict !== 'ambiguous' || host === undefined) return verdict;
    if (this.#wasSilentAlone(lease, member, now)) return 'proxy';
    const { hosts } = this.#parts;
    const { id, lastSuccessAt } = member;
    if (hosts.failures.areHostsOwn(host, id, now)) return 'target';
    if (hosts.silences.isProxysOwn(id, host, lastSuccessAt, now)) return 'proxy';
    const works = lastSuccessAt >= evidenceFrom(startedAt, now);
    if (passedOn && works) return 'target';
    if (hosts.isAlive(host, id, now)) return 'proxy';
    if (works) return verdict;
    return hosts.answeredSince(host, startedAt, now) ? 'proxy' : verdict;
  }

  /**
   * Whether the host answered others after this attempt began, and nothing came through this proxy: then its failure
   * says nothing about the host, even where several such proxies fail at the same moment.
   */
  #wasSilentAlone({ host, startedAt }: Lease, member: Member, now: number): boolean {
    if (host === undefined || member.lastSuccessAt >= evidenceFrom(startedAt, now)) return false;
    return this.#parts.hosts.answeredAfter(host, startedAt);
  }

  /** Charges a verdict to whom it concerns. */
  charge(lease: Lease, member: Member, verdict: Verdict, outcome: Outcome, now: number): void {
    const { id, host, sessionId, startedAt } = lease;
    const { hosts, sessions, events, settings, random, panic } = this.#parts;
    const { breaker: before } = member;
    const weight = faultWeight(verdict);
    // Half-open, the probe alone decides: what others report is about the time before the breaker opened.
    const decides = before.state !== 'half-open' || before.probe?.leaseId === id;
    if (verdict === 'success') {
      member.lastSuccessAt = now;
      if (host !== undefined) hosts.success(host, member.id, now, startedAt);
      this.#count(member, 0, now);
      if (decides) this.#set(member, breakers.afterSuccess(before, now, settings));
      if (panic.success(now)) events.emit('panic', { on: false });
    } else if (weight > 0) {
      member.lastFailedAt = now;
      if (decides) {
        const kind =
          verdict === 'auth' ? 'auth' : outcome.verdict === 'proxy' && outcome.hard ? 'hard' : null;
        this.#count(member, weight, now);
        const row = breakers.afterFault(before, weight, now, settings, random, kind);
        const tooMany = this.#rates.isTooHigh(member.rateWindow, now);
        const after = tooMany ? breakers.opened(row, now, settings, random) : row;
        if (after.state === 'open' && before.state !== 'open') {
          const paused = panic.covers(startedAt);
          const opens = paused ? before.opens : after.opens;
          const until = paused ? now + PANIC_RETRY_MS : after.until + this.#crowd.join(now);
          this.#set(member, { state: 'open', until, opens });
          this.#opened(member, now);
        } else this.#set(member, after);
      }
      if (weight === 1 && sessionId !== undefined) sessions.leave(sessionId, member.id);
    } else if (verdict === 'banned' && host !== undefined) {
      const cooldownMs = hosts.ban(host, member.id, now, outcome.retryAfterMs, startedAt);
      events.emit('cooldown', { proxyId: member.id, host, cooldownMs });
      if (hosts.bans.ban(host, member.id, now) && decides)
        this.#set(member, breakers.opened(before, now, settings, random));
    }
    if (outcome.verdict === 'ambiguous' && host !== undefined && !this.#wasSilentAlone(lease, member, now)) {
      hosts.failures.add(host, member.id, before.state === 'half-open' ? 0 : weight, now);
      if (verdict !== 'target') hosts.silences.add(member.id, host, now);
      else if (hosts.failures.areHostsOwn(host, member.id, now)) this.#refund(host, now);
    }
    if (outcome.intercepted && decides) {
      this.#certificate(member, host, outcome.verdict, now);
      if (member.breaker.state === 'tls-intercept' && sessionId !== undefined)
        sessions.leave(sessionId, member.id);
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
  #refund(host: string, now: number): void {
    const { hosts, pool } = this.#parts;
    for (const { proxyId, weight, at } of hosts.failures.takeRefunds(host)) {
      hosts.silences.forget(proxyId, host);
      const member = pool.get(proxyId);
      if (member !== undefined) this.#rates.refund(member.rateWindow, weight, now);
      if (member === undefined || member.lastSuccessAt >= at) continue;
      this.#set(member, breakers.afterRefund(member.breaker, weight));
    }
  }

  /**
   * The target's certificate was bad. That is the proxy's doing where other proxies meet no such thing, and either the
   * host answers them or nothing else came through this one: a crawl of many sites meets bad certificates of their own.
   */
  #certificate(member: Member, host: string | undefined, seenAs: Verdict, now: number): void {
    if (host === undefined || (seenAs !== 'target' && seenAs !== 'ambiguous')) return;
    const { hosts, settings, random } = this.#parts;
    const { id, breaker, lastSuccessAt } = member;
    const own = hosts.certificates
      .see(host, id, now)
      .filter((bad) => lastSuccessAt < bad.at || hosts.answers.others(bad.host, id, bad.at) > 0);
    // At a retry, one host is enough: two are asked for to spare a proxy that serves.
    const isRetry = breaker.state === 'half-open' && breaker.refusals > 0;
    if (own.length >= (isRetry ? 1 : INTERCEPTED_HOSTS))
      this.#set(member, breakers.afterInterception(breaker, now, settings, random));
  }

  /** One more result of a proxy that serves. */
  #count(member: Member, weight: number, now: number): void {
    const { state } = member.breaker;
    if (state !== 'closed' && state !== 'warming') return;
    if (member.rateWindow < 0) member.rateWindow = this.#rates.take();
    this.#rates.add(member.rateWindow, weight, now);
  }

  #set(member: Member, breaker: breakers.BreakerState): void {
    const { pool, events, clock } = this.#parts;
    const from = member.breaker;
    if (breaker === from) return;
    // What it did before says nothing about how it does when it is back.
    if (!breakers.mayServe(breaker)) this.forget(member);
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
