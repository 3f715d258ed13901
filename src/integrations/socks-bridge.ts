import {
  type Agent,
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  request as sendRequest,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.js';
import type { Proxy } from '../core/proxy.js';
import { cutSocket } from '../transport/cut-socket.js';
import { openTunnel } from '../transport/tunnel.js';
import { TunnelError } from '../transport/tunnel-error.js';
import type { WireMeter } from '../transport/wire-meter.js';
import { endToEnd, findHeadFault } from './relay-head.js';
import { readAuthority, readHttpTarget } from './relay-target.js';

/** What a bridge is made of. */
export interface SocksBridgeParts {
  readonly proxy: Proxy;
  /** For requests over plain http; its connections go through the proxy. */
  readonly agent: Agent;
  /** Counts what tunnels carry; the agent has its own. */
  readonly meter: WireMeter;
  readonly clock: Clock;
  /** Somebody connected. */
  readonly onUse: () => void;
}

/** Targets whose last failure is remembered. */
const MAX_FAULTS = 32;
/** Of a request and of an answer, in bytes: browsers take more than Node's 16 KiB. */
const MAX_HEAD = 65_536;

/**
 * An HTTP proxy on loopback before one SOCKS proxy, for clients that speak no SOCKS, or none with credentials. It leads
 * to this proxy and to nobody else: whoever is handed its URL is handed the proxy. It asks for no credentials, because
 * Crawlee would put one relay more before a browser that has some.
 */
export class SocksBridge {
  /** `http://127.0.0.1:port`; rejected where no port can be had. */
  readonly url: Promise<string>;
  readonly #parts: SocksBridgeParts;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #faults = new LRUCache<string, { readonly error: TunnelError; readonly at: number }>({
    max: MAX_FAULTS,
  });

  constructor(parts: SocksBridgeParts) {
    this.#parts = parts;
    this.#server = createServer({ maxHeaderSize: MAX_HEAD }, (request, response) =>
      this.#forward(request, response),
    )
      .on('connect', (request: IncomingMessage, client: Socket, head: Buffer) =>
        this.#tunnel(request, client, head),
      )
      .on('connection', (socket: Socket) => {
        parts.onUse();
        this.#sockets.add(socket);
        socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
      });
    // Nobody has to close it for a script to end.
    this.#server.unref();
    this.url = new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', () => {
        resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
      });
    });
    this.url.catch(() => {});
  }

  /** Why nobody was led to the target of this URL, as far as that happened since `since`, in ms of the clock. */
  faultOf(url: string, since: number): TunnelError | undefined {
    const fault = this.#faults.get(authorityOf(new URL(url)));
    return fault !== undefined && fault.at >= since ? fault.error : undefined;
  }

  /** Ends what goes through it as well. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #tunnel(request: IncomingMessage, client: Socket, head: Buffer): void {
    const authority = request.url ?? '';
    const target = findHeadFault(request) === null ? readAuthority(authority) : null;
    if (target === null) {
      refuse(client, '400 Bad Request');
      return;
    }
    const waiting = new AbortController();
    const early = [head];
    // Read meanwhile, or nobody would learn that the client has left.
    const keep = (chunk: Buffer): void => {
      early.push(chunk);
      client.pause();
    };
    const leave = (): void => waiting.abort();
    client.on('data', keep).once('end', leave).once('close', leave);
    const { proxy, meter } = this.#parts;
    openTunnel({ proxy, meter, ...target, signal: waiting.signal }).then(
      ({ socket }) => {
        client.off('data', keep).off('end', leave).off('close', leave).pause();
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        for (const chunk of early) socket.write(chunk);
        join(client, socket);
      },
      (error: unknown) => {
        this.#note(authority, error);
        refuse(client, '502 Bad Gateway');
      },
    );
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const target = findHeadFault(request) === null ? readHttpTarget(request.url ?? '') : null;
    if (target === null) {
      response.writeHead(400, { connection: 'close' }).end();
      return;
    }
    const { hostname, port } = new URL(target.origin);
    const headers = ['Host', target.authority, ...endToEnd(request.rawHeaders, ['host', 'expect']).flat];
    // It belongs to each connection, but says that a body follows.
    if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
    const upstream = sendRequest({
      agent: this.#parts.agent,
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : Number(port),
      method: request.method,
      path: target.path,
      headers,
      maxHeaderSize: MAX_HEAD,
    });
    upstream.on('response', (answer: IncomingMessage) => {
      response.sendDate = false;
      try {
        response.writeHead(answer.statusCode ?? 0, answer.statusMessage, endToEnd(answer.rawHeaders).flat);
      } catch {
        // A status or a text that Node would not send: an answer that breaks HTTP is none.
        response.destroy();
        return;
      }
      pipeline(answer, response, () => {});
    });
    upstream.on('error', (error) => {
      this.#note(authorityOf(new URL(target.origin)), error);
      // No page: it would pass for that of the target.
      response.destroy();
    });
    response.once('close', () => upstream.destroy());
    request.pipe(upstream);
  }

  #note(authority: string, error: unknown): void {
    if (!(error instanceof TunnelError) || error.code === 'PW_TUNNEL_ABORTED') return;
    this.#faults.set(authority.toLowerCase(), { error, at: this.#parts.clock.now() });
  }
}

function authorityOf({ protocol, hostname, port }: URL): string {
  if (port !== '') return `${hostname}:${port}`;
  return `${hostname}:${protocol === 'https:' ? 443 : 80}`;
}

function refuse(client: Socket, status: string): void {
  client.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  client.destroySoon();
}

/** Carries bytes both ways until both have ended, or one breaks off. */
function join(one: Socket, other: Socket): void {
  const bind = (from: Socket, to: Socket): void => {
    from.pipe(to);
    from.once('close', (broken) => (broken ? cutSocket(to) : to.destroySoon()));
  };
  other.on('error', () => {});
  bind(one, other);
  bind(other, one);
  if (one.destroyed) other.destroy();
}
