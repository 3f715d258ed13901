import type { FetchAttempt } from './fetch-error.js';

/** What a {@link ProxiedResponse} tells besides the answer. */
export interface ProxiedDetails {
  /** Which proxy carried it; the URL is without credentials. */
  readonly proxy: { readonly id: string; readonly url: string };
  /** All attempts, the last one being that of this answer. */
  readonly attempts: readonly FetchAttempt[];
  /** In ms: from the call to the head of this answer, and from the start of the last attempt to it. */
  readonly timings: { readonly totalMs: number; readonly firstByteMs: number };
}

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly url: string;
  readonly redirected: boolean;
}

const nullBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304]);

/** Whether an answer with this status has no body. */
export function hasNoBody(method: string, status: number): boolean {
  return method === 'HEAD' || nullBodyStatuses.has(status);
}

/** A web-standard Response, and which proxy brought it. */
export class ProxiedResponse extends Response implements ProxiedDetails {
  readonly proxy: ProxiedDetails['proxy'];
  readonly attempts: ProxiedDetails['attempts'];
  readonly timings: ProxiedDetails['timings'];
  readonly #head: AnswerHead;

  constructor(body: ReadableStream<Uint8Array> | null, head: AnswerHead, details: ProxiedDetails) {
    // The constructor of the platform takes 200 to 599 only, while sites do answer 999.
    const status = head.status >= 200 && head.status <= 599 ? head.status : 200;
    super(body, { status, headers: head.headers });
    this.#head = head;
    this.proxy = details.proxy;
    this.attempts = details.attempts;
    this.timings = details.timings;
  }

  override get status(): number {
    // The constructor of the platform asks before there is a head.
    return #head in this ? this.#head.status : super.status;
  }

  override get ok(): boolean {
    return this.#head.status >= 200 && this.#head.status <= 299;
  }

  override get statusText(): string {
    return this.#head.statusText;
  }

  /** Of the last request, after redirects. */
  override get url(): string {
    return this.#head.url;
  }

  override get redirected(): boolean {
    return this.#head.redirected;
  }

  override clone(): ProxiedResponse {
    const { body, headers } = super.clone();
    const head = { ...this.#head, headers };
    return new ProxiedResponse(body, head, this);
  }
}
