import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export const key: string = 'bench-'.padEnd(40, 'k');

/** The smallest read route, a page as clients read it, and the largest page. */
export const readPaths: readonly string[] = [
  '/api/v1/config',
  '/api/v1/proxies?page_size=50',
  '/api/v1/proxies?page_size=500',
];

/** A client on one kept connection. */
export class Client {
  readonly #socket: Socket;
  readonly #head: string;

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#head = `Host: 127.0.0.1:${port}\r\nX-API-Key: ${key}\r\nAccept: */*\r\n`;
  }

  static async open(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1').setNoDelay();
    await once(socket, 'connect');
    return new Client(socket, port);
  }

  /** Resolves with the length of the answer in bytes, when it is complete. */
  async send(method: string, path: string, body = ''): Promise<number> {
    const fields = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    this.#socket.write(`${method} ${path} HTTP/1.1\r\n${this.#head}${fields}\r\n${body}`);
    let got = 0;
    let expected = Number.POSITIVE_INFINITY;
    let head = '';
    while (got < expected) {
      const [chunk] = (await once(this.#socket, 'data')) as [Buffer];
      got += chunk.length;
      if (Number.isFinite(expected)) continue;
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) continue;
      if (!head.startsWith('HTTP/1.1 200')) throw new Error(head.slice(0, 500));
      expected = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1]);
    }
    return got;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Reads `path` so often, over 8 connections. */
export async function readMany(port: number, path: string, count: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const client = await Client.open(port);
      while (left-- > 0) await client.send('GET', path);
      client.close();
    }),
  );
}

/** Clients that send the head of a request one byte after the other, and never come to its end. */
export async function slowLoris(port: number, count: number): Promise<() => void> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      socket.write('GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
      return socket;
    }),
  );
  const timer = setInterval(() => {
    for (const socket of sockets) if (!socket.destroyed) socket.write('a');
  }, 50);
  return () => {
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
  };
}
