import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { RelayWishes } from './relay-auth.js';
import { type RelayEngine, type RelayRefusal, refusalOf } from './relay-call.js';
import { findHeadFault } from './relay-head.js';
import { allowsPort } from './relay-options.js';
import { refusalHeaders, refusalText } from './relay-refusal.js';
import { readAuthority, type TunnelTarget } from './relay-target.js';
import { serveTunnel } from './relay-tunnel.js';

/** Serves CONNECT. Whatever comes of it, the connection takes no further request. */
export function serveConnect(
  engine: RelayEngine,
  request: IncomingMessage,
  client: Socket,
  head: Buffer,
): void {
  const order = readOrder(engine, request);
  if ('code' in order) {
    refuse(client, { ...order, retryAfterS: null });
    return;
  }
  void serveTunnel(engine, {
    client,
    early: head,
    ...order,
    opened: () => void client.write('HTTP/1.1 200 Connection Established\r\n\r\n', 'latin1'),
    refused: (error) => refuse(client, refusalOf(error)),
  });
}

interface ConnectOrder {
  readonly wishes: RelayWishes;
  readonly target: TunnelTarget;
}

function readOrder(
  engine: RelayEngine,
  request: IncomingMessage,
): ConnectOrder | Omit<RelayRefusal, 'retryAfterS'> {
  const fault = findHeadFault(request);
  if (fault !== null) return fault;
  const wishes = engine.door.admitBasic(request.headers['proxy-authorization']);
  if (wishes === null) return { status: 407, code: 'PW_RELAY_AUTH' };
  const target = readAuthority(request.url ?? '');
  if (target === null) return { status: 400, code: 'PW_TARGET_INVALID' };
  const allowed = allowsPort(engine.options.connectPorts, target.port);
  return allowed ? { wishes, target } : { status: 403, code: 'PW_TARGET_INVALID' };
}

function refuse(client: Socket, refusal: RelayRefusal): void {
  client.write(rawAnswer(refusal));
  // Who keeps on talking is not read any more.
  client.destroySoon();
}

function rawAnswer(refusal: RelayRefusal): string {
  const body = refusalText(refusal);
  const headers = refusalHeaders(refusal, body);
  const lines = [`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? 'Error'}`];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
