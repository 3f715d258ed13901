import { randomBytes } from 'node:crypto';
import { urlHost } from '../core/host.js';
import type { Rotator } from '../core/rotator.js';
import { ProxyDispatchers } from '../transport/dispatcher.js';
import { RetryBudget } from '../transport/retry-budget.js';
import { WireMeter } from '../transport/wire-meter.js';
import { engineOf } from './client-engine.js';
import { RelayDoor } from './relay-auth.js';
import type { RelayEngine } from './relay-call.js';
import { serveConnect } from './relay-connect.js';
import { serveHttp } from './relay-http.js';
import { RelayListener } from './relay-listener.js';
import { LoopGuard, RelayLoopError } from './relay-loop.js';
import { type RelayOptions, resolveRelayOptions } from './relay-options.js';
import { serveSocks } from './relay-socks.js';

export { RelayLoopError } from './relay-loop.js';
export type { RelayCredentials, RelayOptions } from './relay-options.js';

/** What a relay has counted since it was started. */
export interface RelayStats {
  /** Clients that connected. */
  readonly connections: number;
  /** Clients that are connected now. */
  readonly open: number;
  /** Plain HTTP requests. */
  readonly requests: number;
  /** Tunnels that were asked for, by CONNECT and SOCKS. */
  readonly tunnels: number;
  /** Attempts that were followed by one through another proxy. */
  readonly failovers: number;
  /** Bytes that came from clients. */
  readonly bytesUp: number;
  /** Bytes that went to clients. */
  readonly bytesDown: number;
}

/** A local forward proxy over an engine; see {@link startRelay}. */
export interface Relay extends AsyncDisposable {
  /** Where it listens; for `0.0.0.0` and `::` that is no address to connect to. */
  readonly host: string;
  readonly port: number;
  /** As an HTTP client is configured with it: `http://127.0.0.1:port`, without credentials. */
  readonly url: string;
  /** The same for a SOCKS5 client. */
  readonly socksUrl: string;
  stats(): RelayStats;
  /**
   * Takes nobody new, leaves `drainMs` to those who are served, then cuts them off; resolves when no socket is left.
   * The engine stays open: it is not the relay's. Calling it again waits for the same end.
   */
  close(): Promise<void>;
}

/**
 * Starts a local forward proxy: whoever only knows "the proxy is at localhost:port" gets the pool with its leases,
 * sessions and failover. HTTP (absolute form), CONNECT and SOCKS5 on one port. Nothing ever goes direct.
 * @param engine what `proxywhirl()` returns, or a rotator
 * @throws OptionsError when an option is unknown or breaks its rule
 * @throws ProxyWhirlError `PW_RELAY_LISTEN` when it cannot listen, `PW_RELAY_LOOP` when the pool holds the relay itself
 */
export async function startRelay(
  engine: Rotator | { readonly rotator: Rotator },
  options: RelayOptions = {},
): Promise<Relay> {
  const resolved = resolveRelayOptions(options);
  const relay = new LocalRelay('rotator' in engine ? engine.rotator : engine, resolved);
  try {
    await relay.start();
  } catch (error) {
    await relay.close();
    throw error;
  }
  return relay;
}

class LocalRelay implements Relay {
  readonly #engine: { -readonly [K in keyof RelayEngine]: RelayEngine[K] };
  readonly #listener: RelayListener;
  #unsubscribe: () => void = () => {};
  #closing: Promise<void> | null = null;
  #host = '';
  #port = 0;

  constructor(rotator: Rotator, options: RelayEngine['options']) {
    const { clock } = rotator;
    const meter = new WireMeter(rotator);
    const engine = {
      rotator,
      meter,
      options,
      door: new RelayDoor(options.credentials),
      dispatchers: new ProxyDispatchers({
        // As many as clients may connect: who waits for a connection of another client could wait for ever.
        connections: options.maxConnections,
        meter,
        ...(options.proxyCa === null ? {} : { proxyTls: { ca: options.proxyCa } }),
      }),
      judge: engineOf({ rotator }).judge,
      budgets: {
        unwritten: new RetryBudget(clock, { ratio: 1 }),
        written: new RetryBudget(clock, { ratio: 0.2 }),
      },
      loops: null,
      counts: { requests: 0, tunnels: 0, failovers: 0 },
    };
    this.#engine = engine;
    this.#listener = new RelayListener(options, {
      http: (request, response) => {
        if (this.#closing !== null) response.shouldKeepAlive = false;
        serveHttp(this.#engine, request, response);
      },
      connect: (request, client, head) => serveConnect(this.#engine, request, client, head),
      socks: (client, greeting) => serveSocks(this.#engine, client, greeting),
    });
  }

  get host(): string {
    return this.#host;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://${urlHost(this.#host)}:${this.#port}`;
  }

  get socksUrl(): string {
    return `socks5://${urlHost(this.#host)}:${this.#port}`;
  }

  async start(): Promise<void> {
    await this.#listener.listen();
    const { address, port } = this.#listener.address;
    this.#host = address;
    this.#port = port;
    const { rotator, dispatchers } = this.#engine;
    const loops = new LoopGuard({ address, port }, randomBytes(8).toString('hex'));
    this.#engine.loops = loops;
    for (const { proxy } of rotator.pool.list()) {
      if (proxy.port === port && (await loops.leadsHere(proxy))) throw new RelayLoopError(proxy);
    }
    this.#unsubscribe = rotator.on('pool', ({ proxyId, change }) => {
      if (change === 'removed') dispatchers.drop(proxyId);
      else void this.#check(proxyId, loops);
    });
  }

  stats(): RelayStats {
    return { ...this.#listener.traffic, open: this.#listener.open, ...this.#engine.counts };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Takes a proxy out that is the relay itself. Not while the pool is telling of it. */
  async #check(proxyId: string, loops: LoopGuard): Promise<void> {
    const { rotator, options } = this.#engine;
    const proxy = rotator.pool.get(proxyId)?.proxy;
    if (proxy === undefined || !(await loops.leadsHere(proxy))) return;
    if (rotator.pool.remove(proxyId)) options.onRefused?.(new RelayLoopError(proxy));
  }

  async #close(): Promise<void> {
    this.#unsubscribe();
    await this.#listener.close(this.#engine.options.drainMs);
    await this.#engine.dispatchers.destroy();
  }
}
