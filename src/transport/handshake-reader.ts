import type { Socket } from 'node:net';
import type { PhaseEnd, TunnelAttempt } from './tunnel-attempt.js';
import { faultOfError } from './tunnel-fault.js';

/**
 * Hands on what a proxy says during a handshake, until `take` says that it has all (or failed). By `readable` and
 * `read()`, not by `data`: the socket is then left neither flowing nor paused, as whoever takes it over expects it.
 * @returns what takes the listeners off.
 */
export function readHandshake(
  attempt: TunnelAttempt,
  socket: Socket,
  { fail }: Pick<PhaseEnd<void>, 'fail'>,
  take: (chunk: Buffer) => boolean,
): () => void {
  const onReadable = (): void => {
    for (let chunk = readChunk(socket); chunk !== null; chunk = readChunk(socket)) {
      attempt.awaitsTarget = false;
      if (take(chunk)) return;
    }
  };
  // Many a proxy hangs up in place of a 502 when the target refuses: proxy-chain is one of them.
  const onEnd = (): void =>
    fail({ code: 'PW_PROXY_CLOSED', verdict: attempt.awaitsTarget ? 'ambiguous' : 'proxy' });
  const onError = (error: Error): void => fail(faultOfError('handshake', error));
  socket.on('readable', onReadable).once('end', onEnd).once('close', onEnd).once('error', onError);
  return () => {
    socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
  };
}

function readChunk(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null;
}
