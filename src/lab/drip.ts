import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { waitWhileOpen } from './front.js';

/** Writes one byte per `everyMs`, then calls `done`; stops silently when the socket closes. */
export function writeSlowly(socket: Socket, text: string, everyMs: number, done: () => void): void {
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  const timer = setInterval(() => {
    socket.write(bytes.subarray(at, at + 1));
    at += 1;
    if (at < bytes.length) return;
    clearInterval(timer);
    socket.off('close', stop);
    done();
  }, everyMs);
  const stop = (): void => clearInterval(timer);
  socket.once('close', stop);
}

/** Passes on one byte per `everyMs`, then calls `done`; stops silently when either side breaks. */
export async function passSlowly(
  from: Readable,
  to: Socket,
  everyMs: number,
  write: (byte: Uint8Array) => void,
  done: () => void,
): Promise<void> {
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += 1) {
        if (!(await waitWhileOpen(to, everyMs))) return;
        write(chunk.subarray(at, at + 1));
      }
    }
    done();
  } catch {
    to.destroy();
  }
}
