import type { Socket } from 'node:net';

/**
 * Shows the first bytes of a connection to `seen` and then hands the socket over as if nothing had been read. A socket
 * that ends without a byte is handed over as well; one that breaks is not.
 */
export function peekFirstBytes(
  socket: Socket,
  seen: (bytes: Uint8Array) => void,
  handOver: () => void,
): void {
  socket.once('readable', () => {
    const bytes: Buffer | null = socket.read();
    if (bytes !== null) {
      seen(bytes);
      socket.unshift(bytes);
    }
    handOver();
  });
}
