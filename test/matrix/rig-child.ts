/** The program of the rig's child processes; see `rig.ts`. It ends with the process that started it. */
import { type AddressInfo, connect, createServer } from 'node:net';
import { type FaultProxy, seededRandom, startFaultProxy } from '../../src/lab/index.js';
import type { ProxySeen, RigCall, RigOperations, RigReply } from './rig-operations.js';
import { ScriptedTarget } from './rig-target.js';

const proxies = new Map<string, FaultProxy>();
const target = new ScriptedTarget();

function proxy(name: string): FaultProxy {
  const found = proxies.get(name);
  if (found === undefined) throw new Error(`There is no proxy ${name} here`);
  return found;
}

const operations: RigOperations = {
  async startProxy(name, { seed, ...options }) {
    const started = await startFaultProxy({
      keepFirstBytes: 1000,
      ...options,
      name,
      random: seededRandom(seed ?? 1),
    });
    proxies.set(name, started);
    return { url: started.url, address: started.address, port: started.port };
  },
  behave: (name, change) => proxy(name).behave(change),
  seen(name): ProxySeen {
    const { stats, requests, firstBytes } = proxy(name);
    const { requestsByHost, ...counts } = stats;
    return {
      ...counts,
      byHost: Object.fromEntries(requestsByHost),
      recent: requests,
      firstBytes: firstBytes.map((bytes) => Buffer.from(bytes).toString('latin1')),
    };
  },
  closeProxy: (name) => proxy(name).close(),
  targetPort: (certificate) => target.port(certificate),
  script: (rules) => target.script(rules),
  log: () => target.log(),
  counts: () => target.counts(),
  forget: () => target.forget(),
  listen: (address) =>
    new Promise((resolve, reject) => {
      const server = createServer((socket) => socket.on('error', () => {}).resume());
      server.once('error', reject);
      server.listen({ host: address, port: 0, backlog: 2 }, () =>
        resolve((server.address() as AddressInfo).port),
      );
    }),
  async hold(address, port, connections) {
    await Promise.all(
      Array.from(
        { length: connections },
        () =>
          new Promise<void>((resolve, reject) => {
            const socket = connect({ host: address, port }, resolve);
            socket.once('error', reject);
          }),
      ),
    );
  },
};

function reply(message: RigReply): void {
  // The other side may have gone meanwhile; then nobody waits for it either.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

process.on('message', (message) => {
  const { id, operation, args } = message as RigCall;
  const run = operations[operation] as (...given: readonly unknown[]) => unknown;
  Promise.resolve()
    .then(() => run(...args))
    .then(
      (value) => reply({ id, value: value ?? null }),
      (reason: unknown) => {
        const error = reason as NodeJS.ErrnoException;
        reply({ id, error: { message: error.message, code: error.code } });
      },
    );
});
process.on('disconnect', () => process.exit());
const { user, system } = process.cpuUsage();
reply({ id: -1, value: (user + system) / 1000 });
