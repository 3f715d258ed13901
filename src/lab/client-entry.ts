import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { labCertificates } from './bad-certificates.js';
import { peekFirstBytes } from './first-bytes.js';
import { endOrderly, hang } from './front.js';
import { tlsAlert } from './nonsense.js';
import type { ProxyFault } from './proxy-fault.js';
import { coverWithTls, sendReset } from './socket-ledger.js';

/** What a connection goes through before its proxy protocol begins. */
export interface EntryOptions {
  /** Whether clients speak TLS. */
  readonly secure: boolean;
  /** Draws the fault of one connection. */
  readonly draw: () => ProxyFault;
  /** Serves the protocol. */
  readonly front: (client: Socket) => void;
  /** Is shown the first bytes of a connection, above TLS; null when nobody wants to see them. */
  readonly firstBytes: ((bytes: Uint8Array) => void) | null;
}

/** Lets one connection in, unless its fault strikes before. */
export function enter(socket: Socket, { secure, draw, front, firstBytes }: EntryOptions): void {
  const fault = draw();
  if (strikes(socket, fault)) return;
  const client = secure ? overTls(socket, contextFor(fault)) : socket;
  if (firstBytes === null) front(client);
  else peekFirstBytes(client, firstBytes, () => front(client));
}

function strikes(socket: Socket, fault: ProxyFault): boolean {
  switch (fault.kind) {
    case 'hang':
      hang(socket);
      return true;
    case 'close':
      endOrderly(socket);
      return true;
    case 'reset':
      sendReset(socket);
      return true;
    case 'tls-alert':
      socket.once('data', () => endOrderly(socket, tlsAlert));
      socket.once('end', () => socket.destroy());
      return true;
    default:
      return false;
  }
}

function overTls(socket: Socket, secureContext: SecureContext): TLSSocket {
  const client = new TLSSocket(socket, { isServer: true, secureContext });
  client.on('error', () => socket.destroy());
  coverWithTls(socket, client);
  return client;
}

const contexts = new Map<string, SecureContext>();

function contextFor({ kind }: ProxyFault): SecureContext {
  const made = contexts.get(kind) ?? createSecureContext(contextOptions(kind));
  contexts.set(kind, made);
  return made;
}

function contextOptions(kind: ProxyFault['kind']): Parameters<typeof createSecureContext>[0] {
  switch (kind) {
    case 'cert-expired':
      return labCertificates.expired;
    case 'cert-self-signed':
      return labCertificates['self-signed'];
    case 'cert-wrong-name':
      return labCertificates['wrong-name'];
    case 'tls-1.0':
      // OpenSSL 3 speaks it at security level 0 only.
      return {
        ...labCertificates.lab,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      };
    default:
      return labCertificates.lab;
  }
}
