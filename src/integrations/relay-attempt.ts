import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Lease } from '../core/lease.js';
import type { Outcome } from '../core/outcome.js';
import { answerOutcome, proxyPage } from '../transport/attempt-outcome.js';
import { isProxyPage } from '../transport/classify.js';
import type { Judgement } from '../transport/judge.js';
import type { RelayCall, RelayEngine } from './relay-call.js';
import { endToEnd } from './relay-head.js';

/** Copying more costs more than it saves. */
const SHORT_BYTES = 8_192;

/** The request that an attempt is one of. */
export interface ForwardHost {
  readonly engine: RelayEngine;
  readonly call: RelayCall;
  readonly response: ServerResponse;
  readonly url: string;
  /** `host:port` of the target. */
  readonly authority: string;
  /** Whether it may be sent again although it may have been received. */
  readonly mayRepeat: boolean;
  /** Whether nothing of its body is missing. */
  readonly bodyWhole: boolean;
  /** Begins the next attempt. */
  start(): void;
  /** The answer flows: from now on only silence ends it. */
  begun(): void;
  refuse(error: unknown): void;
}

/** One attempt, as undici tells of it. Its older interface: it hands out the raw headers, in their order. */
export class ForwardAttempt implements Dispatcher.DispatchHandler {
  readonly #forward: ForwardHost;
  readonly #lease: Lease;
  readonly #startedAt: number;
  #abort: ((error: Error) => void) | null = null;
  #aborted = false;
  #written = false;
  /** The answer goes to the client. */
  #flowing = false;
  /** It failed, and the request has gone on without it. */
  #over = false;
  #status = 0;
  #latencyMs = 0;
  /** A part of the body has come. */
  #begun = false;
  /** What the answer says of its length. */
  #length = Number.NaN;

  constructor(forward: ForwardHost, lease: Lease) {
    this.#forward = forward;
    this.#lease = lease;
    this.#startedAt = forward.engine.rotator.clock.now();
  }

  abort(why: Error): void {
    this.#aborted = true;
    this.#abort?.(why);
  }

  readonly onWriting = (): void => {
    this.#written = true;
  };

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    if (this.#aborted) abort(new Error('The client left'));
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200 || this.#over) return true;
    const forward = this.#forward;
    const { response } = forward;
    this.#status = status;
    this.#latencyMs = forward.engine.rotator.clock.now() - this.#startedAt;
    if (isProxyPage(status, true)) {
      const { error, outcome, forwarded } = proxyPage(this.#lease.proxy, status);
      this.#fail(error, outcome, forwarded);
      this.#abort?.(new Error('Not the answer of the target'));
      return true;
    }
    const { flat, byName } = endToEnd(raw.map((part) => part.toString('latin1')));
    const judgement = this.#judge(status, byName);
    if (judgement.rule === 'proxy-page' && forward.mayRepeat) {
      const outcome = answerOutcome(judgement, status, this.#latencyMs);
      this.#fail(new Error('The proxy answered in place of the target'), outcome, true);
      this.#abort?.(new Error('Not the answer of the target'));
      return true;
    }
    if (judgement.verdict !== 'success')
      this.#lease.settle(answerOutcome(judgement, status, this.#latencyMs));
    this.#flowing = true;
    this.#length = Number(byName.get('content-length'));
    forward.begun();
    response.sendDate = false;
    try {
      response.writeHead(status, statusText, flat);
    } catch {
      // A status or a header that Node would not send: an answer that breaks HTTP is none.
      this.#flowing = false;
      this.#fail(new Error('The answer breaks HTTP'), { verdict: 'ambiguous', status }, true);
      this.#abort?.(new Error('The answer breaks HTTP'));
      return true;
    }
    response.on('drain', resume);
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (!this.#flowing) return true;
    const { response } = this.#forward;
    const whole = !this.#begun && chunk.length === this.#length && chunk.length <= SHORT_BYTES;
    this.#begun = true;
    if (!whole) return response.write(chunk);
    // As text it goes out in one piece with the head, by one plain write: a tenth of all that is done for it.
    response.end(chunk.toString('latin1'), 'latin1');
    return true;
  }

  onComplete(): void {
    if (!this.#flowing) return;
    this.#lease.settle({
      verdict: 'success',
      status: this.#status,
      latencyMs: this.#latencyMs,
    });
    this.#forward.response.end();
  }

  onError(error: Error): void {
    if (this.#flowing) {
      // Whoever broke it off, what the client has is no answer: it must not pass for a whole one.
      this.#lease.settle({
        verdict: this.#clientLeft ? 'neutral' : 'ambiguous',
        status: this.#status,
      });
      this.#forward.response.destroy();
    } else if (!this.#over) {
      const { call } = this.#forward;
      const outcome: Outcome = this.#clientLeft
        ? { verdict: 'neutral' }
        : call.outcomeOf(error, this.#lease, this.#written);
      this.#fail(error, outcome, this.#written);
    }
  }

  get #clientLeft(): boolean {
    return this.#forward.response.destroyed;
  }

  #fail(error: unknown, outcome: Outcome, written: boolean): void {
    this.#over = true;
    const forward = this.#forward;
    const repeatable = !this.#clientLeft && forward.bodyWhole && (!written || forward.mayRepeat);
    if (forward.call.fail(this.#lease, { error, outcome, repeatable, written })) forward.start();
    else forward.refuse(error);
  }

  #judge(status: number, headers: ReadonlyMap<string, string>): Judgement {
    const { engine, url, authority } = this.#forward;
    const { host, proxy } = this.#lease;
    return engine.judge.answer(
      { status, headers: (name) => headers.get(name) ?? null, url, plainHttp: true },
      { host: host ?? authority, proxyId: proxy.id },
    );
  }
}
