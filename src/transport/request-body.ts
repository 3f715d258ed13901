import { FetchError } from './fetch-error.js';

/** What may be sent; streams can be sent once. */
export type ProxiedBody =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | URLSearchParams
  | FormData
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** A body as it goes on the wire. */
export interface RequestBody {
  /** What undici sends; asked for once per attempt. */
  take(): Uint8Array | AsyncIterable<Uint8Array> | null;
  /** Whether it can be sent a second time once a part of it was sent. */
  readonly replayable: boolean;
  /** A stream: nothing of it can be sent twice. */
  readonly once: boolean;
  readonly contentType: string | null;
}

/** Larger ones are not sent again: the memory and the traffic of a retry shall stay small. */
const MAX_REPLAY_BYTES = 64 * 1024;

const none: RequestBody = { take: () => null, replayable: true, once: false, contentType: null };

/** @throws FetchError PW_FETCH_INVALID */
export async function readBody(body: ProxiedBody | null | undefined): Promise<RequestBody> {
  if (body === null || body === undefined) return none;
  if (typeof body === 'string') return ofBytes(Buffer.from(body), 'text/plain;charset=UTF-8');
  if (body instanceof ArrayBuffer) return ofBytes(new Uint8Array(body), null);
  if (ArrayBuffer.isView(body))
    return ofBytes(new Uint8Array(body.buffer, body.byteOffset, body.byteLength), null);
  if (body instanceof URLSearchParams || body instanceof FormData || body instanceof Blob) {
    // The platform knows their encodings and boundaries.
    const encoded = new Response(body);
    const type = encoded.headers.get('content-type');
    return ofBytes(new Uint8Array(await encoded.arrayBuffer()), type);
  }
  if (typeof body === 'object' && Symbol.asyncIterator in body) return ofStream(body);
  throw new FetchError('PW_FETCH_INVALID', 'its body is of a kind that cannot be sent');
}

function ofBytes(bytes: Uint8Array, contentType: string | null): RequestBody {
  return { take: () => bytes, replayable: bytes.byteLength <= MAX_REPLAY_BYTES, once: false, contentType };
}

/** Handed out anew for each attempt, and begun only when it is written: a failure before that leaves it whole. */
function ofStream(stream: AsyncIterable<Uint8Array>): RequestBody {
  return {
    take: () => chunksOf(stream),
    replayable: false,
    once: true,
    contentType: null,
  };
}

async function* chunksOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    // The caller's, and so none of the proxy's business.
    throw new FetchError('PW_FETCH_INVALID', 'its body stream failed', [], { cause });
  }
}
