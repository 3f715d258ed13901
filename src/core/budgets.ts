import type { BudgetEvent } from './events.js';
import type { Proxy } from './proxy.js';

/** What a group of proxies may use: those with a tag, those of a source, or all. */
export interface BudgetSettings {
  /** In bytes, or in the unit of `proxy.cost`, which is the price of 10^9 bytes then. */
  readonly unit: 'bytes' | 'cost';
  readonly limit: number;
  readonly tag: string | null;
  readonly source: string | null;
  /** It starts anew so many seconds after its first byte; null = never. */
  readonly windowSeconds: number | null;
}

/** A budget as of now. */
export interface BudgetReport extends BudgetSettings {
  readonly used: number;
  /** True when nothing new goes to its proxies. */
  readonly spent: boolean;
  /** When it starts anew, in ms from now; null = never, or nothing was used yet. */
  readonly resetMs: number | null;
}

/** A budget that outlives the process; its limit may be another one by then. */
export interface LearnedBudget extends Omit<BudgetSettings, 'limit'> {
  readonly used: number;
  /** Time since its first byte, in ms. */
  readonly ageMs: number;
}

export interface BudgetsParts {
  readonly tell: (event: BudgetEvent) => void;
  /** Called when {@link Budgets.stops} may say something else of any proxy. */
  readonly onChange: () => void;
}

const BYTES_PER_COST = 1e9;
const WARNED_PERCENT = 80;

/** How much of each budget was used, and whom that stops. Works with times in monotonic ms. */
export class Budgets {
  readonly #budgets: readonly Budget[];
  readonly #parts: BudgetsParts;
  #nextReset: number = Number.POSITIVE_INFINITY;

  constructor(settings: readonly BudgetSettings[], parts: BudgetsParts) {
    this.#budgets = settings.map((one, index) => new Budget(one, index));
    this.#parts = parts;
  }

  /** Whether a budget of this proxy is used up. */
  stops(proxy: Proxy): boolean {
    return this.#budgets.some((budget) => budget.spent && budget.covers(proxy));
  }

  /** When no budget stops this proxy any more; null = never, by time alone. */
  freeAt(proxy: Proxy): number | null {
    const stopping = this.#budgets.filter((budget) => budget.spent && budget.covers(proxy));
    const latest = Math.max(...stopping.map(({ endsAt }) => endsAt));
    return Number.isFinite(latest) ? latest : null;
  }

  spend(proxy: Proxy, bytes: number, now: number): void {
    if (this.#budgets.length === 0) return;
    this.advance(now);
    let spent = false;
    for (const budget of this.#budgets) {
      if (!budget.covers(proxy)) continue;
      const amount = budget.unit === 'bytes' ? bytes : (bytes / BYTES_PER_COST) * (proxy.cost ?? 0);
      if (amount === 0) continue;
      const before = budget.percent;
      budget.use(amount, now);
      this.#nextReset = Math.min(this.#nextReset, budget.endsAt);
      if (before < WARNED_PERCENT && budget.percent >= WARNED_PERCENT)
        this.#parts.tell(budget.event(WARNED_PERCENT, now));
      if (before >= 100 || !budget.spent) continue;
      spent = true;
      this.#parts.tell(budget.event(100, now));
    }
    if (spent) this.#parts.onChange();
  }

  /** Starts those anew whose window is over. One comparison while there is none. */
  advance(now: number): void {
    if (now < this.#nextReset) return;
    const due = this.#budgets.filter(({ endsAt }) => endsAt <= now);
    const freed = due.some(({ spent }) => spent);
    for (const budget of due) budget.reset();
    this.#nextReset = Math.min(...this.#budgets.map(({ endsAt }) => endsAt));
    if (freed) this.#parts.onChange();
  }

  report(now: number): BudgetReport[] {
    return this.#budgets.map((budget) => budget.report(now));
  }

  /** Those of which something was used. */
  learned(now: number): LearnedBudget[] {
    return this.#budgets.flatMap((budget) => budget.learned(now) ?? []);
  }

  /** Takes over what was used `elapsedMs` ago and before; nobody is told once more. */
  restore(learned: readonly LearnedBudget[], elapsedMs: number, now: number): void {
    for (const budget of this.#budgets) {
      const known = learned.find((one) => budget.isFor(one));
      if (known === undefined) continue;
      budget.restore(known.used, now - known.ageMs - elapsedMs);
      this.#nextReset = Math.min(this.#nextReset, budget.endsAt);
    }
    this.advance(now);
    this.#parts.onChange();
  }
}

class Budget {
  readonly unit: BudgetSettings['unit'];
  readonly #settings: BudgetSettings;
  readonly #index: number;
  #used = 0;
  /** Monotonic ms of its first byte; Infinity before. */
  #since: number = Number.POSITIVE_INFINITY;

  constructor(settings: BudgetSettings, index: number) {
    this.unit = settings.unit;
    this.#settings = settings;
    this.#index = index;
  }

  get spent(): boolean {
    return this.#used >= this.#settings.limit;
  }

  get percent(): number {
    return (this.#used / this.#settings.limit) * 100;
  }

  /** Infinity where it does not start anew. */
  get endsAt(): number {
    const { windowSeconds } = this.#settings;
    return windowSeconds === null ? Number.POSITIVE_INFINITY : this.#since + windowSeconds * 1000;
  }

  covers({ tags, source }: Proxy): boolean {
    const { tag, source: from } = this.#settings;
    return (tag === null || tags.includes(tag)) && (from === null || source === from);
  }

  use(amount: number, now: number): void {
    if (this.#used === 0) this.#since = now;
    this.#used += amount;
  }

  reset(): void {
    this.#used = 0;
    this.#since = Number.POSITIVE_INFINITY;
  }

  restore(used: number, since: number): void {
    this.#used = used;
    this.#since = since;
  }

  isFor({ unit, tag, source, windowSeconds }: LearnedBudget): boolean {
    const own = this.#settings;
    return (
      own.unit === unit && own.tag === tag && own.source === source && own.windowSeconds === windowSeconds
    );
  }

  learned(now: number): LearnedBudget | null {
    const { limit: _limit, ...group } = this.#settings;
    return this.#used === 0 ? null : { ...group, used: this.#used, ageMs: now - this.#since };
  }

  report(now: number): BudgetReport {
    return { ...this.#settings, used: this.#used, spent: this.spent, resetMs: this.#resetMs(now) };
  }

  event(percent: BudgetEvent['percent'], now: number): BudgetEvent {
    const { tag, source, unit, limit } = this.#settings;
    const resetMs = this.#resetMs(now);
    return { budget: this.#index, tag, source, unit, percent, used: this.#used, limit, resetMs };
  }

  #resetMs(now: number): number | null {
    return Number.isFinite(this.endsAt) ? Math.max(0, this.endsAt - now) : null;
  }
}
