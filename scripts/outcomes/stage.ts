import dns from 'node:dns';
import { createServer as createHttpServer } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { type FaultProxy, startFaultProxy } from '../../src/lab/index.js';
import { badKeyPem, selfSignedPem } from '../../test/transport/bad-certificates.js';
import { startScriptedTarget } from './scripted-target.js';
import type { Plan } from './situations.js';

/** A proxy and a target that are ready to fail. */
export interface Stage extends AsyncDisposable {
  readonly plan: Plan;
  readonly proxyUrl: string;
  readonly url: string;
  /** TCP connections that the proxy has accepted. */
  connections(): number;
  /** Takes ports, addresses of memory and times out of a text. */
  clean(text: string): string;
}

const unknownName = 'proxy-name-unknown.invalid';
const noResolver = 'resolver-down.invalid';

/** Answers for the two names that the situations are about, as a real resolver would; everything else is untouched. */
export function scriptResolver(): void {
  const original = dns.lookup;
  const scripted = (host: string, options: unknown, callback: unknown): void => {
    const done = (typeof options === 'function' ? options : callback) as (error: Error) => void;
    const code = host === unknownName ? 'ENOTFOUND' : host === noResolver ? 'EAI_AGAIN' : null;
    if (code === null) {
      Reflect.apply(original, dns, [host, options, callback]);
      return;
    }
    const error = Object.assign(new Error(`getaddrinfo ${code} ${host}`), {
      code,
      syscall: 'getaddrinfo',
      hostname: host,
    });
    setImmediate(done, error);
  };
  dns.lookup = Object.assign(scripted, original) as typeof dns.lookup;
  syncBuiltinESMExports();
}

export async function openStage(plan: Plan): Promise<Stage> {
  const { situation, scheme, kind, credentials } = plan;
  const { route, fault, dialMs, act } = situation;
  const target = await startScriptedTarget(situation.target, scheme);
  const proxy = await startFaultProxy({
    kind: route === 'no-tls' || route === 'bad-certificate' ? 'http' : kind,
    ...(fault !== undefined && { fault }),
    ...(credentials && { credentials: { username: 'user', password: 'lab' } }),
    ...(dialMs !== undefined && { latencyMs: dialMs }),
  });
  const front = await startFront(plan, proxy);
  const port = front?.port ?? proxy.port;
  const names = { 'unknown-name': unknownName, 'resolver-down': noResolver } as const;
  const name = route === 'unknown-name' || route === 'resolver-down' ? names[route] : '127.0.0.1';
  const host = scheme === 'https' ? 'localhost' : '127.0.0.1';
  return {
    plan,
    proxyUrl: `${kind}://${credentials ? 'user:lab@' : ''}${name}:${port}`,
    url: `${scheme}://${host}:${target.port}/${act === undefined ? '' : `?${act}`}`,
    connections: () => proxy.stats.connections,
    clean: (text) =>
      text
        .replaceAll('user:lab@', '')
        .replaceAll(`${kind}://127.0.0.1:${port}`, 'proxy')
        .replaceAll(`:${port}`, ':8080')
        .replaceAll(`:${target.port}`, scheme === 'https' ? ':8443' : ':8000')
        .replace(/(127\.0\.0\.1|localhost):\d{4,5}/g, '$1:0')
        .replace(/\b[0-9A-F]{8,16}(?=:error:)/g, '0')
        .replace(/\b\d+ ms\b/g, '0 ms'),
    async [Symbol.asyncDispose]() {
      await Promise.all([front?.close(), target[Symbol.asyncDispose](), proxy.close()]);
    },
  };
}

interface Front {
  readonly port: number;
  close(): Promise<void>;
}

/** What stands in front of the lab's proxy, where the route is not the plain one. */
function startFront({ situation }: Plan, proxy: FaultProxy): Promise<Front | null> {
  if (situation.route === 'passes-resets') return listen(relay(Number.POSITIVE_INFINITY, 'stalls'));
  const then = /^handshake-then-(stalls|closes|resets)$/.exec(situation.route ?? '')?.[1];
  if (then !== undefined) return listen(relay(handshakeBytes, then));
  if (situation.route !== 'bad-certificate') return Promise.resolve(null);
  const server = createTlsServer({ cert: selfSignedPem, key: badKeyPem }, (client) => {
    const behind = connect(proxy.port, '127.0.0.1');
    client
      .on('error', () => behind.destroy())
      .pipe(behind)
      .on('error', () => client.destroy());
    behind.pipe(client);
  });
  return listen(server.on('tlsClientError', () => {}));
}

/** More than a TLS handshake of the target with its tickets, and less than that and the first part of its answer. */
const handshakeBytes = 4_500;

/**
 * A plain proxy that resets its client when the target resets it, after what came before went out.
 *
 * @param maxBytes of the target's that it passes on
 * @param then what it does with its client after that
 */
function relay(maxBytes: number, then: string): Server {
  const server = createHttpServer((request, response) => {
    const url = new URL(request.url ?? '');
    const lines = request.rawHeaders.flatMap((name, i, all) =>
      i % 2 === 0 ? [`${name}: ${all[i + 1]}`] : [],
    );
    const client = response.socket as Socket;
    join(
      client,
      connect(Number(url.port), '127.0.0.1'),
      `GET ${url.pathname} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`,
      maxBytes,
      then,
    );
  });
  server.on('connect', (request, client: Socket) => {
    const upstream = connect(Number(request.url?.split(':')[1]), '127.0.0.1');
    upstream.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream);
    });
    join(client, upstream, '', maxBytes, then);
  });
  return server;
}

function join(client: Socket, upstream: Socket, first: string, maxBytes: number, then: string): void {
  if (first !== '') upstream.write(first);
  let left = maxBytes;
  upstream.on('data', (chunk: Buffer) => {
    client.write(chunk.subarray(0, left));
    left = Math.max(0, left - chunk.length);
    if (left > 0) return;
    if (then === 'closes') client.end();
    else if (then === 'resets') setTimeout(() => client.resetAndDestroy(), 20);
  });
  upstream.once('end', () => client.end());
  client.on('error', () => upstream.destroy());
  client.once('close', () => upstream.destroy());
  // A RST that comes together with data is seen as an orderly end.
  upstream.once('error', () => setTimeout(() => client.resetAndDestroy(), 20));
}

async function listen(server: Server): Promise<Front> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
