import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Lease } from '../core/lease.js';
import type { AbandonableOptions } from '../transport/proxy-connection.js';
import { ForwardAttempt, type ForwardHost } from './relay-attempt.js';
import type { RelayWishes } from './relay-auth.js';
import { type RelayBody, readRelayBody } from './relay-body.js';
import { RelayCall, type RelayEngine, type RelayRefusal, refusalOf } from './relay-call.js';
import { endToEnd, findHeadFault } from './relay-head.js';
import { refusalHeaders, refusalText } from './relay-refusal.js';
import { type HttpTarget, readHttpTarget } from './relay-target.js';

/** RFC 9110, 9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'TRACE']);

/** Serves one request in absolute form. */
export function serveHttp(engine: RelayEngine, request: IncomingMessage, response: ServerResponse): void {
  engine.counts.requests += 1;
  const order = readOrder(engine, request);
  if ('code' in order) {
    refuseHttp(response, { ...order, retryAfterS: null });
    return;
  }
  const call = new RelayCall(engine, order.wishes, order.target.origin);
  readRelayBody(request).then(
    (body) => {
      if (!response.destroyed) new Forward({ engine, call, request, response, body }, order.target).start();
    },
    // The client broke off, or its body breaks a rule: the parser has answered.
    () => {},
  );
}

interface HttpOrder {
  readonly wishes: RelayWishes;
  readonly target: HttpTarget;
}

function readOrder(
  engine: RelayEngine,
  request: IncomingMessage,
): HttpOrder | Omit<RelayRefusal, 'retryAfterS'> {
  const { headers } = request;
  const fault = findHeadFault(request);
  if (fault !== null) return fault;
  if (engine.loops?.hasPassed(headers.via ?? '') === true) return { status: 508, code: 'PW_RELAY_LOOP' };
  const wishes = engine.door.admitBasic(headers['proxy-authorization']);
  if (wishes === null) return { status: 407, code: 'PW_RELAY_AUTH' };
  const target = readHttpTarget(request.url ?? '');
  return target === null ? { status: 400, code: 'PW_TARGET_INVALID' } : { wishes, target };
}

/** What a request and its attempts are made of. */
interface ForwardParts {
  readonly engine: RelayEngine;
  readonly call: RelayCall;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: RelayBody;
}

/** Ends the connection as well: what follows on it may be the rest of a message that nobody has read. */
function refuseHttp(response: ServerResponse, refusal: RelayRefusal): void {
  if (response.destroyed || response.headersSent) return;
  const body = refusalText(refusal);
  response.writeHead(refusal.status, refusalHeaders(refusal, body));
  response.end(body);
}

/** One request and its attempts, until an answer flows or there is none. */
class Forward implements ForwardHost {
  readonly engine: RelayEngine;
  readonly call: RelayCall;
  readonly response: ServerResponse;
  readonly #request: IncomingMessage;
  readonly #target: HttpTarget;
  readonly #headers: readonly string[];
  readonly #body: RelayBody;
  readonly #deadline: NodeJS.Timeout;
  #patience: NodeJS.Timeout | undefined;
  #current: ForwardAttempt | null = null;

  constructor({ engine, call, request, response, body }: ForwardParts, target: HttpTarget) {
    this.engine = engine;
    this.call = call;
    this.response = response;
    this.#request = request;
    this.#target = target;
    this.#body = body;
    // The authority of the URL counts, and not what `Host` says (RFC 9112, 3.2.2). What a client expects of us before
    // it sends its body, it has got.
    this.#headers = endToEnd(request.rawHeaders, ['host', 'expect']).flat;
    // Node drops fractions and may be a fraction early: then the deadline would not have passed yet.
    const endMs = Math.ceil(call.leftMs) + 1;
    this.#deadline = setTimeout(() => this.#current?.abort(new Error('The deadline passed')), endMs);
    response.once('close', () => {
      this.begun();
      if (!response.writableFinished) this.#current?.abort(new Error('The client left'));
    });
  }

  get url(): string {
    return `${this.#target.origin}${this.#target.path}`;
  }

  get authority(): string {
    return this.#target.authority;
  }

  get mayRepeat(): boolean {
    return this.#body.replayable && idempotent.has(this.#request.method ?? '');
  }

  get bodyWhole(): boolean {
    return this.#body.replayable || !this.#body.taken;
  }

  start(): void {
    try {
      this.#send(this.call.acquire());
    } catch (error) {
      this.refuse(error);
    }
  }

  begun(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#patience);
  }

  refuse(error: unknown): void {
    this.begun();
    const late = this.call.leftMs === 0;
    refuseHttp(
      this.response,
      late ? { status: 504, code: 'PW_TUNNEL_DEADLINE', retryAfterS: null } : refusalOf(error),
    );
  }

  #send(lease: Lease): void {
    const attempt = new ForwardAttempt(this, lease);
    this.#current = attempt;
    clearTimeout(this.#patience);
    const patienceMs = this.mayRepeat ? this.call.patienceMs : null;
    if (patienceMs !== null)
      this.#patience = setTimeout(() => {
        // A target may be slow: nobody is left for nobody.
        if (this.call.hasOther(lease)) attempt.abort(new Error('Timed out without an answer'));
      }, patienceMs);
    try {
      this.engine.dispatchers.dispatcherFor(lease.proxy).dispatch(this.#options(lease, attempt), attempt);
    } catch (error) {
      attempt.onError(error as Error);
    }
  }

  #options(lease: Lease, attempt: ForwardAttempt): AbandonableOptions {
    const { origin, authority, path } = this.#target;
    const headers = ['host', authority, ...this.#headers];
    const via = this.engine.loops?.viaFor(lease.proxy) ?? null;
    if (via !== null) headers.push('via', via);
    return {
      origin,
      path,
      method: this.#request.method as Dispatcher.HttpMethod,
      headers,
      body: this.#body.take() as Uint8Array | Readable | null,
      headersTimeout: 0,
      bodyTimeout: this.engine.options.idleMs,
      sessionId: lease.sessionId,
      onWriting: attempt.onWriting,
    };
  }
}
