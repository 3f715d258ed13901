import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { labCaPem } from '../../src/lab/index.js';

/** What came back of one exchange. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Proxy-Authorization of the URL's credentials, if it has any. */
function authorization(proxy: URL): Record<string, string> {
  if (proxy.username === '') return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** One absolute-form request; rejects with what node:http says when there is no whole answer. */
export async function getThrough(
  proxyUrl: string,
  url: string,
  options: { agent?: Agent; method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const proxy = new URL(proxyUrl);
  const outgoing = request({
    host: proxy.hostname,
    port: proxy.port,
    path: url,
    method: options.method ?? 'GET',
    agent: options.agent ?? new Agent(),
    headers: { host: new URL(url).host, ...authorization(proxy), ...options.headers },
  });
  outgoing.end(options.body);
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      let body = '';
      response.setEncoding('latin1').on('data', (chunk: string) => {
        body += chunk;
      });
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
  });
}

/** CONNECT; resolves with the status, and with the tunnel's socket whatever the status is. */
export async function connectThrough(
  proxyUrl: string,
  authority: string,
): Promise<{ status: number; headers: IncomingHttpHeaders; socket: Socket; head: Buffer }> {
  const proxy = new URL(proxyUrl);
  const outgoing = request({
    host: proxy.hostname,
    port: proxy.port,
    method: 'CONNECT',
    path: authority,
    agent: false,
    headers: { host: authority, ...authorization(proxy) },
  });
  outgoing.end();
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject);
    outgoing.once('connect', (response, socket, head: Buffer) => {
      // Most tests leave their tunnel to close(), which breaks it.
      socket.on('error', () => {});
      resolve({ status: response.statusCode ?? 0, headers: response.headers, socket, head });
    });
  });
}

/** One HTTPS request inside a socket that already leads to the target. */
export async function getInside(socket: Socket, url: string): Promise<Answer> {
  const { hostname, pathname, search, host } = new URL(url);
  const secure = tlsConnect({ socket, servername: hostname, ca: labCaPem });
  const outgoing = request({
    createConnection: () => secure,
    path: pathname + search,
    headers: { host, connection: 'close' },
  });
  outgoing.end();
  return new Promise((resolve, reject) => {
    secure.once('error', reject);
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      let body = '';
      response.setEncoding('latin1').on('data', (chunk: string) => {
        body += chunk;
      });
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
  });
}

/**
 * Sends bytes over plain TCP, gathers what comes, and says how it ended. It reads byte by byte: libuv takes a RST that
 * comes together with a read that did not fill its buffer for an orderly end.
 */
export async function exchange(
  address: { host: string; port: number },
  bytes: string | Uint8Array,
): Promise<{ received: Buffer; ended: 'FIN' | string }> {
  const received: number[] = [];
  const socket = connect({
    ...address,
    onread: {
      buffer: Buffer.alloc(1),
      callback: (_length, buffer) => {
        received.push(buffer[0] ?? 0);
        return true;
      },
    },
  });
  let ended = 'FIN';
  socket.once('error', (error: NodeJS.ErrnoException) => {
    ended = error.code ?? error.message;
  });
  socket.write(bytes);
  await once(socket, 'close').catch(() => once(socket, 'close'));
  return { received: Buffer.from(received), ended };
}
