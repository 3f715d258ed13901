import type { ProxyProtocol } from '../core/protocol.js';
import { TunnelError } from './tunnel-error.js';

/** What Node says of a certificate that it does not accept (OpenSSL's X509_V_ERR_*), besides CERT_*. */
const codes: ReadonlySet<unknown> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
const MAX_CAUSES = 5;

/**
 * Whether the target's certificate was bad inside the tunnel: an outcome says so as `intercepted`. A certificate of the
 * proxy itself is none of the target's; where the client cannot tell the two apart, which is so for an https proxy
 * behind any client but our own tunnel, the answer is no.
 * @param protocol of the proxy
 */
export function isTargetCertificateFault(error: unknown, protocol: ProxyProtocol): boolean {
  let at = error;
  for (let depth = 0; depth < MAX_CAUSES && typeof at === 'object' && at !== null; depth++) {
    if (at instanceof TunnelError) return at.code === 'PW_TARGET_TLS' && isCertificateFault(at.cause);
    if (isCertificateFault(at)) return protocol !== 'https';
    at = (at as { cause?: unknown }).cause;
  }
  return false;
}

function isCertificateFault(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && (codes.has(code) || code.startsWith('CERT_'))) return true;
  // Chromium has no codes but in its text; ERR_PROXY_CERTIFICATE_INVALID is another matter.
  return typeof message === 'string' && /\bnet::ERR_CERT_[A-Z_]+/.test(message.slice(0, 2_000));
}
