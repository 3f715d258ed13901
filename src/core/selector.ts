import { NoCandidateError, StrategyMetadataError } from '../errors.js';
import type { Candidates, SelectionEngine } from '../strategies/strategy.js';
import type { Budgets } from './budgets.js';
import { nextChange } from './health.js';
import type { HostHealth } from './host-health.js';
import { isUntrusted, leastRecentlyFailed, type Panic } from './panic.js';
import type { Member, Pool } from './pool.js';
import {
  type AcquireContext,
  excludedBy,
  narrowings,
  type Rule,
  rulesFor,
  type SelectionLimits,
  whyNotServing,
} from './selection-rules.js';
import type { Sessions } from './sessions.js';
import type { Choice, StrategySeat } from './strategy-seat.js';
import { targetOf } from './target.js';

/** What one selection goes by. */
export interface Selection {
  readonly context: AcquireContext;
  readonly host: string | null;
  readonly now: number;
  readonly rules: readonly Rule[];
}

/** A session that looks for its proxy. */
export interface SessionPlace {
  /** In which the session looks for another proxy. */
  readonly context: AcquireContext;
  /** The proxy that it stays with. */
  readonly stays: Member | undefined;
  /** Id of the proxy that it was bound to. */
  readonly previous: string | undefined;
}

export interface SelectorParts {
  readonly pool: Pool;
  readonly budgets: Budgets;
  readonly hosts: HostHealth;
  readonly sessions: Sessions;
  readonly seat: StrategySeat;
  readonly panic: Panic;
  readonly limits: SelectionLimits;
}

/** Who may be chosen for a request, and who is. Changes nothing but the strategy's own state. */
export class Selector {
  readonly #parts: SelectorParts;
  /** The one view of a selection without rules. */
  readonly #everybody: readonly Candidates[];

  constructor(parts: SelectorParts) {
    this.#parts = parts;
    this.#everybody = [parts.pool.candidates()];
  }

  /** @param turn number of the selection: decides which of the proxies that warm up are left out */
  selection(context: AcquireContext, now: number, turn: number): Selection {
    const { pool, hosts, limits, seat } = this.#parts;
    const host = targetHost(context);
    const warming = pool.hasWarming ? turn : null;
    const rules = rulesFor(context, host, now, hosts, limits, seat.current.choosesPlace, warming);
    return { context, host, now, rules };
  }

  /** @throws NoCandidateError, StrategyMetadataError */
  choose(selection: Selection, engine: SelectionEngine): Choice {
    const choice = this.look(selection, engine, false);
    if (choice === undefined || choice instanceof NoCandidateError) throw this.#nobody(selection, choice);
    return choice;
  }

  /**
   * The same without throwing. Undefined or an error: the strategy wants nobody, and perhaps says why.
   * @param quiet no events: the choice is only looked at
   */
  look(
    { context, rules }: Selection,
    engine: SelectionEngine,
    quiet = true,
  ): Choice | NoCandidateError | undefined {
    let refusal: NoCandidateError | undefined;
    const plain = rules.length === 0 && context.priority !== 'low';
    const { panic, seat } = this.#parts;
    for (const candidates of plain ? this.#everybody : narrowings(this.#parts.pool, context, rules)) {
      try {
        const choice = panic.on
          ? this.#inPanic(candidates, context)
          : seat.choose(candidates, context, engine, quiet);
        if (choice !== undefined) return choice;
      } catch (error) {
        if (error instanceof NoCandidateError) refusal = error;
        // explain() tells that nobody would be chosen; acquire() throws.
        else if (quiet && error instanceof StrategyMetadataError) return undefined;
        else throw error;
      }
    }
    return refusal;
  }

  /** Past the strategy, but within what it lets pass. */
  #inPanic(candidates: Candidates, context: AcquireContext): Choice | undefined {
    const { seat } = this.#parts;
    const candidate = leastRecentlyFailed(seat.narrow(candidates, context) as Iterable<Member>);
    return candidate && { candidate, strategy: seat.current };
  }

  /** Where a session is bound: the proxy it stays with, or else the context in which it looks for another. */
  place(sessionId: string, context: AcquireContext, now: number): SessionPlace {
    const binding = this.#parts.sessions.binding(sessionId, now);
    const previous = binding?.proxyId;
    if (previous === undefined) return { context, stays: undefined, previous };
    const { panic, pool } = this.#parts;
    const member = pool.get(previous);
    const stays = member !== undefined && binding?.leaving !== true && pool.isServing(member);
    if (stays && !(panic.on && isUntrusted(member))) {
      // Priority and warming are about whom to try out; a session that has a proxy tries out nobody.
      const { rules } = this.selection(context, now, 0);
      const inForce =
        rules.length === 0
          ? rules
          : rules.filter(({ reason }) => reason !== 'priority' && reason !== 'warming');
      if (excludedBy(member, inForce) === null) return { context, stays: member, previous };
    }
    return {
      context: { ...context, avoid: [...(context.avoid ?? []), previous] },
      stays: undefined,
      previous,
    };
  }

  #nobody({ rules, now }: Selection, refusal: NoCandidateError | undefined): NoCandidateError {
    // Soft rules have given way, so none of them is the reason.
    const hard = rules.filter(({ rank }) => !Number.isFinite(rank));
    const removedBy: Record<string, number> = {};
    let dueAt = Number.POSITIVE_INFINITY;
    const { pool, budgets } = this.#parts;
    for (const member of pool.list()) {
      const { breaker, proxy } = member;
      const byHealth = pool.isServing(member) ? null : whyNotServing(member);
      const reason = excludedBy(member, hard) ?? byHealth ?? 'strategy';
      removedBy[reason] = (removedBy[reason] ?? 0) + 1;
      if (reason === 'breaker') dueAt = Math.min(dueAt, nextChange(breaker) ?? dueAt);
      if (reason === 'budget') dueAt = Math.min(dueAt, budgets.freeAt(proxy) ?? dueAt);
    }
    if (refusal !== undefined) {
      delete removedBy.strategy;
      Object.assign(removedBy, refusal.removedBy);
    }
    return new NoCandidateError(removedBy, Number.isFinite(dueAt) ? Math.max(0, dueAt - now) : null);
  }
}

/** `host:port` of the target that a request is for. */
export function targetHost({ host, url }: AcquireContext): string | null {
  return host ?? (url === undefined ? null : targetOf(url));
}
