import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { vi } from 'vitest';

/** A TCP server that does to each connection what a test says, and counts connections and open sockets. */
export class ScriptedProxy {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  connections = 0;

  constructor(script: (socket: Socket) => void, tls?: TlsOptions) {
    this.#server =
      tls === undefined ? createServer({ allowHalfOpen: true }, script) : createTlsServer(tls, script);
    this.#server.on('tlsClientError', () => {});
    this.#server.on('connection', (socket) => {
      this.connections += 1;
      this.#open.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.#open.delete(socket));
      // Half-open: whoever leaves by FIN alone stays on the books as long as the script does not end its own half.
      socket.resume();
    });
    this.#server.on('secureConnection', (socket) => socket.on('error', () => {}));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get openSockets(): number {
    return this.#open.size;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  /** Resolves when the client has left of its own accord. */
  async drained(): Promise<void> {
    await vi.waitFor(() => {
      if (this.#open.size > 0) throw new Error(`${this.#open.size} sockets are still open`);
    }, 5000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }
}

export function startScriptedProxy(
  script: (socket: Socket) => void,
  tls?: TlsOptions,
): Promise<ScriptedProxy> {
  return new ScriptedProxy(script, tls).listen();
}

/** Runs `answer` once the head of a request has come in whole, with its text. */
export function onRequest(socket: Socket, answer: (head: string) => void): void {
  let head = '';
  const onData = (chunk: Buffer): void => {
    head += chunk.toString('latin1');
    if (!head.includes('\r\n\r\n')) return;
    socket.off('data', onData);
    answer(head);
  };
  socket.on('data', onData);
}

/** One SOCKS4 or 4a request. */
export interface Socks4Request {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/** Reads a SOCKS4/4a request and hands it to `answer`, with what came after it. */
export function onSocks4(socket: Socket, answer: (request: Socks4Request) => void): void {
  let bytes = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const userEnd = bytes.indexOf(0, 8);
    if (bytes.length < 9 || userEnd < 0) return;
    const named = bytes[4] === 0 && bytes[5] === 0 && bytes[6] === 0;
    const nameEnd = named ? bytes.indexOf(0, userEnd + 1) : userEnd;
    if (nameEnd < 0) return;
    socket.off('data', onData);
    const host = named ? bytes.toString('latin1', userEnd + 1, nameEnd) : [...bytes.subarray(4, 8)].join('.');
    answer({ host, port: bytes.readUInt16BE(2), user: bytes.toString('utf8', 8, userEnd) });
  };
  socket.on('data', onData);
}

/** SOCKS4 reply: 90 grants, 91 to 93 refuse. */
export function socks4Reply(code: number): Uint8Array {
  return Uint8Array.of(0, code, 0, 0, 0, 0, 0, 0);
}
