import type { Clock } from '../core/clock.js';
import type { Lease } from '../core/lease.js';
import type { Verdict } from '../core/outcome.js';
import { detectBlock, type SeenAnswer } from '../transport/block-page.js';
import { isTargetCertificateFault } from '../transport/certificate-fault.js';
import { classify, isHardFault, type Phase } from '../transport/classify.js';
import type { Judge, Judgement } from '../transport/judge.js';
import type { Seen } from './crawlee-answer.js';
import { type CrawleeSession, heedSession } from './crawlee-session.js';
import type { Patience } from './crawlee-timeouts.js';
import { type CrawleeRequest, requestState, watchRequest } from './crawlee-watch.js';

/** Called once, when an attempt has ended: `verdict` is what it looks like, and the lease is still to be settled. */
export type AttemptEnd = (attempt: Attempt, verdict: Verdict, error: unknown) => void;

/** Errors of Crawlee's that say no more than the status of the answer. */
const OF_STATUS = /request blocked - received|blocked (?:by )?status code|^(?:Error: )?\d{3} - /im;

/**
 * One attempt of Crawlee at one request: collects what is seen of it, from the request itself and from hooks where
 * they are wired.
 */
export class Attempt {
  readonly request: CrawleeRequest;
  /** False when the request cannot be watched: then the hooks are all there is. */
  readonly watched: boolean;
  lease: Lease;
  /** Looks at the answer that Crawlee holds by now; set where hooks are wired. */
  look: (() => Seen) | undefined;
  /** The session that the handler is given; set where hooks are wired. */
  session: CrawleeSession | undefined;
  /** Set where the navigation has a limit of its own. */
  patience: Patience | undefined;
  /** Says better than its client why a connection through the proxy failed; set where somebody of ours saw it. */
  upstreamFault: (() => unknown) | undefined;
  /** The answer was kept from the user's handler, for what it was judged to be. */
  refused = false;
  readonly #clock: Clock;
  readonly #onEnd: AttemptEnd;
  readonly #judge: Judge | null;
  readonly #stop: (() => void) | undefined;
  #unheed: (() => void) | undefined;
  #phase: Phase = 'start';
  #navigationAt: number | null = null;
  #navigationMs: number | undefined;
  #seen: Seen = {};
  #judgement: Judgement | null = null;
  /** How the handler said that the session is burnt. */
  #complaint: string | null = null;
  /** What the client that sent the request was told, before Crawlee made its own error of it. */
  #cause: unknown;
  #ended = false;

  constructor(
    request: CrawleeRequest,
    lease: Lease,
    clock: Clock,
    onEnd: AttemptEnd,
    judge: Judge | null = null,
  ) {
    this.request = request;
    this.lease = lease;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#judge = judge;
    this.#stop = watchRequest(request, {
      onState: (state) => this.#onState(state),
      onError: (error) => this.end(error),
    });
    this.watched = this.#stop !== undefined;
  }

  get plainHttp(): boolean {
    return this.request.url.startsWith('http:');
  }

  get status(): number | undefined {
    return this.#seen.status;
  }

  get judged(): boolean {
    return this.#judgement !== null;
  }

  /** From the start of the navigation to its answer, in ms; unlike the latency, as the limit counts it. */
  get navigationMs(): number | undefined {
    return this.#navigationMs;
  }

  /** The request leaves now. The last call counts: hooks know better than the state, which is set before them. */
  navigating(): void {
    if (this.#phase !== 'start' && this.#phase !== 'navigation') return;
    this.#phase = 'navigation';
    this.#navigationAt = this.#clock.now();
  }

  /** The head of the answer is here. What a hook has measured counts over the time between two states. */
  answered(seen: Seen = {}): void {
    this.patience?.stop();
    if (this.#phase === 'start' || this.#phase === 'navigation') {
      this.#phase = 'answered';
      if (this.#navigationAt !== null) this.#navigationMs = this.#clock.now() - this.#navigationAt;
    }
    this.#seen = { ...this.#seen, ...seen };
  }

  /** The request failed. Unlike the error of Crawlee's that follows, this one has its code and its causes. */
  sendFailed(error: unknown): void {
    if (this.#phase === 'navigation') this.#cause = error;
  }

  /** Whether the head alone shows that this is a wall, whatever stands on the page. */
  isProvenBlocked(): boolean {
    const reply = this.#reply();
    return reply !== null && /^(?!status-)/.test(detectBlock(reply).rule ?? 'status-');
  }

  isDocument(): boolean {
    const { headers } = this.#seen;
    if (headers === undefined || typeof headers === 'function') return true;
    return /html|^$/.test(String(headers['content-type'] ?? ''));
  }

  /** Judges the answer, once: what is seen of it later changes nothing. Null where too little is known. */
  judge(body?: string): Judgement | null {
    const reply = this.#reply();
    const { host, proxy } = this.lease;
    if (this.#judgement === null && this.#judge !== null && reply !== null && host !== undefined) {
      this.#judgement = this.#judge.answer({ ...reply, body }, { host, proxyId: proxy.id });
    }
    return this.#judgement;
  }

  /** Ends the attempt; without an error it was a success if an answer came. Further calls do nothing. */
  end(error?: unknown): void {
    if (!this.#finish()) return;
    // Crawlee's own first hook may have refused the answer before ours saw it.
    if (this.#phase === 'answered' && this.#seen.status === undefined) this.answered(this.look?.());
    if (error !== undefined && this.#phase === 'navigation')
      this.#cause = this.upstreamFault?.() ?? this.#cause;
    this.#onEnd(this, this.#verdict(error), error);
  }

  /** Ends it without a result: a newer attempt took its place, or the engine closes. */
  abandon(): void {
    if (this.#finish()) this.#onEnd(this, 'neutral', undefined);
  }

  /** Whether it was given up because this proxy usually takes less time; true from its end on. */
  wasCut(): boolean {
    const { ms } = this.patience ?? { ms: null };
    if (ms === null || this.#phase !== 'navigation' || this.#navigationAt === null) return false;
    // A timer may fire a fraction early.
    return this.#clock.now() - this.#navigationAt + 1 >= ms;
  }

  /** Settles the lease; returns what was charged. */
  settle(verdict: Verdict, given?: unknown): Verdict {
    const error = given === undefined ? undefined : (this.#cause ?? given);
    const { status, latencyMs = this.#navigationMs } = this.#seen;
    const retryAfterMs = this.#judgement?.retryAfterMs;
    return this.lease.settle({
      verdict,
      ...(error !== undefined && { error }),
      ...(status !== undefined && { status }),
      ...(latencyMs !== undefined && { latencyMs }),
      ...(retryAfterMs != null && { retryAfterMs }),
      ...(verdict === 'proxy' && isHardFault(error) && { hard: true }),
      ...(isTargetCertificateFault(error, this.lease.proxy.protocol) && { intercepted: true }),
    });
  }

  #verdict(error: unknown): Verdict {
    if (error !== undefined && this.wasCut()) return 'ambiguous';
    const { status } = this.#seen;
    const judgement = this.#phase === 'answered' || this.#phase === 'handler' ? this.judge() : null;
    if (judgement?.blocked === true) return 'banned';
    if (this.#complaint !== null) return this.#banned(this.#complaint);
    if (judgement !== null && (error === undefined || this.refused || OF_STATUS.test(String(error))))
      return judgement.verdict;
    const verdict = classify({
      phase: this.#phase,
      plainHttp: this.plainHttp,
      ...(error !== undefined && { error: this.#cause ?? error }),
      ...(status !== undefined && { status }),
    });
    if (verdict !== 'banned' || judgement === null) return verdict;
    return this.#banned(this.#phase === 'handler' ? 'handler' : 'crawlee');
  }

  /** Somebody who saw the page says that it is a ban. */
  #banned(rule: string): Verdict {
    const { host, proxy } = this.lease;
    if (this.#judge === null || host === undefined) return 'banned';
    return this.#judge.handler({ host, proxyId: proxy.id }, rule);
  }

  #reply(): SeenAnswer | null {
    const { status, headers = {}, finalUrl } = this.#seen;
    if (status === undefined) return null;
    return { status, headers, finalUrl, url: this.request.url, plainHttp: this.plainHttp };
  }

  /** True the first time. */
  #finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#stop?.();
    this.#unheed?.();
    this.patience?.stop();
    return true;
  }

  #onState(state: number): void {
    if (state === requestState.beforeNav) this.navigating();
    else if (state === requestState.afterNav) this.answered();
    else if (state === requestState.requestHandler && this.#phase === 'answered') this.#handing();
    // The user's code runs and nothing was sent (`skipNavigation`): what it throws is none of the proxy's business.
    else if (state === requestState.requestHandler && this.#phase === 'start') this.abandon();
    else if (state === requestState.done) this.end();
  }

  /** The user's handler is called next, in this asynchronous context. */
  #handing(): void {
    this.#phase = 'handler';
    if (this.session === undefined) return;
    this.#unheed = heedSession(this.session, (method) => {
      this.#complaint ??= method;
    });
  }
}
