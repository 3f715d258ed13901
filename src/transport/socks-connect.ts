import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { SocksClient } from 'socks';
import { readHandshake } from './handshake-reader.js';
import type { TunnelAttempt } from './tunnel-attempt.js';
import { faultOfSocks } from './tunnel-fault.js';

/** Where the tunnel shall lead: a name, or an address where the protocol wants one. */
export interface SocksDestination {
  readonly host: string;
  readonly port: number;
}

/**
 * SOCKS by the library, over a socket of ours. The library sees a wire that ends here: the socket stays in our hands,
 * its errors stay out of ours (they carry the password in `options`), and it is fed byte by byte, because it hands
 * bytes that follow its last reply on by an event that nobody hears yet. Like this there are none.
 */
export async function socksConnect(
  attempt: TunnelAttempt,
  socket: Socket,
  destination: SocksDestination,
  limitMs: number,
): Promise<void> {
  const { protocol, host, port, username, password } = attempt.proxy;
  const type = protocol.startsWith('socks4') ? 4 : 5;
  return attempt.run<void>('handshake', limitMs, ({ done, fail }) => {
    let greeted = false;
    let established = false;
    const wire = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, sent) => {
        // After its greeting and its credentials (which start with 1), SOCKS5 asks for the target.
        attempt.awaitsTarget = type === 4 || (greeted && chunk[0] === 5);
        greeted = true;
        socket.write(chunk);
        sent();
      },
    });
    const client = new SocksClient({
      command: 'connect',
      proxy: {
        host,
        port,
        type,
        ...(username === null ? {} : { userId: username }),
        ...(password === null ? {} : { password: password.reveal() }),
      },
      destination: { ...destination },
      // The library never stops this timer, which keeps the client alive for as long; ours ends the phase.
      timeout: limitMs + 1000,
      existing_socket: wire,
    });
    client.once('established', () => {
      established = true;
    });
    client.on('error', (error: Error) => fail(faultOfSocks(error.message)));
    const stop = readHandshake(attempt, socket, { fail }, (chunk) => {
      for (let i = 0; i < chunk.length && !wire.destroyed && !established; i++) {
        wire.emit('data', chunk.subarray(i, i + 1));
        if (established && i + 1 < chunk.length) socket.unshift(chunk.subarray(i + 1));
      }
      if (established) done();
      return established || wire.destroyed;
    });
    client.connect(wire);
    return () => {
      stop();
      wire.destroy();
    };
  });
}
