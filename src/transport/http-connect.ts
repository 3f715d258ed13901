import type { Socket } from 'node:net';
import type { Proxy } from '../core/proxy.js';
import { readHandshake } from './handshake-reader.js';
import { ResponseHeadReader } from './response-head.js';
import type { TunnelAttempt } from './tunnel-attempt.js';
import { faultOfStatus } from './tunnel-fault.js';

/**
 * Asks an http or https proxy for a tunnel. Any 2xx opens it, whatever headers it has (RFC 9110, 9.3.6); of every
 * other answer only the status is kept, so that no page of the proxy can pass for one of the target.
 */
export async function httpConnect(
  attempt: TunnelAttempt,
  socket: Socket,
  authority: string,
  limitMs: number,
): Promise<void> {
  return attempt.run<void>('handshake', limitMs, ({ done, fail }) => {
    const reader = new ResponseHeadReader();
    const stop = readHandshake(attempt, socket, { fail }, (chunk) => {
      const head = reader.push(chunk);
      if (head === null) return false;
      if (typeof head === 'string') {
        fail({ code: 'PW_PROXY_BAD_RESPONSE', verdict: 'proxy', detail: head });
      } else if (head.status < 200 || head.status > 299) {
        fail(faultOfStatus(head.status, head.retryAfterMs));
      } else {
        // The target may speak first, and its first bytes may come together with the proxy's answer.
        if (head.rest.length > 0) socket.unshift(head.rest);
        done();
      }
      return true;
    });
    attempt.awaitsTarget = true;
    socket.write(connectRequest(attempt.proxy, authority), 'latin1');
    return stop;
  });
}

function connectRequest(proxy: Proxy, authority: string): string {
  const credentials = basicCredentials(proxy);
  const line = credentials === null ? '' : `Proxy-Authorization: ${credentials}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${line}\r\n`;
}

/** Value of Proxy-Authorization (RFC 7617, UTF-8), or null when the proxy has no credentials. */
export function basicCredentials(proxy: Proxy): string | null {
  if (proxy.username === null) return null;
  const pair = `${proxy.username}:${proxy.password?.reveal() ?? ''}`;
  return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
}
