import type { Timer } from '../core/clock.js';
import type { RotatorEvents } from '../core/events.js';
import type { ApiContext } from './api-context.js';
import { ApiError } from './api-error.js';

/** Which events clients may follow, and what each tells: ids, hosts and reasons; errors and messages stay here. */
const shown: { readonly [N in keyof RotatorEvents]?: (payload: RotatorEvents[N]) => object } = {
  selected: (payload) => payload,
  settled: (payload) => payload,
  breaker: (payload) => payload,
  cooldown: (payload) => payload,
  session: (payload) => payload,
  strategy: (payload) => payload,
  fallback: ({ strategy, fallback }) => ({ strategy, fallback }),
  panic: (payload) => payload,
  suspect: (payload) => payload,
  pool: (payload) => payload,
  adjusted: (payload) => payload,
};

export type EventType =
  | 'selected'
  | 'settled'
  | 'breaker'
  | 'cooldown'
  | 'session'
  | 'strategy'
  | 'fallback'
  | 'panic'
  | 'suspect'
  | 'pool'
  | 'adjusted';

export const eventTypes: readonly EventType[] = Object.keys(shown) as EventType[];

/** What one client follows. */
export interface EventFilter {
  /** Null = all. */
  readonly types: ReadonlySet<string> | null;
  /** Only what is about this proxy; null = all. */
  readonly proxyId: string | null;
}

/** Events that wait for a slow client; the ones after them are dropped, and counted. */
const MAX_WAITING = 512;
/** So often an idle connection is kept alive, in ms. */
const HEARTBEAT_MS = 15_000;

/** The engine's events for any number of clients, within bounds. It listens to the engine while somebody follows. */
export class EventHub {
  readonly #context: Pick<ApiContext, 'rotator' | 'options' | 'draining'>;
  readonly #clients = new Set<EventClient>();
  #unsubscribe: readonly (() => void)[] = [];
  #heartbeat: Timer | undefined;
  #lastId = 0;

  constructor(context: Pick<ApiContext, 'rotator' | 'options' | 'draining'>) {
    this.#context = context;
    context.draining.addEventListener('abort', () => this.#endAll(), { once: true });
  }

  /**
   * Server-sent events until the client leaves, or the server drains.
   * @throws ApiError TOO_MANY_STREAMS, SHUTTING_DOWN
   */
  follow(filter: EventFilter, signal: AbortSignal): ReadableStream<Uint8Array> {
    const { options, draining } = this.#context;
    if (draining.aborted) throw new ApiError('SHUTTING_DOWN');
    if (this.#clients.size >= options.maxEventClients)
      throw new ApiError('TOO_MANY_STREAMS', { retryAfterMs: HEARTBEAT_MS });
    const client: EventClient = new EventClient(filter, () => this.#leave(client));
    if (this.#clients.size === 0) this.#begin();
    this.#clients.add(client);
    if (signal.aborted) client.end();
    else signal.addEventListener('abort', () => client.end(), { once: true });
    return client.stream;
  }

  #begin(): void {
    this.#unsubscribe = eventTypes.map((type) =>
      this.#context.rotator.on(type, (payload) => this.#tell(type, payload)),
    );
    this.#beat();
  }

  #beat(): void {
    const { timers } = this.#context.options;
    this.#heartbeat = timers.setTimeout(() => {
      for (const client of this.#clients) client.keepAlive();
      this.#beat();
    }, HEARTBEAT_MS);
    this.#heartbeat.unref?.();
  }

  #tell<N extends EventType>(type: N, payload: RotatorEvents[N]): void {
    let text: string | undefined;
    for (const client of this.#clients) {
      if (!client.wants(type, payload)) continue;
      text ??= this.#write(type, payload);
      client.push(text);
    }
  }

  #write<N extends EventType>(type: N, payload: RotatorEvents[N]): string {
    const timestamp = new Date(this.#context.options.now()).toISOString();
    const data = { timestamp, ...shown[type]?.(payload) };
    this.#lastId += 1;
    // JSON has no line breaks, so that nothing in it can end the event.
    return `id: ${this.#lastId}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #leave(client: EventClient): void {
    if (!this.#clients.delete(client) || this.#clients.size > 0) return;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
    this.#context.options.timers.clearTimeout(this.#heartbeat);
  }

  #endAll(): void {
    for (const client of [...this.#clients]) client.end();
  }
}

/** One client, and what waits for it. */
class EventClient {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #filter: EventFilter;
  readonly #onEnd: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #waiting: string[] = [':\n\n'];
  #dropped = 0;
  readonly #encoder = new TextEncoder();

  constructor(filter: EventFilter, onEnd: () => void) {
    this.#filter = filter;
    this.#onEnd = onEnd;
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#send(),
      cancel: () => this.#ended(),
    });
  }

  wants(type: EventType, payload: object): boolean {
    const { types, proxyId } = this.#filter;
    if (types !== null && !types.has(type)) return false;
    return proxyId === null || ('proxyId' in payload && payload.proxyId === proxyId);
  }

  push(text: string): void {
    if (this.#waiting.length >= MAX_WAITING) this.#dropped += 1;
    else this.#waiting.push(text);
    this.#send();
  }

  keepAlive(): void {
    if (this.#waiting.length > 0) return;
    this.#waiting.push(':\n\n');
    this.#send();
  }

  end(): void {
    if (this.#controller === null) return;
    this.#controller.close();
    this.#ended();
  }

  /** All that waits as one piece, when the one before has been taken. */
  #send(): void {
    const controller = this.#controller;
    if (controller === null || this.#waiting.length === 0 || (controller.desiredSize ?? 0) <= 0) return;
    if (this.#dropped > 0) {
      const note = JSON.stringify({ count: this.#dropped });
      this.#waiting.push(`event: dropped\ndata: ${note}\n\n`);
    }
    controller.enqueue(this.#encoder.encode(this.#waiting.join('')));
    this.#waiting = [];
    this.#dropped = 0;
  }

  #ended(): void {
    this.#controller = null;
    this.#waiting = [];
    this.#onEnd();
  }
}
