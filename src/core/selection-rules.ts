import type { Candidates, SelectionContext } from '../strategies/strategy.js';
import { findCountry } from './geo.js';
import { shareOf } from './health.js';
import type { HostHealth } from './host-health.js';
import type { Member, Pool } from './pool.js';

/** What a proxy is acquired for. */
export interface AcquireContext extends SelectionContext {
  /** Ids of proxies that must not be used. */
  readonly exclude?: Iterable<string>;
  /** Ids of proxies that are used only when no other is left, such as those that failed this request before. */
  readonly avoid?: Iterable<string>;
}

/** Why a proxy is not chosen. */
export type ExclusionReason =
  | 'breaker'
  | 'drained'
  | 'disabled'
  | 'budget'
  | 'excluded'
  | 'country'
  | 'region'
  | 'city'
  | 'tags'
  | 'max-response-time'
  | 'min-success-rate'
  | 'filter'
  | 'cooldown'
  | 'avoided'
  | 'priority'
  | 'warming';

/** One reason to leave proxies out of a selection. */
export interface Rule {
  readonly reason: ExclusionReason;
  /** A soft rule gives way when it would leave nobody; the lowest rank goes first, Infinity never. */
  readonly rank: number;
  readonly allows: (member: Member) => boolean;
}

/** Limits that hold for every selection unless its context names others. */
export interface SelectionLimits {
  readonly maxResponseTimeMs: number | null;
  readonly minSuccessRate: number | null;
}

/** Results that a success rate must rest on before it rules a proxy out. */
const MIN_RESULTS = 5;

/** Order in which rules give way. A retry goes to a proxy that failed it only when nobody else is left. */
const RANK = { warming: 0, priority: 1, cooldown: 2, avoided: 3, hard: Number.POSITIVE_INFINITY } as const;

/**
 * The rules of one selection. Most selections have none: only what the context (or a limit) asks for is built.
 * Bans are soft because a whole pool can be cooling for a host that forbids one page.
 * @param warmingTurn number of the selection, where proxies are warming up; null where none is
 */
export function rulesFor(
  context: AcquireContext,
  host: string | null,
  now: number,
  hosts: HostHealth,
  limits: SelectionLimits,
  strategyChoosesPlace = false,
  warmingTurn: number | null = null,
): readonly Rule[] {
  const asksForNobody = asksForNothing(context, limits) && warmingTurn === null;
  if (asksForNobody && (host === null || !hosts.hasBans(host))) return NO_RULES;
  const rules: Rule[] = [];
  const hard = (reason: ExclusionReason, allows: Rule['allows']): void => {
    rules.push({ reason, rank: RANK.hard, allows });
  };
  const { exclude, avoid, country, region, city, tags, priority } = context;
  if (exclude !== undefined) {
    const ids = new Set(exclude);
    if (ids.size > 0) hard('excluded', ({ id }) => !ids.has(id));
  }
  if (!strategyChoosesPlace) {
    if (country !== undefined) {
      const code = findCountry(country);
      hard('country', ({ proxy }) => code !== undefined && proxy.geo?.countryCode === code);
    }
    if (region !== undefined) hard('region', ({ proxy }) => same(proxy.geo?.region, region));
    if (city !== undefined) hard('city', ({ proxy }) => same(proxy.geo?.city, city));
  }
  if (tags !== undefined && tags.length > 0) {
    hard('tags', ({ proxy }) => tags.every((tag) => proxy.tags.includes(tag)));
  }
  const slowest = context.maxResponseTimeMs ?? limits.maxResponseTimeMs;
  if (slowest !== null) hard('max-response-time', ({ stats }) => (stats.emaLatencyMs ?? 0) <= slowest);
  const lowest = context.minSuccessRate ?? limits.minSuccessRate;
  if (lowest !== null) hard('min-success-rate', ({ stats }) => successRate(stats) >= lowest);

  if (priority === 'high') {
    const proven: Rule['allows'] = ({ breaker, stats }) => breaker.state === 'closed' && stats.succeeded > 0;
    rules.push({ reason: 'priority', rank: RANK.priority, allows: proven });
  }
  if (host !== null && hosts.hasBans(host)) {
    const welcome: Rule['allows'] = ({ id }) => !hosts.isCooling(host, id, now);
    rules.push({ reason: 'cooldown', rank: RANK.cooldown, allows: welcome });
  }
  if (avoid !== undefined) {
    const ids = new Set(avoid);
    if (ids.size > 0) rules.push({ reason: 'avoided', rank: RANK.avoided, allows: ({ id }) => !ids.has(id) });
  }
  if (warmingTurn !== null) {
    const inTurn: Rule['allows'] = ({ breaker, slot }) => drawOf(warmingTurn, slot) < shareOf(breaker, now);
    rules.push({ reason: 'warming', rank: RANK.warming, allows: inTurn });
  }
  return rules;
}

/**
 * A number in [0, 1) for a proxy in a selection. A sequence by the golden ratio instead of chance: it keeps a share
 * to the request over any run of turns, and asking twice gives the same. The slot keeps two proxies out of step.
 */
function drawOf(turn: number, slot: number): number {
  return (turn * 0.6180339887498949 + slot * 0.41421356237309515) % 1;
}

const NO_RULES: readonly Rule[] = [];

/** The way of nearly every selection: nothing is allocated for it. */
function asksForNothing(context: AcquireContext, limits: SelectionLimits): boolean {
  return (
    context.exclude === undefined &&
    context.avoid === undefined &&
    context.country === undefined &&
    context.region === undefined &&
    context.city === undefined &&
    context.tags === undefined &&
    context.maxResponseTimeMs === undefined &&
    context.minSuccessRate === undefined &&
    context.priority === undefined &&
    limits.maxResponseTimeMs === null &&
    limits.minSuccessRate === null
  );
}

/**
 * The candidates under all rules, then with one rank of soft rules less after the other; lazily, because the first is
 * mostly enough. A country comes from an index, and so do the proxies that wait for a probe.
 */
export function* narrowings(
  pool: Pool,
  context: AcquireContext,
  rules: readonly Rule[],
): Generator<Candidates> {
  if (rules.length === 0 && context.priority !== 'low') {
    yield pool.candidates();
    return;
  }
  // Without the rule, the strategy looks after places. A code that is none matches nobody.
  const wanted = rules.some(({ reason }) => reason === 'country') ? context.country : undefined;
  const country = wanted === undefined ? undefined : (findCountry(wanted) ?? wanted);
  const all = country === undefined ? pool.candidates() : pool.candidates().inCountry(country);
  if (context.priority === 'low')
    yield narrow(country === undefined ? pool.probes() : pool.probes().inCountry(country), rules);
  const softRanks = [...new Set(rules.map(({ rank }) => rank))].filter(Number.isFinite).sort((a, b) => a - b);
  for (const given of [-1, ...softRanks]) {
    yield narrow(
      all,
      rules.filter(({ rank }) => rank > given),
    );
  }
}

/** Why a member that may serve nobody may not. */
export function whyNotServing({ disabled, drained, overBudget }: Member): ExclusionReason {
  if (disabled) return 'disabled';
  if (drained) return 'drained';
  return overBudget ? 'budget' : 'breaker';
}

/** The first rule that leaves the member out, or null. */
export function excludedBy(member: Member, rules: readonly Rule[]): ExclusionReason | null {
  return rules.find(({ allows }) => !allows(member))?.reason ?? null;
}

function narrow(candidates: Candidates, rules: readonly Rule[]): Candidates {
  // A country is in the view already, from its index.
  const tests = rules.filter(({ reason }) => reason !== 'country');
  if (tests.length === 0) return candidates;
  // What the pool's views hold are its members.
  return candidates.where((candidate) => tests.every(({ allows }) => allows(candidate as Member)));
}

/** 1 while there is too little to say. */
function successRate({ succeeded, failed }: { readonly succeeded: number; readonly failed: number }): number {
  return succeeded + failed < MIN_RESULTS ? 1 : succeeded / (succeeded + failed);
}

function same(known: string | undefined, wanted: string): boolean {
  return known !== undefined && known.toLowerCase() === wanted.toLowerCase();
}
