import { EventEmitter, once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { ProxyWhirlError } from '../errors.js';
import { type EntryOptions, enter } from './client-entry.js';
import type { FrontHost, LabCredentials } from './front.js';
import { createHttpFront } from './http-front.js';
import { loopbackTarget } from './loopback.js';
import { type PortReservation, reservePort } from './port-reservation.js';
import {
  drawFault,
  drawPlan,
  healthy,
  isSocks,
  type LabProxyKind,
  type ProxyBehaviour,
  type ProxyFaultKind,
  type ResolvedBehaviour,
  resolveBehaviour,
} from './proxy-fault.js';
import { seededRandom } from './seeded-random.js';
import { SocketLedger, sendReset } from './socket-ledger.js';
import { serveSocks } from './socks-front.js';
import { serveSocks4 } from './socks4-front.js';

/** Options of {@link startFaultProxy}. */
export interface FaultProxyOptions extends ProxyBehaviour {
  /** `https` is an HTTP proxy behind TLS, with the lab's certificate; `socks4a` also takes names. Default `'http'`. */
  readonly kind?: LabProxyKind;
  /** Default `'proxy'`. */
  readonly name?: string;
  /** Loopback address to listen on and to dial out from. Default `'127.0.0.1'`. */
  readonly address?: string;
  /**
   * Asked of every client: Basic, user name and password for SOCKS5 (both at least one byte there), user id for
   * SOCKS4 (the password is empty there). Default none.
   */
  readonly credentials?: LabCredentials;
  /** Puts these into {@link FaultProxy.url} instead: a client that trusts the URL is then refused. */
  readonly urlCredentials?: LabCredentials;
  /** Numbers in [0, 1) for latencies and probabilities. Default: seeded with 1. */
  readonly random?: () => number;
  /** Clock of the records, ms since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Port to listen on. Default 0: a free one. */
  readonly port?: number;
  /** Of how many connections {@link FaultProxy.firstBytes} keeps something. Default 0. */
  readonly keepFirstBytes?: number;
}

/** One request as the proxy saw it. */
export interface ProxyRequest {
  /** `CONNECT` for tunnels (SOCKS5 included), else the method. */
  readonly method: string;
  /** `name:port` of the target as the client said it; null when a SOCKS5 fault struck before it was said. */
  readonly host: string | null;
  /** The fault it met, `'none'` when it was served. */
  readonly fault: ProxyFaultKind;
  readonly at: number;
}

/** What a proxy has counted since it was started. */
export interface FaultProxyStats {
  /** TCP connections accepted. */
  readonly connections: number;
  readonly requests: number;
  /** Requests by `name:port`. */
  readonly requestsByHost: ReadonlyMap<string, number>;
  /** Refused for their credentials. */
  readonly unauthorized: number;
  /** Refused because their target is not on loopback. */
  readonly forbidden: number;
  /** Bytes that came from clients, below TLS. */
  readonly bytesUp: number;
  /** Bytes that went to clients, below TLS. */
  readonly bytesDown: number;
  /** Sockets open now, towards clients and towards targets. */
  readonly openSockets: number;
}

const recentRequests = 1000;

/** A real forward proxy on loopback with scripted faults; see {@link startFaultProxy}. */
export class FaultProxy extends EventEmitter<{ request: [ProxyRequest] }> {
  readonly name: string;
  readonly kind: LabProxyKind;
  /** Where it listens, and what a target sees as its client. */
  readonly address: string;

  readonly #options: FaultProxyOptions;
  readonly #clients = new SocketLedger();
  readonly #targets = new SocketLedger();
  readonly #entry: EntryOptions;
  readonly #requestsByHost = new Map<string, number>();
  readonly #recent: ProxyRequest[] = [];
  readonly #firstBytes: Uint8Array[] = [];
  readonly #counts = { connections: 0, requests: 0, unauthorized: 0, forbidden: 0 };
  #behaviour: ResolvedBehaviour = healthy;
  #server: Server | null = null;
  #reservation: PortReservation | null = null;
  #port = 0;
  #closed = false;
  /** Behaviours and close() take effect one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: FaultProxyOptions) {
    super();
    this.setMaxListeners(0);
    this.#options = options;
    this.name = options.name ?? 'proxy';
    this.kind = options.kind ?? 'http';
    this.address = options.address ?? '127.0.0.1';
    const random = options.random ?? seededRandom(1);
    const keep = options.keepFirstBytes ?? 0;
    const keepBytes = (bytes: Uint8Array): void => {
      if (this.#firstBytes.push(bytes) > keep) this.#firstBytes.shift();
    };
    this.#entry = {
      secure: this.kind === 'https',
      draw: () => drawFault(this.#behaviour.atAccept, random),
      front: createFront(this.kind, this.#frontHost(random)),
      firstBytes: keep > 0 ? keepBytes : null,
    };
  }

  get port(): number {
    return this.#port;
  }

  /** As a client is configured with it, credentials percent-encoded and included. */
  get url(): string {
    const shown = this.#options.urlCredentials ?? this.#options.credentials;
    return `${this.kind}://${shown === undefined ? '' : userInfo(shown, this.kind)}${this.address}:${this.#port}`;
  }

  get stats(): FaultProxyStats {
    return {
      ...this.#counts,
      requestsByHost: new Map(this.#requestsByHost),
      bytesUp: this.#clients.bytesRead,
      bytesDown: this.#clients.bytesWritten,
      openSockets: this.#clients.size + this.#targets.size,
    };
  }

  /** The last requests, oldest first, at most 1000. */
  get requests(): readonly ProxyRequest[] {
    return [...this.#recent];
  }

  /** What the last `keepFirstBytes` connections sent at first (one read, above TLS), oldest first. */
  get firstBytes(): readonly Uint8Array[] {
    return [...this.#firstBytes];
  }

  /** The next request that comes in after this call. */
  async nextRequest(options: { signal?: AbortSignal } = {}): Promise<ProxyRequest> {
    const [request] = await once(this, 'request', options);
    return request as ProxyRequest;
  }

  /**
   * Changes what the proxy does from the next request on; what `change` leaves out stays. Resolves when it has taken
   * effect, which only takes time when the proxy dies or comes back (on the same port).
   * Throws `PW_LAB_UNAVAILABLE` for a fault that this kind of proxy cannot have.
   */
  async behave(change: ProxyBehaviour): Promise<void> {
    this.#behaviour = resolveBehaviour(this.#behaviour, change, this.kind);
    await this.#inTurn(() => this.#settle());
  }

  /** Closes the port and every socket; resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#inTurn(() => this.#settle());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(step);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Brings the port in line with what is wanted now: listening, reserved (dead) or gone (closed). */
  async #settle(): Promise<void> {
    const dead = this.#behaviour.faults.some((fault) => fault.kind === 'dead');
    if (!this.#closed && !dead) {
      await this.#reservation?.release();
      this.#reservation = null;
      this.#server ??= await this.#listen();
      return;
    }
    // The first start learns its port by listening, even when it starts dead.
    if (!this.#closed && this.#port === 0) this.#server = await this.#listen();
    await this.#stopListening();
    if (this.#closed) await this.#reservation?.release();
    else this.#reservation ??= await reservePort(this.address, this.#port);
  }

  async #listen(): Promise<Server> {
    // Half-open sockets: a client that ends its half early must still get its answer.
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: this.address, port: this.#port || (this.#options.port ?? 0) }, resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    return server;
  }

  async #stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#targets.destroyAll();
    if (server === null) return;
    const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
    this.#clients.resetAll();
    await Promise.all([stopped, this.#clients.drained(), this.#targets.drained()]);
  }

  #accept(socket: Socket): void {
    this.#counts.connections += 1;
    this.#clients.track(socket);
    enter(socket, this.#entry);
  }

  #frontHost(random: () => number): FrontHost {
    const now = this.#options.now ?? Date.now;
    return {
      address: this.address,
      credentials: this.#options.credentials ?? null,
      random,
      plan: () => drawPlan(this.#behaviour, random),
      record: (method, host, plan) => {
        const request: ProxyRequest = { method, host, fault: plan.fault.kind, at: now() };
        this.#counts.requests += 1;
        if (host !== null) this.#requestsByHost.set(host, (this.#requestsByHost.get(host) ?? 0) + 1);
        if (this.#recent.push(request) > recentRequests) this.#recent.shift();
        this.emit('request', request);
      },
      refused: (why) => {
        this.#counts[why === 'credentials' ? 'unauthorized' : 'forbidden'] += 1;
      },
      dial: (host, port) => {
        const to = loopbackTarget(host) ?? '127.0.0.1';
        const from = to.includes(':') ? {} : { localAddress: this.address };
        const socket = connect({ host: to, port, allowHalfOpen: true, ...from });
        socket.setNoDelay(true);
        this.#targets.track(socket);
        return socket;
      },
      reset: sendReset,
    };
  }
}

function createFront(kind: LabProxyKind, host: FrontHost): (client: Socket) => void {
  if (kind === 'socks5') return (client) => serveSocks(host, client);
  if (isSocks(kind)) return (client) => serveSocks4(host, client, kind === 'socks4a');
  const http = createHttpFront(host);
  return (client) => http.emit('connection', client);
}

function userInfo({ username, password }: LabCredentials, kind: LabProxyKind): string {
  const user = encodeURIComponent(username);
  return kind.startsWith('socks4') ? `${user}@` : `${user}:${encodeURIComponent(password)}@`;
}

/** Starts one proxy. It listens on a free port of its own address, dials out from there, and only to loopback. */
export async function startFaultProxy(options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const { kind = 'http', credentials } = options;
  if (kind === 'socks5' && (credentials?.username === '' || credentials?.password === '')) {
    throw new ProxyWhirlError('PW_LAB_UNAVAILABLE', 'SOCKS5 has no empty user name or password (RFC 1929).');
  }
  if (kind.startsWith('socks4') && credentials !== undefined && credentials.password !== '') {
    throw new ProxyWhirlError('PW_LAB_UNAVAILABLE', 'SOCKS4 has a user id and no password.');
  }
  const proxy = new FaultProxy(options);
  try {
    await proxy.behave(options);
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}
