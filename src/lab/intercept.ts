import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket, connect as tlsConnect } from 'node:tls';
import { labCertificates } from './bad-certificates.js';

let context: SecureContext | undefined;

/**
 * Breaks a tunnel open: TLS with the client under a certificate of the lab's intercepting CA, TLS with the target
 * (whatever its certificate), and everything passed on in between.
 */
export function interceptTunnel(client: Socket, upstream: Socket): void {
  context ??= createSecureContext(labCertificates.intercept);
  const inner = new TLSSocket(client, { isServer: true, secureContext: context });
  const end = (): void => {
    client.destroy();
    upstream.destroy();
  };
  // A client that refuses the certificate goes by a FIN, and nobody would answer it.
  inner.on('error', end).once('end', end).once('close', end);
  inner.once('secure', () => {
    const name = (inner as TLSSocket & { servername?: string | false }).servername;
    const outer = tlsConnect({
      socket: upstream,
      rejectUnauthorized: false,
      ...(typeof name === 'string' ? { servername: name } : {}),
    });
    outer.on('error', end).once('close', end);
    inner.pipe(outer).pipe(inner);
  });
}
