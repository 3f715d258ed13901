import { Socket } from 'node:net';

/** A socket that this process has dialled with. */
export interface DialledSocket {
  readonly port: number;
  /** Monotonic ms; null while it is open. */
  closedAt: number | null;
}

/** Notes when sockets of this process close, and lets everything through. */
export interface SocketWatch extends Disposable {
  /** Those dialled since the watch began, or since the last time that they were taken. */
  take(): DialledSocket[];
  /** How many of them are open. */
  open(): number;
}

export function watchSockets(): SocketWatch {
  let dialled: DialledSocket[] = [];
  const { connect } = Socket.prototype;
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
    const [first] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
    const one: DialledSocket = {
      port: Number((first as { port?: unknown } | null)?.port ?? first),
      closedAt: null,
    };
    dialled.push(one);
    this.once('close', () => {
      one.closedAt = performance.now();
    });
    return Reflect.apply(connect, this, args);
  } as typeof connect;
  return {
    take() {
      const taken = dialled;
      dialled = [];
      return taken;
    },
    open: () => dialled.filter(({ closedAt }) => closedAt === null).length,
    [Symbol.dispose]() {
      Socket.prototype.connect = connect;
    },
  };
}
