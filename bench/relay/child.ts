/** One process of the comparison: the upstream proxy, or one of the contenders in front of it. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Server } from 'proxy-chain';
import { createRotator } from '../../src/create-rotator.js';
import { startRelay } from '../../src/integrations/relay.js';

const [role = '', port = ''] = process.argv.slice(2);
const upstreamProxyUrl = `http://127.0.0.1:${port}`;

/** A proxy and its targets in one: it answers each request with the same page, so that it costs next to nothing. */
async function upstream(): Promise<number> {
  const page = Buffer.from(
    'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\nDate: Fri, 20 Nov 2026 12:00:00 GMT\r\n' +
      `Content-Length: 2000\r\n\r\n${'x'.repeat(2_000)}`,
  );
  const server = createServer((socket: Socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      for (let at = text.indexOf('\r\n\r\n'); at >= 0; at = text.indexOf('\r\n\r\n', at + 4))
        socket.write(text.startsWith('CONNECT') ? 'HTTP/1.1 200 OK\r\n\r\n' : page);
    });
  }).listen(0, '127.0.0.1', 1_024);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function proxyChain(): Promise<number> {
  const server = new Server({
    port: 0,
    host: '127.0.0.1',
    prepareRequestFunction: () => ({ upstreamProxyUrl }),
  });
  await server.listen();
  return server.port;
}

async function relay(): Promise<number> {
  return (await startRelay(createRotator({ proxies: [upstreamProxyUrl] }))).port;
}

const starts: Record<string, () => Promise<number>> = {
  upstream,
  'proxy-chain': proxyChain,
  proxywhirl: relay,
};
process.send?.(await starts[role]?.());
