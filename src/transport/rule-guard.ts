import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.js';

/** When a rule that finds bans is no longer believed. */
export interface RuleGuardSettings {
  /** Share of a host's answers that a rule must flag to become suspect. Default 0.9. */
  readonly share: number;
  /** Share below which it is believed again; lower than `share`, so that it does not flap. Default 0.7. */
  readonly releaseShare: number;
  /** Answers of the host that are needed to tell. Default 20. */
  readonly minAnswers: number;
  /** Different proxies among the flagged answers: a host that bans one proxy bans it every time. Default 5. */
  readonly minProxies: number;
  /**
   * How long an answer counts, in ms. Default 600,000: a flagged pair rests for 30, 60, 120 s, so that a pool of
   * five takes minutes to bring 20 answers.
   */
  readonly windowMs: number;
  /** Answers that are remembered of each host, the last ones. Default 64. */
  readonly maxAnswers: number;
  /** Hosts that are remembered; the least recently used is forgotten first. Default 1,000. */
  readonly maxHosts: number;
}

/** A rule flags nearly everything that a host answers. */
export interface SuspectRule {
  readonly host: string;
  readonly rule: string;
  /** Answers of the host that count now. */
  readonly answers: number;
  /** How many of them the rule flagged. */
  readonly flagged: number;
  /** Through how many different proxies. */
  readonly proxies: number;
}

/** One answer of a host, and which rule found it blocked. */
export interface JudgedAnswer {
  readonly host: string;
  readonly proxyId: string;
  /** Null: no rule did. */
  readonly rule: string | null;
}

interface Seen {
  readonly at: number;
  readonly proxyId: string;
  readonly rule: string | null;
}

interface HostRecord {
  readonly answers: Seen[];
  readonly suspects: Set<string>;
}

const defaults: RuleGuardSettings = {
  share: 0.9,
  releaseShare: 0.7,
  minAnswers: 20,
  minProxies: 5,
  windowMs: 600_000,
  maxAnswers: 64,
  maxHosts: 1_000,
};

/**
 * Keeps a rule that is wrong from emptying the pool. A page that every proxy is shown is more likely the site's than
 * a ban of each of them: a path that needs a login, a new layout, a user's rule with a mistake. Bounded in memory.
 */
export class RuleGuard {
  readonly #clock: Clock;
  readonly #onSuspect: (suspect: SuspectRule) => void;
  readonly #settings: RuleGuardSettings;
  readonly #hosts: LRUCache<string, HostRecord>;

  /** `onSuspect` is called once each time that a rule becomes suspect on a host. */
  constructor(
    clock: Clock,
    onSuspect: (suspect: SuspectRule) => void,
    settings: Partial<RuleGuardSettings> = {},
  ) {
    this.#clock = clock;
    this.#onSuspect = onSuspect;
    this.#settings = { ...defaults, ...settings };
    // By size and not by `max`, which would reserve the memory of all hosts when the engine is made.
    this.#hosts = new LRUCache({ maxSize: this.#settings.maxHosts, sizeCalculation: () => 1 });
  }

  /**
   * Counts an answer, flagged or not, and says whether the finding may be believed: false means that the ban is to
   * be settled as neutral. An answer that was not flagged is always believed.
   */
  believes({ host, proxyId, rule }: JudgedAnswer): boolean {
    const record = this.#record(host);
    record.answers.push({ at: this.#clock.now(), proxyId, rule });
    if (record.answers.length > this.#settings.maxAnswers) record.answers.shift();
    this.#release(record);
    if (rule === null) return true;
    if (record.suspects.has(rule)) return false;
    const found = this.#suspicion(host, rule, record.answers);
    if (found === null) return true;
    record.suspects.add(rule);
    this.#onSuspect(found);
    return false;
  }

  /**
   * The same for somebody who saw more of an answer that was counted as not flagged: it is counted once, now flagged.
   */
  corrects(answer: JudgedAnswer): boolean {
    const { answers } = this.#record(answer.host);
    const at = answers.findLastIndex(({ proxyId, rule }) => proxyId === answer.proxyId && rule === null);
    if (at >= 0) answers.splice(at, 1);
    return this.believes(answer);
  }

  /** Whether the rule is not believed on this host at present. */
  isSuspect(host: string, rule: string): boolean {
    const record = this.#hosts.peek(host);
    if (record === undefined) return false;
    this.#expire(record);
    this.#release(record);
    return record.suspects.has(rule);
  }

  #record(host: string): HostRecord {
    let record = this.#hosts.get(host);
    if (record === undefined) {
      record = { answers: [], suspects: new Set() };
      this.#hosts.set(host, record);
    }
    this.#expire(record);
    return record;
  }

  #expire({ answers, suspects }: HostRecord): void {
    const from = this.#clock.now() - this.#settings.windowMs;
    const kept = answers.findIndex(({ at }) => at > from);
    answers.splice(0, kept < 0 ? answers.length : kept);
    // Nothing is known any more, so the rule starts afresh.
    if (answers.length === 0) suspects.clear();
  }

  #release({ answers, suspects }: HostRecord): void {
    for (const rule of suspects) {
      const flagged = answers.filter((answer) => answer.rule === rule).length;
      if (flagged < answers.length * this.#settings.releaseShare) suspects.delete(rule);
    }
  }

  #suspicion(host: string, rule: string, answers: readonly Seen[]): SuspectRule | null {
    const { minAnswers, minProxies, share } = this.#settings;
    if (answers.length < minAnswers) return null;
    const flagged = answers.filter((answer) => answer.rule === rule);
    const proxies = new Set(flagged.map(({ proxyId }) => proxyId)).size;
    if (flagged.length < answers.length * share || proxies < minProxies) return null;
    return { host, rule, answers: answers.length, flagged: flagged.length, proxies };
  }
}
