import type { Socket } from 'node:net';
import { urlHost } from '../core/host.js';
import type { Lease } from '../core/lease.js';
import type { Outcome } from '../core/outcome.js';
import { cutSocket } from '../transport/cut-socket.js';
import { Stop, type StopSignal } from '../transport/stop-signal.js';
import { openTunnel } from '../transport/tunnel.js';
import type { Wire } from '../transport/wire-meter.js';
import type { RelayWishes } from './relay-auth.js';
import { RelayCall, type RelayEngine } from './relay-call.js';
import type { TunnelTarget } from './relay-target.js';

/** A tunnel that is asked for, and how its client is answered. */
export interface TunnelOrder {
  readonly client: Socket;
  /** Bytes that came with the question. */
  readonly early: Buffer | null;
  readonly target: TunnelTarget;
  readonly wishes: RelayWishes;
  opened(): void;
  refused(error: unknown): void;
}

/** Bytes of a client that does not wait for its tunnel; beyond, it is not read any further. */
const MAX_EARLY = 65_536;
/** What is left to the target when the client has ended its half of a tunnel, in ms. */
const HALF_OPEN_MS = 10_000;
/** A tunnel may live for hours; what is to be learned of its proxy is known by then, in ms. */
const SETTLE_MS = 10_000;

/** Opens a tunnel through as many proxies as it takes, and carries it to its end. */
export async function serveTunnel(engine: RelayEngine, order: TunnelOrder): Promise<void> {
  const { client, target } = order;
  engine.counts.tunnels += 1;
  const waiting = new WaitingClient(client, order.early);
  const scheme = target.port === 80 ? 'http' : 'https';
  const call = new RelayCall(engine, order.wishes, `${scheme}://${urlHost(target.host)}:${target.port}`);
  try {
    const { lease, socket, wire, openMs } = await open(engine, call, target, waiting.gone);
    if (waiting.gone.aborted) {
      socket.destroy();
      lease.release();
      return;
    }
    order.opened();
    splice({
      client,
      upstream: socket,
      early: waiting.release(),
      lease,
      wire,
      openMs,
      idleMs: engine.options.idleMs,
    });
  } catch (error) {
    waiting.release();
    if (!client.destroyed) order.refused(error);
  }
}

interface Opened {
  readonly lease: Lease;
  readonly socket: Socket;
  readonly wire: Wire | null;
  readonly openMs: number;
}

async function open(
  engine: RelayEngine,
  call: RelayCall,
  target: TunnelTarget,
  signal: StopSignal,
): Promise<Opened> {
  const { clock } = engine.rotator;
  const { proxyCa } = engine.options;
  for (;;) {
    const lease = call.acquire();
    const startedAt = clock.now();
    try {
      const { socket, wire } = await openTunnel({
        proxy: lease.proxy,
        meter: engine.meter,
        sessionId: lease.sessionId,
        ...target,
        deadlineMs: call.leftMs,
        signal,
        ...(proxyCa === null ? {} : { proxyTls: { ca: proxyCa } }),
      });
      return { lease, socket, wire, openMs: clock.now() - startedAt };
    } catch (error) {
      const outcome = call.outcomeOf(error, lease, false);
      if (!call.fail(lease, { error, outcome, repeatable: !signal.aborted, written: false })) throw error;
    }
  }
}

/** A client that waits for its tunnel. Read meanwhile, or nobody would learn that it has left. */
class WaitingClient {
  readonly #socket: Socket;
  readonly #gone = new Stop();
  #early: Buffer[];
  #bytes = 0;

  constructor(socket: Socket, early: Buffer | null) {
    this.#socket = socket;
    this.#early = early === null || early.length === 0 ? [] : [early];
    socket.on('data', this.#onData).once('end', this.#onGone).once('close', this.#onGone);
    socket.resume();
    if (socket.destroyed) this.#onGone();
  }

  /** Aborted when it leaves. */
  get gone(): StopSignal {
    return this.#gone;
  }

  /** Ends the watch; what it has said so far. */
  release(): readonly Buffer[] {
    this.#socket.off('data', this.#onData).off('end', this.#onGone).off('close', this.#onGone);
    this.#socket.pause();
    return this.#early;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#early.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_EARLY) this.#socket.pause();
  };

  readonly #onGone = (): void => this.#gone.abort();
}

interface Splice {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly early: readonly Buffer[];
  readonly lease: Lease;
  readonly wire: Wire | null;
  readonly openMs: number;
  readonly idleMs: number;
}

/** Carries bytes both ways until one side closes, and settles the lease. */
function splice({ client, upstream, early, lease, wire, openMs, idleMs }: Splice): void {
  let askedAt = 0;
  let turnMs: number | null = null;
  let clientLeft = false;
  let late: NodeJS.Timeout | undefined;
  const settle = (): void => {
    clearTimeout(late);
    wire?.count();
    lease.settle(outcomeOf(turnMs, openMs, askedAt !== 0 && !clientLeft));
  };
  const ask = (): void => {
    if (askedAt === 0) askedAt = performance.now();
  };
  carry(client, upstream, ask);
  carry(upstream, client, () => {
    if (turnMs !== null) return;
    turnMs = askedAt === 0 ? 0 : performance.now() - askedAt;
    late = setTimeout(settle, SETTLE_MS).unref();
  });
  client.once('end', () => {
    clientLeft = true;
    upstream.end();
    upstream.setTimeout(HALF_OPEN_MS);
  });
  upstream.once('end', () => client.end());
  client.once('close', () => {
    // Not when the upstream closed first and took the client with it.
    if (!upstream.destroyed) clientLeft = true;
    cutSocket(upstream);
  });
  upstream.once('close', () => {
    settle();
    if (upstream.errored === null || upstream.errored === undefined) client.destroySoon();
    else cutSocket(client);
  });
  // Both directions pass it.
  upstream.setTimeout(idleMs, () => {
    clientLeft = true;
    upstream.destroy();
  });
  for (const chunk of early) {
    ask();
    upstream.write(chunk);
  }
  if (client.destroyed) cutSocket(upstream);
  if (upstream.destroyed) {
    settle();
    client.destroy();
  }
  client.resume();
}

function outcomeOf(turnMs: number | null, openMs: number, unanswered: boolean): Outcome {
  if (turnMs !== null) return { verdict: 'success', latencyMs: openMs + turnMs };
  // The proxy said that the tunnel stands, the client spoke, and nobody answered.
  return { verdict: unanswered ? 'ambiguous' : 'neutral' };
}

function carry(from: Socket, to: Socket, seen: () => void): void {
  from.on('data', (chunk: Buffer) => {
    seen();
    if (to.write(chunk)) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
}
