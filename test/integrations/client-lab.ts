import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import type { RotatorEvents } from '../../src/core/events.js';
import { type ProxyWhirl, type ProxyWhirlOptions, proxywhirl } from '../../src/index.js';
import { type Lab, labCaPem, type ProxySpec, startLab, type TargetSiteOptions } from '../../src/lab/index.js';

/** For targets of the lab, and for its https proxies. */
export const labTls = { tls: { ca: labCaPem }, proxyTls: { ca: labCaPem, servername: 'localhost' } };

/** A name with the specification of its proxy. */
export const upstreams: readonly (readonly [string, ProxySpec])[] = [
  ['http', {}],
  ['http with credentials', { credentials: { username: 'u s', password: 'p@:s' } }],
  ['https', { kind: 'https' }],
  ['socks5', { kind: 'socks5' }],
  ['socks5 with credentials', { kind: 'socks5', credentials: { username: 'u s', password: 'p@:s' } }],
];

/** A lab, an engine over its proxies, and how its leases ended. */
export interface ClientLab extends AsyncDisposable {
  readonly lab: Lab;
  readonly whirl: ProxyWhirl;
  readonly settled: readonly RotatorEvents['settled'][];
  /** Leases that were given out. */
  readonly acquired: () => number;
}

export async function clientLab(
  proxies: readonly ProxySpec[],
  options: Partial<ProxyWhirlOptions> = {},
  site: TargetSiteOptions = {},
): Promise<ClientLab> {
  const lab = await startLab({ proxies, site });
  const whirl = proxywhirl({ proxies: lab.urls, ...options });
  const settled: RotatorEvents['settled'][] = [];
  let acquired = 0;
  whirl.rotator.on('settled', (event) => settled.push(event));
  whirl.rotator.on('selected', () => {
    acquired += 1;
  });
  return {
    lab,
    whirl,
    settled,
    acquired: () => acquired,
    async [Symbol.asyncDispose]() {
      await whirl.close();
      await lab.close();
    },
  };
}

/** A target that takes connections, remembers where they came from, and ends them. */
export interface Sink extends AsyncDisposable {
  readonly port: number;
  readonly callers: readonly string[];
}

export async function startSink(): Promise<Sink> {
  const callers: string[] = [];
  const server: Server = createServer((socket) => {
    callers.push(socket.remoteAddress ?? 'unknown');
    socket.on('error', () => {});
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    callers,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Until no socket towards the proxies of the lab is open. */
export async function noSocketsLeft(lab: Lab): Promise<void> {
  while (lab.proxies.some(({ stats }) => stats.openSockets > 0))
    await new Promise((resolve) => setImmediate(resolve));
}

/** A fault, and the verdicts with which it may end. */
export const faults: readonly (readonly [string, ProxySpec, RegExp])[] = [
  ['dead', { fault: 'dead' }, /^proxy$/],
  ['hang', { fault: 'hang' }, /^(?:proxy|ambiguous)$/],
  ['reset', { fault: 'reset' }, /^(?:proxy|ambiguous)$/],
  ['407', { credentials: { username: 'lab', password: 'right' }, wrongPassword: true }, /^auth$/],
];
