import { type ErrorCode, errorCodes } from '../errors.js';
import type { RelayRefusal } from './relay-call.js';

/** Types of RFC 9209, 2.3, so that a client can tell an answer of the relay from one of the target. */
const proxyErrors: Readonly<Record<number, string>> = {
  400: 'http_request_error',
  403: 'http_request_denied',
  407: 'http_request_denied',
  502: 'destination_unavailable',
  503: 'proxy_internal_error',
  504: 'connection_timeout',
  508: 'proxy_loop_detected',
};

/** Name, value, name, value. The connection ends with each refusal. */
export function refusalHeaders({ status, code, retryAfterS }: RelayRefusal, body: string): string[] {
  const error = proxyErrors[status] ?? 'proxy_internal_error';
  const headers = [
    'Content-Type',
    'text/plain; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
  ];
  headers.push('Proxy-Status', `proxywhirl; error=${error}; details="${code}"`);
  if (status === 407) headers.push('Proxy-Authenticate', 'Basic realm="ProxyWhirl"');
  if (retryAfterS !== null) headers.push('Retry-After', String(retryAfterS));
  headers.push('Connection', 'close');
  return headers;
}

/** The code and what it means; nothing of what a proxy, a target or the client said. */
export function refusalText({ code }: RelayRefusal): string {
  return `${code}: ${errorCodes[code as ErrorCode].meaning}\n`;
}
