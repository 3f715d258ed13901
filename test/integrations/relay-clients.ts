import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { SocksClient } from 'socks';
import { afterEach } from 'vitest';
import { type ProxyWhirl, type ProxyWhirlOptions, proxywhirl } from '../../src/index.js';
import { type Relay, type RelayOptions, startRelay } from '../../src/integrations/relay.js';
import { type Lab, labCaPem, type ProxySpec, startLab, type TargetSiteOptions } from '../../src/lab/index.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

/** A lab, an engine over its proxies, and a relay over that engine. */
export interface RelayWorld {
  readonly lab: Lab;
  readonly whirl: ProxyWhirl;
  readonly relay: Relay;
}

/** What {@link relayWorld} is made of. */
export interface RelayWorldOptions {
  readonly proxies?: number | readonly ProxySpec[];
  readonly site?: TargetSiteOptions;
  readonly engine?: Partial<ProxyWhirlOptions>;
  readonly relay?: RelayOptions;
}

/** Ends with the test. */
export async function relayWorld(options: RelayWorldOptions = {}): Promise<RelayWorld> {
  const lab = await startLab({ proxies: options.proxies ?? 2, site: { pages: 200, ...options.site } });
  open.push(lab);
  const whirl = proxywhirl({ proxies: lab.urls, ...options.engine });
  open.push(whirl);
  const relay = await startRelay(whirl, { proxyCa: labCaPem, drainMs: 200, ...options.relay });
  open.push(relay);
  return { lab, whirl, relay };
}

/** Sockets that are open anywhere between the clients and the site; none is left when all is over. */
export function openSockets({ lab, relay }: RelayWorld): number {
  return relay.stats().open + lab.proxies.reduce((sum, proxy) => sum + proxy.stats.openSockets, 0);
}

/** A tunnel by SOCKS5. */
export async function socksThrough(
  relay: Relay,
  target: { host: string; port: number },
  user: { username: string; password: string } | null = null,
): Promise<Socket> {
  const { socket } = await SocksClient.createConnection({
    command: 'connect',
    proxy: {
      host: relay.host,
      port: relay.port,
      type: 5,
      ...(user === null ? {} : { userId: user.username, password: user.password }),
    },
    destination: target,
  });
  socket.on('error', () => {});
  return socket;
}

/** TLS with the site inside a tunnel. */
export async function secureThrough(socket: Socket): Promise<TLSSocket> {
  const secure = tlsConnect({ socket, servername: 'localhost', ca: labCaPem });
  secure.on('error', () => {});
  await once(secure, 'secureConnect');
  return secure;
}

/** A plain connection to the relay. */
export async function dialRelay(relay: Relay): Promise<Socket> {
  const socket = connect({ host: relay.host, port: relay.port });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Writes, and reads until the relay closes. */
export async function converse(relay: Relay, text: string): Promise<string> {
  const socket = await dialRelay(relay);
  let heard = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    heard += chunk;
  });
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return heard;
}
