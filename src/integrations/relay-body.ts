import type { IncomingMessage } from 'node:http';

/** The body of a client's request. */
export interface RelayBody {
  /** For one attempt. */
  take(): Uint8Array | AsyncIterable<Uint8Array> | null;
  /** Whether it can be sent a second time once a part of it was sent. */
  readonly replayable: boolean;
  /** Whether a part of a stream has been read. */
  readonly taken: boolean;
}

/** Larger ones are passed on as they come, and are not sent again: memory and traffic of a retry shall stay small. */
const MAX_REPLAY_BYTES = 65_536;

const none: RelayBody = { take: () => null, replayable: true, taken: false };

/** Waits for a short body, so that it can be sent again. Rejects when the client breaks off. */
export async function readRelayBody(request: IncomingMessage): Promise<RelayBody> {
  const length = request.headers['content-length'];
  if (request.headers['transfer-encoding'] === undefined && (length === undefined || Number(length) === 0)) {
    return none;
  }
  if (length === undefined || Number(length) > MAX_REPLAY_BYTES) return streamed(request);
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const bytes = Buffer.concat(parts);
  return { take: () => bytes, replayable: true, taken: false };
}

function streamed(request: IncomingMessage): RelayBody {
  let taken = false;
  return {
    take: () => ({
      [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
        taken = true;
        // The connection of the client stays: it is still to be answered.
        return request.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
      },
    }),
    replayable: false,
    get taken() {
      return taken;
    },
  };
}
