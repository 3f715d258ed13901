/**
 * The proxy or the https target of `reuse.ts`, as lean as sockets can be: what they compute is the same for every
 * client, and would hide how far the clients are apart. Each is a process of its own.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { labCertificatePem, labKeyPem } from 'proxywhirl/lab';

const END = '\r\n\r\n';
let accepted = 0;

/** Answers whatever ends like the head of a request. */
function target(): Server {
  const body = '{"ip":"127.0.0.1"}';
  const answer = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}${END}${body}`;
  const tls = { key: labKeyPem, cert: labCertificatePem, ALPNProtocols: ['http/1.1'] };
  return createTlsServer(tls, (socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (let at = chunk.indexOf(END); at >= 0; at = chunk.indexOf(END, at + END.length))
        socket.write(answer);
    });
  });
}

/** Takes CONNECT, and leads to a port of this machine. */
function proxy(port: number): Server {
  return createServer({ noDelay: true }, (client: Socket) => {
    accepted += 1;
    client.on('error', () => {});
    client.once('data', () => {
      const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
      upstream.on('error', () => {});
      upstream.once('connect', () => {
        client.write(`HTTP/1.1 200 OK${END}`);
        client.on('data', (chunk) => upstream.write(chunk));
        upstream.on('data', (chunk) => client.write(chunk));
      });
      client.once('close', () => upstream.destroy());
      upstream.once('close', () => client.destroy());
    });
  });
}

const [to] = process.argv.slice(2);
const server = to === undefined ? target() : proxy(Number(to));
server.listen(0, '127.0.0.1', 1_024);
await once(server, 'listening');
process.on('message', () => process.send?.(accepted));
process.on('disconnect', () => process.exit());
process.send?.((server.address() as AddressInfo).port);
