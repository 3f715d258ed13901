import type { Socket } from 'node:net';
import { Socks5Server } from '@pondwader/socks5-server';
import { endOrderly, type FrontHost, garbage, hang, waitWhileOpen } from './front.js';
import { loopbackTarget } from './loopback.js';
import type { FaultPlan } from './proxy-fault.js';
import { spliceTunnel } from './tunnel-splice.js';

type ConnectionHandler = Parameters<Socks5Server['setConnectionHandler']>[0];
type Connection = Parameters<ConnectionHandler>[0];
type SendStatus = Parameters<ConnectionHandler>[1];

/**
 * Serves one SOCKS5 connection. The handshake is the library's; a server object per connection costs next to
 * nothing (it never listens) and lets its handlers close over this connection's plan.
 */
export function serveSocks(host: FrontHost, client: Socket): void {
  const plan = host.plan();
  if (strikesAtOnce(host, client, plan)) return;

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
  server.setConnectionHandler((connection, sendStatus) => {
    open(host, plan, client, connection, sendStatus).catch(() => client.destroy());
  });
  server._handleConnection(client);
}

async function open(
  host: FrontHost,
  plan: FaultPlan,
  client: Socket,
  { destAddress, destPort }: Connection,
  sendStatus: SendStatus,
): Promise<void> {
  const name = destAddress ?? '';
  const port = destPort ?? 0;
  const { fault } = plan;
  host.record('CONNECT', name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`, plan);
  // The library lets the socket flow from here on; nothing may be lost while we wait.
  client.pause();
  if (!(await waitWhileOpen(client, plan.latencyMs))) return;
  if (loopbackTarget(name) === null) {
    host.refused('not-loopback');
    return sendStatus('CONNECTION_NOT_ALLOWED');
  }
  if (fault.kind === 'connect-status') {
    return sendStatus(fault.status === 403 ? 'CONNECTION_NOT_ALLOWED' : 'GENERAL_FAILURE');
  }
  const upstream = host.dial(name, port);
  client.once('close', () => upstream.destroy());
  let granted = false;
  upstream.once('error', () => {
    if (!granted && !client.destroyed) sendStatus('CONNECTION_REFUSED');
  });
  upstream.once('connect', () => {
    granted = true;
    sendStatus('REQUEST_GRANTED');
    if (fault.kind === 'close-after-connect') {
      upstream.destroy();
      endOrderly(client);
    } else {
      spliceTunnel(client, upstream, fault, host);
    }
  });
}

/** SOCKS5 says its target late, so a fault that needs no target strikes at the first byte of the greeting. */
function strikesAtOnce(host: FrontHost, client: Socket, plan: FaultPlan): boolean {
  const { fault } = plan;
  const strike = (act: () => void): true => {
    client.once('data', () => {
      host.record('CONNECT', null, plan);
      act();
    });
    client.once('end', () => client.destroy());
    return true;
  };
  switch (fault.kind) {
    case 'hang':
      return strike(() => hang(client));
    case 'reset':
      return fault.at !== 'response' && strike(() => host.reset(client));
    case 'close':
      return strike(() => endOrderly(client));
    case 'garbage':
      return strike(() => endOrderly(client, garbage(fault.bytes ?? 512, host.random)));
    default:
      return false;
  }
}
