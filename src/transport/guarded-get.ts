import { type IncomingHttpHeaders, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { type AddressPolicy, AddressRefusedError } from './address-policy.js';

/** An answer whose body has not been read yet. */
export interface DirectAnswer {
  readonly status: number;
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** As it comes over the wire: still encoded. Whoever does not read it to its end aborts the request. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface DirectGet {
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the connection, whatever it is at. */
  readonly signal: AbortSignal;
}

/**
 * One GET without a proxy, on a connection of its own, to nowhere but where the policy allows. Follows no redirect.
 *
 * Node's own client: its signal works while it connects as well, and it leaves the body as it is, so that its bytes
 * can be counted.
 * @throws AddressRefusedError before anything is connected
 */
export function guardedGet(
  url: URL,
  { headers, signal }: DirectGet,
  policy: AddressPolicy,
): Promise<DirectAnswer> {
  return new Promise((resolve, reject) => {
    // For an IP address no look-up is ever asked for.
    if (!policy.allowsHost(url.hostname)) return reject(new AddressRefusedError());
    const options: RequestOptions = { agent: false, headers, signal, lookup: policy.lookup };
    const send = url.protocol === 'https:' ? secureRequest : request;
    const sent = send(url, options, (answer: IncomingMessage) => {
      // Heard by nobody when the request is aborted before the body is read.
      answer.on('error', () => {});
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
    });
    sent.on('error', reject).end();
  });
}
