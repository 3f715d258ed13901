import type { Socket } from 'node:net';
import { Socks5Server } from '@pondwader/socks5-server';
import type { FrontHost } from './front.js';
import { openSocksTunnel, type SocksReply, strikesAtOnce } from './socks-tunnel.js';

const replies = {
  granted: 'REQUEST_GRANTED',
  'not-allowed': 'CONNECTION_NOT_ALLOWED',
  refused: 'CONNECTION_REFUSED',
  failed: 'GENERAL_FAILURE',
  'wrong-user': 'GENERAL_FAILURE',
} as const satisfies Record<SocksReply, string>;

/**
 * Serves one SOCKS5 connection. The handshake is the library's; a server object per connection costs next to
 * nothing (it never listens) and lets its handlers close over this connection's plan.
 */
export function serveSocks(host: FrontHost, client: Socket): void {
  const plan = host.plan();
  if (strikesAtOnce(host, client, plan)) return;

  // Half-open sockets: the library would wait for ever for the rest of a handshake that nobody sends.
  const leave = (): void => void client.destroy();
  client.once('end', leave);
  const server = new Socks5Server();
  const credentials = host.credentials;
  if (credentials !== null || plan.fault.kind === 'auth') {
    server.setAuthHandler(({ username, password }) => {
      const right =
        plan.fault.kind !== 'auth' &&
        username === credentials?.username &&
        password === credentials?.password;
      if (!right) {
        host.record('CONNECT', null, plan);
        host.refused('credentials');
      }
      return right;
    });
  }
  server.setConnectionHandler(({ destAddress, destPort }, sendStatus) => {
    // The library lets the socket flow from here on; nothing may be lost while we wait.
    client.pause();
    client.off('end', leave);
    const target = { name: destAddress ?? '', port: destPort ?? 0 };
    openSocksTunnel(host, plan, client, target, (what) => sendStatus(replies[what])).catch(() =>
      client.destroy(),
    );
  });
  server._handleConnection(client);
}
