import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { passSlowly, writeSlowly } from './drip.js';
import { endOrderly, type FrontHost, resetAfterData } from './front.js';
import type { ProxyFault } from './proxy-fault.js';

/** RFC 9110, 7.6.1: belong to one connection. `transfer-encoding` stays on requests: it frames the body we pass on. */
const hopByHop = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
]);

/** Passes an absolute-form request on to its `http:` target, and the answer back. */
export function forwardRequest(
  host: FrontHost,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  fault: ProxyFault,
): void {
  const client = request.socket;
  const port = url.port === '' ? 80 : Number(url.port);
  const upstream = httpRequest({
    method: request.method ?? 'GET',
    path: `${url.pathname}${url.search}`,
    headers: endToEnd(request.rawHeaders, hopByHop),
    // A connection per request, without an agent: a pooled one may be closed by the target just when it is used
    // again, and the lab would then answer 502 without having been told to.
    createConnection: () => host.dial(url.hostname, port),
  });
  response.once('close', () => upstream.destroy());
  upstream.once('error', () => {
    if (response.headersSent) client.destroy();
    else if (!client.destroyed)
      response.writeHead(502, { 'content-type': 'text/plain' }).end('The target failed\n');
  });
  upstream.once('response', (answer) => {
    if (fault.kind === 'reset') return host.reset(client);
    answer.once('error', () => client.destroy());
    if (fault.kind === 'drip' && fault.part !== 'body')
      return dripAnswer(answer, response, fault.everyMs ?? 50);
    response.writeHead(
      answer.statusCode ?? 502,
      answer.statusMessage ?? '',
      endToEnd(answer.rawHeaders, responseHopByHop),
    );
    if (fault.kind === 'truncate' && request.method !== 'HEAD') truncateAnswer(answer, response, fault, host);
    else if (fault.kind === 'drip') dripBody(answer, response, fault.everyMs ?? 50);
    else answer.pipe(response);
  });
  request.pipe(upstream);
}

const responseHopByHop = new Set([...hopByHop, 'transfer-encoding']);

/** Flat name, value list, in the order and spelling it came: an echo page shows what the client really sent. */
function endToEnd(rawHeaders: readonly string[], without: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!without.has(name.toLowerCase())) kept.push(name, rawHeaders[i + 1] ?? '');
  }
  return kept;
}

/** Past node:http, which sends a head in one piece; the body then ends with the connection. */
function dripAnswer(answer: IncomingMessage, response: ServerResponse, everyMs: number): void {
  const client = response.socket;
  if (client === null) return;
  const headers = endToEnd(answer.rawHeaders, responseHopByHop);
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  writeSlowly(client, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`, everyMs, () => {
    answer.pipe(client, { end: false });
    answer.once('end', () => endOrderly(client));
  });
}

function dripBody(answer: IncomingMessage, response: ServerResponse, everyMs: number): void {
  const client = response.socket;
  if (client === null) return;
  response.flushHeaders();
  const write = (byte: Uint8Array): void => void response.write(byte);
  void passSlowly(answer, client, everyMs, write, () => response.end());
}

function truncateAnswer(
  answer: IncomingMessage,
  response: ServerResponse,
  fault: Extract<ProxyFault, { kind: 'truncate' }>,
  host: FrontHost,
): void {
  const client = response.socket;
  if (client === null) return;
  const length = Number(answer.headers['content-length'] ?? Number.NaN);
  let left = fault.afterBytes ?? (Number.isNaN(length) ? 1024 : Math.floor(length / 2));
  const cut = (): void => {
    answer.destroy();
    if (fault.reset === true) resetAfterData(host, client);
    else client.destroySoon();
  };
  response.flushHeaders();
  if (left === 0) {
    cut();
    return;
  }
  answer.on('data', (chunk: Buffer) => {
    if (left === 0) return;
    const part = chunk.subarray(0, left);
    left -= part.length;
    const last = left === 0;
    response.write(part, () => (last ? cut() : undefined));
  });
  // A chunked answer that was shorter than the limit still ends without its last chunk.
  answer.once('end', () => (left > 0 ? cut() : undefined));
}
