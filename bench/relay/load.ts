import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HOST = 'site.example';
const HEADERS = `Host: ${HOST}\r\nUser-Agent: bench\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\nAccept-Language: en\r\n`;
const FORWARD = `GET http://${HOST}/page HTTP/1.1\r\n${HEADERS}\r\n`;
const INSIDE = `GET /page HTTP/1.1\r\n${HEADERS}\r\n`;
const CONNECT = `CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}:443\r\n\r\n`;
const BODY_BYTES = 2_000;
const CLIENTS = 32;

/** A connection that asks and reads, one after the other. */
class Client {
  readonly #socket: Socket;
  #left = 0;
  #answered: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      // Negative: the head is not complete yet. It always came in one piece, and is checked to.
      if (this.#left < 0) {
        const end = chunk.indexOf('\r\n\r\n');
        if (end < 0 || !chunk.subarray(0, 12).toString('latin1').startsWith('HTTP/1.1 200'))
          throw new Error(`An answer that was not expected: ${chunk.toString('latin1', 0, 200)}`);
        this.#left += 1 + BODY_BYTES * (this.#withBody ? 1 : 0) - (chunk.length - end - 4);
      } else this.#left -= chunk.length;
      if (this.#left === 0) this.#answered?.();
    });
  }

  #withBody = true;

  static async open(port: number): Promise<Client> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new Client(socket);
  }

  ask(text: string, withBody = true): Promise<void> {
    this.#left = -1;
    this.#withBody = withBody;
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write(text);
    });
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Requests per second of `CLIENTS` that each ask again as soon as they are answered. */
async function rate(ms: number, run: (until: number) => Promise<number>): Promise<number> {
  const startedAt = performance.now();
  const counts = await Promise.all(Array.from({ length: CLIENTS }, () => run(startedAt + ms)));
  const seconds = (performance.now() - startedAt) / 1_000;
  return counts.reduce((sum, count) => sum + count, 0) / seconds;
}

export async function forwardRate(port: number, ms: number): Promise<number> {
  return rate(ms, async (until) => {
    const client = await Client.open(port);
    let count = 0;
    for (; performance.now() < until; count++) await client.ask(FORWARD);
    client.end();
    return count;
  });
}

export async function reusedTunnelRate(port: number, ms: number): Promise<number> {
  return rate(ms, async (until) => {
    const client = await Client.open(port);
    await client.ask(CONNECT, false);
    let count = 0;
    for (; performance.now() < until; count++) await client.ask(INSIDE);
    client.end();
    return count;
  });
}

export async function newTunnelRate(port: number, ms: number): Promise<number> {
  return rate(ms, async (until) => {
    let count = 0;
    for (; performance.now() < until; count++) {
      const client = await Client.open(port);
      await client.ask(CONNECT, false);
      await client.ask(INSIDE);
      client.end();
    }
    return count;
  });
}

/** Median of one client alone, in us. */
export async function forwardLatency(port: number, ms: number): Promise<number> {
  const client = await Client.open(port);
  const took: number[] = [];
  for (const until = performance.now() + ms; performance.now() < until; ) {
    const askedAt = performance.now();
    await client.ask(FORWARD);
    took.push((performance.now() - askedAt) * 1_000);
  }
  client.end();
  return took.sort((a, b) => a - b)[took.length >> 1] ?? Number.NaN;
}
