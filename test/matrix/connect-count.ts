import { Socket } from 'node:net';

/** Counts what this process dials, failed connections included, and lets it through. */
export interface ConnectCount extends Disposable {
  /** Connections to this port since the count began. */
  to(port: number): number;
  /** To all ports. */
  total(): number;
}

export function countConnects(): ConnectCount {
  const byPort = new Map<number, number>();
  const { connect } = Socket.prototype;
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
    const [first] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
    const port = Number((first as { port?: unknown } | null)?.port ?? first);
    byPort.set(port, (byPort.get(port) ?? 0) + 1);
    return Reflect.apply(connect, this, args);
  } as typeof connect;
  return {
    to: (port) => byPort.get(port) ?? 0,
    total: () => [...byPort.values()].reduce((sum, count) => sum + count, 0),
    [Symbol.dispose]() {
      Socket.prototype.connect = connect;
    },
  };
}
