import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A real server that hands out lists, and remembers what it was asked. */
export interface ListServer {
  readonly origin: string;
  readonly requests: IncomingMessage[];
  /** Sockets that are open now. */
  readonly open: () => number;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** One address of loopback per server; closed with the test. */
export async function listServer(answer: Answer, address = '127.0.0.2'): Promise<ListServer> {
  const requests: IncomingMessage[] = [];
  let open = 0;
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.on('connection', (socket) => {
    open += 1;
    socket.on('close', () => {
      open -= 1;
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const { port } = server.address() as AddressInfo;
  return { origin: `http://${address}:${port}`, requests, open: () => open };
}

/** Answers with this text. */
export function text(body: string | Uint8Array, headers: Record<string, string> = {}, status = 200): Answer {
  return (_request, response) => response.writeHead(status, headers).end(body);
}

/** Sends this piece again and again, as fast as it is taken, until the connection ends. */
export function endless(piece: Uint8Array | string, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(200, headers);
    const send = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on('drain', send);
    send();
  };
}
