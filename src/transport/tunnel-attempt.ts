import type { Socket } from 'node:net';
import type { Proxy } from '../core/proxy.js';
import type { StopSignal } from './stop-signal.js';
import { TunnelError, type TunnelFault, type TunnelPhase } from './tunnel-error.js';
import { faultOfDeadline, faultOfSilence } from './tunnel-fault.js';
import type { Wire, WireMeter } from './wire-meter.js';

/** What a phase is given to end itself with; the first call counts. */
export interface PhaseEnd<T> {
  done(value: T): void;
  fail(fault: TunnelFault): void;
}

/** Who may call it off, and who counts what it carries, for whom. */
export interface AttemptTerms {
  readonly signal?: StopSignal | undefined;
  readonly meter?: WireMeter | undefined;
  readonly sessionId?: string | undefined;
}

/** How late a timer may fire before we take our own process for the one that was busy, in ms. */
const busyMs = 100;

/**
 * One attempt at a tunnel: its deadline, its signal and its sockets. At any moment one timer runs, set to what comes
 * first, the limit of the phase or the deadline of all: a clock on the wall, which a proxy that drips cannot wind up
 * again as it can an idle timer.
 */
export class TunnelAttempt {
  readonly proxy: Proxy;
  /** Whether a proxy that is silent now may be waiting for the target; a handshake keeps it up to date. */
  awaitsTarget = false;
  readonly #deadlineAt: number;
  readonly #signal: StopSignal | undefined;
  readonly #terms: AttemptTerms;
  #wire: Wire | null = null;
  #sockets: Socket[] = [];

  constructor(proxy: Proxy, deadlineMs: number, terms: AttemptTerms) {
    this.proxy = proxy;
    this.#deadlineAt = performance.now() + deadlineMs;
    this.#signal = terms.signal;
    this.#terms = terms;
  }

  /** What counts the bytes of the connection; null where nothing does. */
  get wire(): Wire | null {
    return this.#wire;
  }

  /** The TCP connection stands: from its first byte on it is counted, whatever becomes of the attempt. */
  connected(tcp: Socket): void {
    const { meter, sessionId } = this.#terms;
    this.#wire = meter?.follow(this.proxy, tcp, sessionId) ?? null;
  }

  /**
   * Runs one phase. `start` begins it and returns what takes its listeners off again, which happens exactly once.
   * @throws TunnelError by the phase itself, its limit, the deadline or the signal.
   */
  run<T>(phase: TunnelPhase, limitMs: number, start: (end: PhaseEnd<T>) => () => void): Promise<T> {
    this.awaitsTarget = phase === 'tls';
    return new Promise<T>((resolve, reject) => {
      const signal = this.#signal;
      const leftMs = this.#deadlineAt - performance.now();
      const waitMs = Math.max(0, Math.min(limitMs, leftMs));
      const dueAt = performance.now() + waitMs;
      let ended = false;
      let stop = (): void => {};
      let lastTurn: NodeJS.Immediate | undefined;
      const settle = (then: () => void): void => {
        if (ended) return;
        ended = true;
        clearTimeout(timer);
        clearImmediate(lastTurn);
        signal?.removeEventListener('abort', onAbort);
        stop();
        then();
      };
      const fail = (fault: TunnelFault): void => settle(() => reject(this.error(phase, fault)));
      const onAbort = (): void =>
        fail({ code: 'PW_TUNNEL_ABORTED', verdict: 'neutral', cause: signal?.reason });
      const onTime = (): void => {
        const late = performance.now() - dueAt > busyMs;
        // Timers run before what the sockets hold is read: an answer that is there already still counts.
        lastTurn = setImmediate(() => {
          const fault = leftMs <= limitMs ? faultOfDeadline(phase) : faultOfSilence(phase, this.awaitsTarget);
          fail(late ? { ...fault, verdict: 'local', detail: 'this process was busy' } : fault);
        });
      };
      const timer = setTimeout(onTime, waitMs);
      if (signal?.aborted === true) onAbort();
      else if (leftMs <= 0) fail(faultOfDeadline(phase));
      if (ended) return;
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        const undo = start({ done: (value) => settle(() => resolve(value)), fail });
        // A phase may end while it begins; there was nothing to stop then.
        if (ended) undo();
        else stop = undo;
      } catch (error) {
        settle(() => reject(error));
      }
    });
  }

  error(phase: TunnelPhase, fault: TunnelFault): TunnelError {
    return new TunnelError(this.proxy, phase, fault);
  }

  /** The TCP socket, then what was wrapped around it: from here on {@link discard} takes them down. */
  adopt(socket: Socket): void {
    this.#sockets.push(socket);
  }

  /**
   * Leaves nothing open. By RST where that is possible, so that the proxy drops its side at once instead of taking a
   * FIN for a half-closed client that still waits. After a FIN of ours, Node 20 would lose the handle over a reset.
   */
  discard(): void {
    const [tcp, ...wrappers] = this.#sockets;
    this.#sockets = [];
    if (tcp === undefined) return;
    const resets = !tcp.connecting && ![tcp, ...wrappers].some((socket) => socket.writableEnded);
    if (resets && !tcp.destroyed) tcp.resetAndDestroy();
    for (const socket of wrappers.reverse()) socket.destroy();
    tcp.destroy();
  }
}
