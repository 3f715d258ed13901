import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Breaks a connection off so that the other end knows that something is missing. By RST, but for TLS, which Node cannot
 * reset: there the missing close_notify tells. After a FIN of ours, Node 20 would lose the handle over a reset.
 */
export function cutSocket(socket: Socket): void {
  if (socket.destroyed || socket.writableEnded || socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
