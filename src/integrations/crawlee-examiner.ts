import type { Timers } from '../core/clock.js';
import { BlockedPageError } from '../errors.js';
import { isProxyPage } from '../transport/classify.js';
import type { Judgement } from '../transport/judge.js';
import { type BrowserPage, readBody, readPage } from './crawlee-answer.js';
import type { Attempt } from './crawlee-attempt.js';
import type { CrawleeSession } from './crawlee-session.js';

/** What becomes of a page that turns the client away. */
export type OnBlocked = 'retry' | 'report';

interface ExaminedContext {
  readonly session?: CrawleeSession;
  readonly page?: BrowserPage;
}

/** Looks at answers before the user's code sees them. What is wrong with one comes back as the error to throw. */
export class Examiner {
  readonly #onBlocked: OnBlocked;
  readonly #timers: Timers;

  constructor(onBlocked: OnBlocked, timers: Timers) {
    this.#onBlocked = onBlocked;
    this.#timers = timers;
  }

  /** @param bodyFollows the body of an HTTP answer will be looked at as well, by {@link handed} */
  async answered(attempt: Attempt, context: ExaminedContext, bodyFollows: boolean): Promise<Error | null> {
    const { status, plainHttp } = attempt;
    if (status !== undefined && isProxyPage(status, plainHttp)) return refused(attempt, proxyPage(status));
    const { page } = context;
    if (page === undefined) {
      if (bodyFollows && !attempt.isProvenBlocked()) return null;
      return this.#problem(attempt, attempt.judge(), context);
    }
    const markup = attempt.isDocument() ? await readPage(page, this.#timers) : undefined;
    return this.#problem(attempt, attempt.judge(markup), context);
  }

  /** Called when Crawlee hands the page of an HTTP crawler to the user's handler. */
  handed(attempt: Attempt, context: ExaminedContext): Error | null {
    return attempt.judged ? null : this.#problem(attempt, attempt.judge(readBody(context)), context);
  }

  #problem(attempt: Attempt, judgement: Judgement | null, { session }: ExaminedContext): Error | null {
    if (judgement === null) return null;
    const { verdict, rule, blocked } = judgement;
    // The page of a proxy must never reach the user's handler as if it were the target's.
    if (verdict === 'proxy' || verdict === 'auth' || (verdict === 'ambiguous' && rule === 'proxy-page'))
      return refused(attempt, proxyPage(attempt.status));
    // A bare status is left to Crawlee, which refuses it unless its user wants to see it.
    if (!blocked || rule === null || rule.startsWith('status-') || this.#onBlocked === 'report') return null;
    // As Crawlee does with a blocked status: the cookies are burnt together with the address.
    session?.retire?.();
    const { proxy, host } = attempt.lease;
    return refused(attempt, new BlockedPageError(host ?? '', rule, proxy.id));
  }
}

function refused(attempt: Attempt, error: Error): Error {
  attempt.refused = true;
  return error;
}

function proxyPage(status: number | undefined): Error {
  return new Error(`Proxy responded with ${status} in place of the target.`);
}
