import { setMaxListeners } from 'node:events';
import { type Agent, type ClientRequest, type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { LRUCache } from 'lru-cache';
import { urlHost } from '../core/host.js';
import type { Proxy } from '../core/proxy.js';
import { basicCredentials } from '../transport/http-connect.js';
import type { TlsSettings } from '../transport/secure-socket.js';
import { openProxyConnection, openTunnel, type Tunnel } from '../transport/tunnel.js';
import type { Wire, WireMeter } from '../transport/wire-meter.js';

/** Keep-alive agents over one proxy, for targets of both protocols. */
export interface ProxyAgents {
  readonly http: Agent;
  readonly https: Agent;
}

/** How long an idle connection is kept, in ms. */
const IDLE_MS = 10_000;
const MAX_PROXIES = 1_000;
const agentOptions = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, timeout: IDLE_MS };

/** Agents by proxy; they open every connection by our own tunnel, never a direct one. */
export class AgentPool {
  readonly #proxyTls: TlsSettings | undefined;
  readonly #meter: WireMeter | undefined;
  readonly #wires = new WeakMap<Socket, Wire>();
  /** Connections that are being made end with the pool. */
  readonly #closing = new AbortController();
  readonly #byProxy = new LRUCache<string, ProxyAgents>({
    max: MAX_PROXIES,
    dispose: ({ http, https }) => {
      http.destroy();
      https.destroy();
    },
  });

  /** @param meter counts what all connections carry */
  constructor(proxyTls: TlsSettings | undefined, meter?: WireMeter) {
    this.#proxyTls = proxyTls;
    this.#meter = meter;
    // Each connection that is being made listens.
    setMaxListeners(0, this.#closing.signal);
  }

  /** What counts the bytes of a connection; undefined where it is none of ours, or nothing counts. */
  wireOf(socket: Socket): Wire | undefined {
    return this.#wires.get(socket);
  }

  agentsFor(proxy: Proxy): ProxyAgents {
    const present = this.#byProxy.get(proxy.id);
    if (present !== undefined) return present;
    const dial: Dial = {
      proxy,
      proxyTls: this.#proxyTls,
      signal: this.#closing.signal,
      meter: this.#meter,
      opened: ({ socket, wire }) => {
        if (wire !== null) this.#wires.set(socket, wire);
      },
    };
    const forwards = proxy.protocol === 'http' || proxy.protocol === 'https';
    const made = {
      http: forwards ? new ForwardAgent(dial) : new TunnelAgent(dial),
      https: new SecureTunnelAgent(dial),
    };
    this.#byProxy.set(proxy.id, made);
    return made;
  }

  drop(proxyId: string): void {
    this.#byProxy.delete(proxyId);
  }

  close(): void {
    this.#closing.abort();
    this.#byProxy.clear();
  }
}

interface Dial {
  readonly proxy: Proxy;
  readonly proxyTls: TlsSettings | undefined;
  readonly signal: AbortSignal;
  readonly meter: WireMeter | undefined;
  readonly opened: (tunnel: Tunnel) => void;
}

/** What Node gives to createConnection; the rest are the request's TLS settings. */
type ConnectionArgs = ClientRequestArgs & TlsSettings;
type Connected = (error: Error | null, socket: Socket) => void;

/** Absolute form (RFC 9112, 3.2.2) over connections to the proxy itself. */
class ForwardAgent extends HttpAgent {
  readonly #dial: Dial;

  constructor(dial: Dial) {
    super(agentOptions);
    this.#dial = dial;
  }

  /** Node's own way into an agent; its types leave it out. */
  addRequest(request: ClientRequest, options: ClientRequestArgs): void {
    const { proxy } = this.#dial;
    const port = Number(options.port ?? 80);
    const authority = `${urlHost(String(options.host).replace(/^\[|\]$/g, ''))}${port === 80 ? '' : `:${port}`}`;
    request.path = `http://${authority}${request.path}`;
    const credentials = basicCredentials(proxy);
    if (credentials !== null) request.setHeader('proxy-authorization', credentials);
    addRequest.call(this, request, { ...options, host: proxy.host, port: proxy.port });
  }

  override createConnection(_options: ConnectionArgs, connected?: Connected): undefined {
    deliver(openProxyConnection(this.#dial), this.#dial, connected);
  }
}

/** For `http:` targets through SOCKS. */
class TunnelAgent extends HttpAgent {
  readonly #dial: Dial;

  constructor(dial: Dial) {
    super(agentOptions);
    this.#dial = dial;
  }

  override createConnection(options: ConnectionArgs, connected?: Connected): undefined {
    deliver(openTunnel({ ...this.#dial, ...targetOf(options, 80) }), this.#dial, connected);
  }
}

/** TLS inside a tunnel. Node keeps connections apart by their TLS settings. */
class SecureTunnelAgent extends HttpsAgent {
  readonly #dial: Dial;

  constructor(dial: Dial) {
    super(agentOptions);
    this.#dial = dial;
  }

  override createConnection(options: ConnectionArgs, connected?: Connected): undefined {
    const { host: _host, port: _port, path: _path, servername, ...tls } = options;
    // Got-scraping asks for HTTP/2 where it can; our requests are HTTP/1.1.
    const named = servername !== undefined && servername !== '' && isIP(servername) === 0;
    const settings = { ...tls, ...(named ? { servername } : {}), ALPNProtocols: ['http/1.1'] };
    deliver(openTunnel({ ...this.#dial, ...targetOf(options, 443), tls: settings }), this.#dial, connected);
  }
}

const { addRequest } = HttpAgent.prototype as unknown as {
  addRequest(this: unknown, request: ClientRequest, options: ClientRequestArgs): void;
};

function targetOf(options: ConnectionArgs, defaultPort: number): { host: string; port: number } {
  return { host: String(options.host), port: Number(options.port ?? defaultPort) };
}

function deliver(coming: Promise<Tunnel>, { opened }: Dial, connected: Connected | undefined): void {
  coming.then(
    (tunnel) => {
      opened(tunnel);
      connected?.(null, tunnel.socket);
    },
    // With an error, Node looks at nothing else.
    (error: Error) => (connected as ((error: Error) => void) | undefined)?.(error),
  );
}
