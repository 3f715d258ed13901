import { connect, createServer, type Socket } from 'node:net';

/** A port that refuses connections, and that nobody who asks for a free port is given. */
export interface PortReservation {
  release(): Promise<void>;
}

/**
 * Keeps a port while nothing listens on it. Node cannot bind without listening, so the port is made the *local* end
 * of a connection to ourselves: a SYN to it meets no listener and is refused, and Linux counts it as taken when it
 * picks a free one. Someone who names this very port may still get it, and so may anyone when this here fails.
 */
export async function reservePort(address: string, port: number): Promise<PortReservation> {
  const ends: Socket[] = [];
  const sink = createServer((socket) => {
    socket.on('error', () => {});
    ends.push(socket);
  });
  await new Promise<void>((resolve, reject) => {
    sink.once('error', reject);
    sink.listen({ host: address, port: 0 }, resolve);
  });
  const sinkAddress = sink.address();
  const sinkPort = typeof sinkAddress === 'object' && sinkAddress !== null ? sinkAddress.port : 0;
  await new Promise<void>((resolve) => {
    const holder = connect({ host: address, port: sinkPort, localAddress: address, localPort: port });
    ends.push(holder);
    holder.once('connect', resolve);
    holder.once('error', () => resolve());
  });
  return {
    release: () =>
      new Promise((resolve) => {
        // RST instead of FIN: no TIME_WAIT is left on the port that is about to listen again.
        for (const end of ends) end.resetAndDestroy();
        sink.close(() => resolve());
      }),
  };
}
