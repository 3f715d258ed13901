import type { BrowserContext, Frame, Page, Request, Response } from 'playwright';
import type { Timer, Timers } from '../core/clock.js';
import type { Lease } from '../core/lease.js';
import type { Outcome, Verdict } from '../core/outcome.js';
import { failureOutcome, proxyPage, TELLING_MS } from '../transport/attempt-outcome.js';
import { classify, isProxyPage } from '../transport/classify.js';
import { isDocument } from '../transport/document-peek.js';
import type { ClientContext } from './client-context.js';
import { acquireContext } from './client-context.js';
import type { ClientEngine } from './client-engine.js';
import { judgeAnswer } from './client-outcome.js';

/** What is watched: every navigation of a main frame, each with a lease on the proxy of its context. */
export interface WatchParts {
  readonly engine: ClientEngine;
  readonly proxyId: string;
  readonly context: ClientContext;
  /** What is known of why nobody was led to this URL, as far as that was since then, in ms of the clock. */
  readonly faultOf: (url: string, since: number) => unknown;
  /** Longest silence before the head of an answer, in ms. */
  readonly silenceMs: number;
  readonly timers: Timers;
}

/** A busy process can hear of a navigation after the bridge has failed it already, in ms. */
const EVENT_LAG_MS = 1_000;
/** How long a browser may take to give the text of a page that has come, in ms. */
const TEXT_MS = 1_000;

/** Settles a lease for each navigation; ends with the context. */
export function watchContext(browserContext: BrowserContext, parts: WatchParts): void {
  /** By main frame: one navigates at a time, through however many redirects. */
  const open = new Map<Frame, Navigation>();
  const navigationOf = (request: Request): Navigation | undefined => {
    const frame = mainFrameOf(request);
    return frame === null ? undefined : open.get(frame);
  };
  browserContext.on('request', (request) => {
    const frame = mainFrameOf(request);
    if (frame === null || !/^https?:/.test(request.url())) return;
    // A step of a redirect belongs to the navigation that began it.
    if (request.redirectedFrom() !== null && open.has(frame)) return;
    open.get(frame)?.left();
    const lease = parts.engine.rotator.acquireCarrier(
      parts.proxyId,
      acquireContext(parts.context, request.url()),
    );
    if (lease === undefined) return;
    open.set(frame, new Navigation(parts, lease, request.url()));
  });
  browserContext.on('response', (response) => void navigationOf(response.request())?.answered(response));
  browserContext.on('requestfailed', (request) => {
    navigationOf(request)?.failed(request.failure()?.errorText ?? 'unknown error');
  });
  const leave = (page: Page): void => open.get(page.mainFrame())?.left();
  browserContext.on('page', (page) => page.once('close', leave));
  browserContext.once('close', () => {
    for (const navigation of open.values()) navigation.left();
    open.clear();
  });
}

class Navigation {
  readonly #parts: WatchParts;
  readonly #lease: Lease;
  readonly #url: string;
  readonly #startedAt: number;
  readonly #silence: Timer;
  #answered = false;

  constructor(parts: WatchParts, lease: Lease, url: string) {
    this.#parts = parts;
    this.#lease = lease;
    this.#url = url;
    this.#startedAt = parts.engine.rotator.clock.now();
    this.#silence = parts.timers.setTimeout(() => {
      this.#settle({ verdict: 'ambiguous', error: new Error(`No answer for ${parts.silenceMs} ms`) });
    }, parts.silenceMs);
    this.#silence.unref?.();
  }

  async answered(response: Response): Promise<void> {
    const status = response.status();
    if (this.#answered || (status >= 300 && status < 400 && response.headers().location !== undefined))
      return;
    this.#answered = true;
    this.#parts.timers.clearTimeout(this.#silence);
    const latencyMs = this.#elapsed();
    const plainHttp = this.#url.startsWith('http:');
    if (isProxyPage(status, plainHttp)) {
      this.#settle(proxyPage(this.#lease.proxy, status).outcome);
      return;
    }
    const headers = response.headers();
    const { judge } = this.#parts.engine;
    const type = new Headers({ 'content-type': headers['content-type'] ?? '' });
    const body = isDocument(status, type, judge.readsAll) ? await this.#textOf(response) : undefined;
    const finalUrl = response.url() === this.#url ? undefined : response.url();
    const seen = { status, headers, url: this.#url, finalUrl, body, plainHttp };
    if (!this.#lease.settled) this.#settle(judgeAnswer(judge, this.#lease, seen, latencyMs));
  }

  failed(errorText: string): void {
    const error = this.#parts.faultOf(this.#url, this.#startedAt - EVENT_LAG_MS) ?? new Error(errorText);
    this.#settle(failureOutcome(error, this.#lease.proxy, this.#blame(error, errorText)));
  }

  /** By its page: another navigation, or the end. Who waited long for nothing left because of the silence. */
  left(): void {
    if (this.#answered) return;
    const waited = this.#elapsed() >= TELLING_MS;
    this.#settle({ verdict: waited ? 'ambiguous' : 'neutral' });
  }

  #blame(error: unknown, errorText: string): Verdict {
    if (/ERR_ABORTED/.test(errorText) && this.#elapsed() >= TELLING_MS && !this.#answered) return 'ambiguous';
    return classify({ phase: 'navigation', plainHttp: this.#url.startsWith('http:'), error });
  }

  /** Undefined where the browser does not give it, or takes long. */
  async #textOf(response: Response): Promise<string | undefined> {
    const { timers } = this.#parts;
    let timer: Timer | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = timers.setTimeout(() => resolve(undefined), TEXT_MS);
    });
    const text = response.text().catch(() => undefined);
    try {
      return await Promise.race([text, late]);
    } finally {
      timers.clearTimeout(timer);
    }
  }

  #settle(outcome: Outcome): void {
    this.#parts.timers.clearTimeout(this.#silence);
    this.#lease.settle(outcome);
  }

  #elapsed(): number {
    return this.#parts.engine.rotator.clock.now() - this.#startedAt;
  }
}

/** The main frame that a request navigates; null for all other requests. */
function mainFrameOf(request: Request): Frame | null {
  if (!request.isNavigationRequest()) return null;
  try {
    const frame = request.frame();
    return frame.parentFrame() === null ? frame : null;
  } catch {
    // The page is gone, or not there yet.
    return null;
  }
}
