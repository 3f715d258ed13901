import type { Socket } from 'node:net';
import type { FaultPlan } from './proxy-fault.js';

/** User name and password that a lab proxy asks for. */
export interface LabCredentials {
  readonly username: string;
  readonly password: string;
}

/**
 * What the protocol fronts (HTTP, SOCKS4, SOCKS5) need of the proxy they serve for. A front speaks its protocol and
 * commits the fault it was given; it decides nothing.
 */
export interface FrontHost {
  /** Source address of everything that is dialled. */
  readonly address: string;
  readonly credentials: LabCredentials | null;
  readonly random: () => number;
  /** Draws latency and fault for one request. */
  plan(): FaultPlan;
  /** Books one request; `host` is `name:port`, or null when the fault struck before it was said. */
  record(method: string, host: string | null, plan: FaultPlan): void;
  refused(why: 'credentials' | 'not-loopback'): void;
  /** Opens a connection to a loopback target from {@link address}; never throws. */
  dial(host: string, port: number): Socket;
  /** RST, also below TLS. */
  reset(socket: Socket): void;
}

/** Waits, unless the socket closes first; false means that nobody is left to answer. */
export function waitWhileOpen(socket: Socket, ms: number): Promise<boolean> {
  if (socket.destroyed) return Promise.resolve(false);
  if (ms <= 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const onClose = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      socket.off('close', onClose);
      resolve(true);
    }, ms);
    socket.once('close', onClose);
  });
}

/**
 * Ends in order and lets go when the other side has: reading goes on, since a close with unread bytes would send a
 * RST and so be another fault than the one asked for.
 */
export function endOrderly(socket: Socket, last?: string | Uint8Array): void {
  socket.once('end', () => socket.destroy());
  if (last === undefined) socket.end();
  else socket.end(last);
  socket.resume();
}

/** Reads on without an answer, so that the client's leaving is noticed. */
export function hang(socket: Socket): void {
  socket.once('end', () => socket.destroy());
  socket.resume();
}

/**
 * How long a RST stays behind the bytes before it, in ms. libuv reports one that arrives together with data as an
 * orderly end, so that a client on Node would not notice it.
 */
const resetLagMs = 20;

/** RST after something was sent. */
export function resetAfterData(host: FrontHost, socket: Socket): void {
  const timer = setTimeout(() => host.reset(socket), resetLagMs);
  socket.once('close', () => clearTimeout(timer));
}
