/**
 * A request as the API sees it, from a `Request` or straight from a socket: making the one out of the other costs
 * several times what the API itself does.
 */
export interface ApiRequest {
  readonly method: string;
  /** Begins with a slash; escapes are as they came. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  /** Address of the socket; null when nobody told. */
  readonly address: string | null;
  /** @param name in lower case */
  header(name: string): string | null;
  /** Null when there is none for sure. */
  body(): AsyncIterable<Uint8Array> | null;
  /** Aborted when the client is gone. */
  signal(): AbortSignal;
  /** Calls this when the answer has been sent or the client is gone; at once where nobody can tell. */
  whenAnswered(run: () => void): void;
}

/** An answer of the API, for whoever writes it to where the request came from. */
export interface ApiReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Record<string, string>;
  /** A text comes with its content-length. */
  body: string | Uint8Array | ReadableStream<Uint8Array> | null;
}

/** A reply of one piece. */
export function replyOf(
  status: number,
  type: string,
  body: string | Uint8Array,
  more?: Readonly<Record<string, string>>,
): ApiReply {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
  return { status, headers: { 'content-type': type, 'content-length': String(length), ...more }, body };
}

export const jsonType = 'application/json';

/** Takes a `Request` apart. */
export function fromFetch(request: Request, address: string | null): ApiRequest {
  const { pathname, search, host } = new URL(request.url);
  return {
    method: request.method,
    path: pathname,
    query: search.slice(1),
    address,
    header: (name) => request.headers.get(name) ?? (name === 'host' ? host : null),
    body: () => request.body,
    signal: () => request.signal,
    whenAnswered: (run) => run(),
  };
}

/** Puts a `Response` together. */
export function toFetch({ status, headers, body }: ApiReply): Response {
  return new Response(body as ConstructorParameters<typeof Response>[0], { status, headers });
}
