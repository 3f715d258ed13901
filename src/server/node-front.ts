import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ApiReply, ApiRequest } from './api-request.js';

/** What is left of a body that was refused is read for so long, so that its sender gets to the answer, in ms. */
const LINGER_MS = 500;

/** A request of `node:http` as the API takes it. */
export class NodeRequest implements ApiRequest {
  readonly path: string;
  readonly query: string;
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  #gone: AbortController | null = null;
  #isGone = false;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    const { url = '' } = incoming;
    const at = url.indexOf('?');
    // The absolute form and `*` are for proxies: there is nothing at such a path.
    this.path = url.charCodeAt(0) !== 47 ? '/*' : at < 0 ? url : url.slice(0, at);
    this.query = at < 0 ? '' : url.slice(at + 1);
  }

  get method(): string {
    return this.#incoming.method ?? '';
  }

  get address(): string | null {
    return this.#incoming.socket.remoteAddress ?? null;
  }

  header(name: string): string | null {
    const value = this.#incoming.headers[name];
    return typeof value === 'string' ? value : null;
  }

  body(): AsyncIterable<Uint8Array> | null {
    if (!hasBody(this.#incoming)) return null;
    // Whoever stops reading still has the socket to answer on.
    return this.#incoming.iterator({ destroyOnReturn: false });
  }

  signal(): AbortSignal {
    this.#gone ??= new AbortController();
    if (this.#isGone) this.#gone.abort();
    return this.#gone.signal;
  }

  whenAnswered(run: () => void): void {
    if (this.#outgoing.closed) run();
    else this.#outgoing.once('close', run);
  }

  /** The client left before its answer was complete. */
  leave(): void {
    this.#isGone = true;
    this.#gone?.abort();
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

/**
 * Writes an answer. Resolves when it is written or the client is gone, and never rejects.
 * @param stallMs a client that takes nothing of an answer of one piece for so long is cut off
 */
export async function writeReply(
  { status, headers, body }: ApiReply,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  stallMs: number,
): Promise<void> {
  if (!incoming.complete && hasBody(incoming)) linger(incoming, outgoing);
  outgoing.writeHead(status, headers);
  if (!(body instanceof ReadableStream)) {
    outgoing.setTimeout(stallMs, () => outgoing.destroy());
    // Before Node sets the limit of an idle connection, at the same event.
    outgoing.prependOnceListener('finish', () => outgoing.setTimeout(0));
    outgoing.end(body ?? undefined);
    return;
  }
  try {
    // Headers go out before the first piece: a stream of events may be silent for long.
    outgoing.flushHeaders();
    await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), outgoing);
  } catch {
    outgoing.destroy();
  }
}

/** The rest of a body that nobody reads: thrown away for a moment, and its connection is not used again. */
function linger(incoming: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.shouldKeepAlive = false;
  incoming.resume();
  const timer = setTimeout(() => incoming.socket.destroy(), LINGER_MS);
  incoming.socket.once('close', () => clearTimeout(timer));
}
