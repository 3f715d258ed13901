import type { SelectionEngine, Strategy } from '../strategies/strategy.js';
import type { Member } from './pool.js';
import {
  type AcquireContext,
  type ExclusionReason,
  excludedBy,
  type Rule,
  whyNotServing,
} from './selection-rules.js';
import type { Choice } from './strategy-seat.js';

/** What one proxy is in a selection. */
export interface ExplainedProxy {
  readonly proxyId: string;
  readonly status: 'chosen' | 'eligible' | 'excluded';
  /** How good it looks to the strategy, higher is better, in a unit of its own; null where it does not score. */
  readonly score: number | null;
  /** Why it is excluded; null otherwise. */
  readonly reason: ExclusionReason | null;
  /** Sent to it and received from it so far. */
  readonly bytes: number;
}

/** One selection, looked at from all sides. */
export interface Explanation {
  /** Null: `acquire` would throw. */
  readonly chosen: string | null;
  /** The strategy that would choose: the fallback, where the one in use cannot. */
  readonly strategy: string;
  readonly reason: 'strategy' | 'session';
  readonly proxies: readonly ExplainedProxy[];
  /** What the choice depends on besides the pool: given again, the choice is the same. */
  readonly inputs: {
    readonly context: AcquireContext;
    readonly now: number;
    readonly random: readonly number[];
    /** What the strategy had saved before. */
    readonly state: unknown;
  };
}

export interface ExplainParts {
  readonly members: readonly Member[];
  readonly isServing: (member: Member) => boolean;
  /** Whether the filters of the strategy let it pass. */
  readonly passesFilters: (member: Member) => boolean;
  readonly rules: readonly Rule[];
  readonly choice: Choice | undefined;
  readonly reason: Explanation['reason'];
  readonly strategy: Strategy;
  readonly inputs: Explanation['inputs'];
  readonly engine: SelectionEngine;
}

export function explainSelection(parts: ExplainParts): Explanation {
  const { choice, strategy, engine, inputs } = parts;
  const chosen = choice?.candidate as Member | undefined;
  const rules = rulesInForce(parts, chosen);
  const proxies = parts.members.map((member): ExplainedProxy => {
    const proxyId = member.id;
    const bytes = member.stats.bytesUp + member.stats.bytesDown;
    if (member === chosen) {
      return {
        proxyId,
        status: 'chosen',
        score: scoreOf(strategy, member, inputs.context, engine),
        reason: null,
        bytes,
      };
    }
    const unwell = parts.isServing(member) ? null : whyNotServing(member);
    const reason = unwell ?? excludedBy(member, rules) ?? (parts.passesFilters(member) ? null : 'filter');
    if (reason !== null) return { proxyId, status: 'excluded', score: null, reason, bytes };
    return {
      proxyId,
      status: 'eligible',
      score: scoreOf(strategy, member, inputs.context, engine),
      reason: null,
      bytes,
    };
  });
  return {
    chosen: chosen?.id ?? null,
    strategy: choice?.strategy.name ?? strategy.name,
    reason: parts.reason,
    proxies,
    inputs,
  };
}

/** Soft rules that had to give way, so that this one could be chosen, leave out nobody else either; for nobody, all have. */
function rulesInForce({ rules, inputs, reason }: ExplainParts, chosen: Member | undefined): readonly Rule[] {
  if (chosen === undefined) return rules.filter(({ rank }) => !Number.isFinite(rank));
  const broken = rules.filter(({ allows }) => !allows(chosen));
  const given = Math.max(Number.NEGATIVE_INFINITY, ...broken.map(({ rank }) => rank));
  const inForce = rules.filter(({ rank }) => rank > given);
  const isProbe = chosen.breaker.state === 'half-open' && broken.length === 0;
  if (inputs.context.priority !== 'low' || reason === 'session' || !isProbe) return inForce;
  return [
    ...inForce,
    { reason: 'priority', rank: 0, allows: ({ breaker }) => breaker.state === 'half-open' },
  ];
}

/** A strategy that cannot say is no reason not to explain the rest. */
function scoreOf(
  strategy: Strategy,
  member: Member,
  context: AcquireContext,
  engine: SelectionEngine,
): number | null {
  try {
    return strategy.score?.(member, context, engine) ?? null;
  } catch {
    return null;
  }
}
