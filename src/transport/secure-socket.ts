import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { TunnelAttempt } from './tunnel-attempt.js';
import { faultOfError } from './tunnel-fault.js';

/** TLS towards a target or an https proxy. Certificates are verified unless `rejectUnauthorized` is false. */
export type TlsSettings = Pick<
  ConnectionOptions,
  | 'ALPNProtocols'
  | 'ca'
  | 'cert'
  | 'checkServerIdentity'
  | 'ciphers'
  | 'key'
  | 'maxVersion'
  | 'minVersion'
  | 'passphrase'
  | 'pfx'
  | 'rejectUnauthorized'
  | 'secureContext'
  | 'servername'
  | 'session'
>;

/** Wraps a connected socket into TLS with `host` at the other end. */
export async function secureSocket(
  attempt: TunnelAttempt,
  phase: 'proxy-tls' | 'tls',
  { below, host, limitMs, settings }: SecureOptions,
): Promise<TLSSocket> {
  return attempt.run<TLSSocket>(phase, limitMs, ({ done, fail }) => {
    const socket = tlsConnect({
      // Said aloud: without it NODE_TLS_REJECT_UNAUTHORIZED=0 would switch the verification off for every proxy.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      // RFC 6066: an address is never a server name. Node checks the certificate against `host` then.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...settings,
      host,
      socket: below,
    });
    attempt.adopt(socket);
    socket.on('error', ignore);
    const onSecure = (): void => done(socket);
    const onError = (error: Error): void => fail(faultOfError(phase, error));
    const onClose = (): void => fail(faultOfError(phase, below.errored ?? closedEarly));
    socket.once('secureConnect', onSecure).once('error', onError).once('close', onClose);
    return () => socket.off('secureConnect', onSecure).off('error', onError).off('close', onClose);
  });
}

interface SecureOptions {
  readonly below: Socket;
  /** Name or address that the certificate must be for. */
  readonly host: string;
  readonly limitMs: number;
  readonly settings: TlsSettings | undefined;
}

/** In Node's own words, for the case in which it only closes. */
const closedEarly = Object.assign(
  new Error('Socket disconnected before secure TLS connection was established'),
  {
    code: 'ECONNRESET',
  },
);

function ignore(): void {}
