import type { Clock } from '../core/clock.js';
import { isVerdict, type Verdict } from '../core/outcome.js';
import type { UserClassify } from '../core/user-classify.js';
import { AnswerHeaders } from './answer-headers.js';
import { type BlockFinding, detectBlock, MAX_BLOCK_BODY, type SeenAnswer } from './block-page.js';
import { classify } from './classify.js';
import { RuleGuard, type SuspectRule } from './rule-guard.js';

/** What is thought of one answer. */
export interface Judgement {
  readonly verdict: Verdict;
  /**
   * Who found it: a rule of {@link detectBlock}, `proxy-page`, or `classify` for the user's own; null = nobody. It is
   * named although a suspect one is not believed: then the verdict is `neutral`.
   */
  readonly rule: string | null;
  /** How long the answer asks us to stay away, in ms; null when it does not say. */
  readonly retryAfterMs: number | null;
  /** Whether the target turned this proxy away. */
  readonly blocked: boolean;
  /** Whether another proxy may bring a better answer: it is the proxy, or its standing with the target, that spoilt it. */
  readonly elsewhere: boolean;
  /** What the proxy says of an answer that may be its own: that it is not. See `Outcome`. */
  readonly passedOn?: true;
}

/** Between whom the answer went. */
export interface JudgedPair {
  /** `host:port` of the target. */
  readonly host: string;
  readonly proxyId: string;
}

/** What a judge is made of. */
export interface JudgeParts {
  readonly clock: Clock;
  /** ms since 1970: what a `Retry-After` with a date is read against where the answer has no `Date`. */
  readonly wallNow: () => number;
  readonly classify?: UserClassify | null | undefined;
  /** Called once each time that a rule becomes suspect on a host. */
  readonly onSuspect: (suspect: SuspectRule) => void;
  /** Told of what the user's rule throws, or that it returns something else than a verdict. */
  readonly onClassifyError?: ((error: unknown) => void) | undefined;
}

/** Verdicts that cost a proxy, or its standing with the host, something: a rule that is wrong must not spread them. */
const costly: ReadonlySet<Verdict> = new Set(['banned', 'proxy', 'auth', 'ambiguous']);

/**
 * The one place where answers are judged: the user's rule, then block pages, then the status; a rule that flags all
 * of a host is not believed. It has a memory, so that one engine has one judge.
 */
export class Judge {
  readonly #parts: JudgeParts;
  readonly #guard: RuleGuard;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
    this.#guard = new RuleGuard(parts.clock, parts.onSuspect);
  }

  /** Whether the user's rule wants to see every text, whatever its status. */
  get readsAll(): boolean {
    return this.#parts.classify != null;
  }

  /** Judges an answer and remembers it. Never throws; call it once for each answer. */
  answer(reply: SeenAnswer, { host, proxyId }: JudgedPair): Judgement {
    const finding = detectBlock(reply, this.#parts.wallNow());
    const own = this.#ownVerdict(reply, { host, proxyId });
    const { status, plainHttp } = reply;
    const seen = own ?? classify({ phase: 'answered', plainHttp, status, finding });
    const rule = own === undefined ? (finding.rule ?? proxyRule(finding, seen)) : 'classify';
    // A proxy's own page says nothing about the host, and a 429 needs no rule to be read: every proxy may get one.
    const certain = own === undefined && status === 429;
    const flagged = !certain && costly.has(seen) && (own !== undefined || finding.blocked) ? rule : null;
    const verdict = this.#guard.believes({ host, proxyId, rule: flagged }) ? seen : 'neutral';
    return {
      verdict,
      rule,
      retryAfterMs: finding.retryAfterMs,
      blocked: verdict === 'banned',
      elsewhere: rule !== null && costly.has(verdict),
      ...(own === undefined && verdict === 'ambiguous' && finding.passedOn ? { passedOn: true } : {}),
    };
  }

  /**
   * The user's code says that the answer, which was judged before, is a ban after all.
   * @returns `banned`, or `neutral` when it says so of everything that the host answers
   */
  handler({ host, proxyId }: JudgedPair, rule = 'handler'): Verdict {
    return this.#guard.corrects({ host, proxyId, rule }) ? 'banned' : 'neutral';
  }

  #ownVerdict({ url, status, headers, body }: SeenAnswer, who: JudgedPair): Verdict | undefined {
    const { classify: own, onClassifyError } = this.#parts;
    if (own == null) return undefined;
    const given = new AnswerHeaders(headers);
    try {
      const verdict: unknown = own({
        url,
        status,
        headers: { get: (name) => given.get(name.toLowerCase()) },
        body: body?.slice(0, MAX_BLOCK_BODY),
        ...who,
      });
      if (verdict === undefined || isVerdict(verdict)) return verdict;
      if (verdict instanceof Promise) verdict.catch(() => {});
      throw new TypeError('classify must return a verdict or undefined');
    } catch (error) {
      onClassifyError?.(error);
      return undefined;
    }
  }
}

function proxyRule(finding: BlockFinding, verdict: Verdict): string | null {
  return finding.proxySpoke && costly.has(verdict) ? 'proxy-page' : null;
}
