import type { Socket } from 'node:net';
import { Socks5Server } from '@pondwader/socks5-server';
import { readHostField } from '../core/host.js';
import type { RelayWishes } from './relay-auth.js';
import { type RelayEngine, refusalOf } from './relay-call.js';
import { allowsPort } from './relay-options.js';
import { serveTunnel } from './relay-tunnel.js';

/** First byte of every SOCKS5 connection. */
export const SOCKS5 = 5;
/** User name and password (RFC 1929), among the methods of a greeting. */
const USER_PASSWORD = 2;

/**
 * Serves SOCKS5 (CONNECT only). The handshake is the library's; an object per connection costs next to nothing, as it
 * never listens, and lets its handlers close over this connection.
 * @param greeting what came first: whether the client has a user name to show
 */
export function serveSocks(engine: RelayEngine, client: Socket, greeting: Uint8Array): void {
  let wishes: RelayWishes | null = engine.door.locked ? null : {};
  const timer = setTimeout(() => client.destroy(), engine.options.headersTimeoutMs);
  const leave = (): void => void client.destroy();
  client.once('end', leave).once('close', () => clearTimeout(timer));
  const server = new Socks5Server();
  // A user name may hold wishes although nobody asks for a password.
  if (engine.door.locked || greeting.subarray(2, 2 + (greeting[1] ?? 0)).includes(USER_PASSWORD)) {
    server.setAuthHandler(({ username = '', password = '' }) => {
      wishes = engine.door.admit(username, password);
      return wishes !== null;
    });
  }
  server.setConnectionHandler(({ destAddress = '', destPort = 0 }, sendStatus) => {
    clearTimeout(timer);
    client.off('end', leave);
    // The library lets the socket flow from here on; nothing may be lost.
    client.pause();
    const host = readHostField(destAddress)?.name;
    if (wishes === null || host === undefined || destPort < 1) {
      sendStatus('GENERAL_FAILURE');
      return;
    }
    if (!allowsPort(engine.options.connectPorts, destPort)) {
      sendStatus('CONNECTION_NOT_ALLOWED');
      return;
    }
    void serveTunnel(engine, {
      client,
      early: null,
      target: { host, port: destPort },
      wishes,
      opened: () => sendStatus('REQUEST_GRANTED'),
      refused: (error) => sendStatus(replyOf(refusalOf(error).status)),
    });
  });
  server._handleConnection(client);
}

function replyOf(status: number): 'GENERAL_FAILURE' | 'HOST_UNREACHABLE' | 'TTL_EXPIRED' {
  if (status === 504) return 'TTL_EXPIRED';
  return status === 502 ? 'HOST_UNREACHABLE' : 'GENERAL_FAILURE';
}
