import type { Socket } from 'node:net';

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
