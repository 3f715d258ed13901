import type { Socket } from 'node:net';

/**
 * Every socket of one server, from birth to close. `http.Server.close()` forgets the sockets that were handed over
 * at CONNECT, and a test that counts open sockets needs to see these as well.
 */
export class SocketLedger {
  readonly #open = new Set<Socket>();
  #closedBytesRead = 0;
  #closedBytesWritten = 0;
  #idle: (() => void)[] = [];

  /** Follows the socket to its end. An error is never fatal here: the other side may break off at any time. */
  track(socket: Socket): void {
    this.#open.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#closedBytesRead += socket.bytesRead;
      this.#closedBytesWritten += socket.bytesWritten;
      if (this.#open.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  get size(): number {
    return this.#open.size;
  }

  get bytesRead(): number {
    let sum = this.#closedBytesRead;
    for (const socket of this.#open) sum += socket.bytesRead;
    return sum;
  }

  get bytesWritten(): number {
    let sum = this.#closedBytesWritten;
    for (const socket of this.#open) sum += socket.bytesWritten;
    return sum;
  }

  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** As a process that dies does: RST, and nothing of what was still to be sent. */
  resetAll(): void {
    for (const socket of this.#open) sendReset(socket);
  }

  /** Resolves once no socket is open; at once when that is so already. */
  drained(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }
}

const tlsAbove = new WeakMap<Socket, Socket>();
const belowTls = new WeakMap<Socket, Socket>();

/** Says that `secure` speaks over `socket`; {@link sendReset} needs to know. */
export function coverWithTls(socket: Socket, secure: Socket): void {
  tlsAbove.set(socket, secure);
  belowTls.set(secure, socket);
}

/**
 * RST, as far as that is possible, also below TLS: once a FIN is on its way libuv refuses to reset, and Node 20 then
 * leaks the handle without a `close` event. TLS sends that FIN past the socket below, which does not know of it.
 */
export function sendReset(socket: Socket): void {
  const base = belowTls.get(socket) ?? socket;
  if (base.writableEnded || tlsAbove.get(base)?.writableEnded === true) base.destroy();
  else base.resetAndDestroy();
}
