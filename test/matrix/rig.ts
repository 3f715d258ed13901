/**
 * Proxies and a target in processes of their own, for faults that one process cannot have: a proxy that is stopped or
 * killed, a peer whose sockets are not ours. The engine under test runs in the process that starts the rig.
 *
 * ```ts
 * await using rig = await startRig();
 * await rig.target.script([{ path: '/big', answer: { bodyBytes: 1_000_000 } }]);
 * const proxy = await rig.proxy({ group: 'victim' }); // a process for itself, so that it can be stopped alone
 * const answer = whirl.fetch(`${rig.target.httpUrl}/big`); // ... through proxy.url
 * await proxy.process.kill();
 * expect((await rig.target.counts()).requests).toBe(1);
 * expect(socketsTo(proxy.port)).toBe(0);
 * ```
 */
import type { LabCertificate } from '../../src/lab/bad-certificates.js';
import type { ProxyBehaviour } from '../../src/lab/index.js';
import { loopbackAddress } from '../../src/lab/loopback.js';
import type { ProxySeen, RigProxyOptions } from './rig-operations.js';
import { RigProcess, Warden } from './rig-process.js';
import type { TargetCounts, TargetRequest, TargetRule } from './rig-target.js';

export type { ProxySeen, RigProxyOptions } from './rig-operations.js';
export type { RigProcess } from './rig-process.js';
export { fdCount, socketsTo } from './rig-sockets.js';
export type { TargetAnswer, TargetCounts, TargetRequest, TargetRule } from './rig-target.js';

/** A proxy in another process. */
export interface RigProxy {
  /** Credentials included. */
  readonly url: string;
  readonly address: string;
  readonly port: number;
  /** Shared by all proxies of its group. */
  readonly process: RigProcess;
  behave(change: ProxyBehaviour): Promise<void>;
  seen(): Promise<ProxySeen>;
  /** The same once no socket is open towards clients and targets; waits for ever when one stays. */
  drained(): Promise<ProxySeen>;
  close(): Promise<void>;
}

/** The target in another process; without a script it answers everything with 200 and `ok`. */
export interface RigTarget {
  /** `http://127.0.0.1:port`. */
  readonly httpUrl: string;
  /** `https://localhost:port`; trust `labCaPem`. Also good for `127.0.0.1` and `*.lab.test` (through a proxy). */
  readonly httpsUrl: string;
  readonly process: RigProcess;
  /** `https://localhost:port` of the same target with another certificate. */
  badHttpsUrl(certificate: LabCertificate): Promise<string>;
  /** Replaces all rules. */
  script(rules: readonly TargetRule[]): Promise<void>;
  log(): Promise<readonly TargetRequest[]>;
  counts(): Promise<TargetCounts>;
  /** Forgets requests and counts; rules stay. */
  forget(): Promise<void>;
}

/** An address where connecting hangs: SYNs are neither answered nor refused. */
export interface Blackhole {
  readonly url: string;
  readonly address: string;
  readonly port: number;
}

export interface Rig extends AsyncDisposable {
  readonly target: RigTarget;
  /** Starts one proxy, on the next 127.0.0.x and in the group `proxies` (one process per group) unless told. */
  proxy(options?: RigProxyOptions & { readonly group?: string }): Promise<RigProxy>;
  blackhole(): Promise<Blackhole>;
}

/** Starts the target's process; a group's process starts with its first proxy. */
export async function startRig(): Promise<Rig> {
  const warden = new Warden();
  const processes = new Map<string, Promise<RigProcess>>();
  const running: RigProcess[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.allSettled(processes.values());
    await Promise.all(running.map((child) => (child.running ? child.kill() : undefined)));
    await warden.dispose();
  };
  const start = async (name: string): Promise<RigProcess> => {
    const child = await RigProcess.start(name);
    running.push(child);
    warden.watch(running);
    return child;
  };
  /** The running process of that name; one that was killed is replaced, once. */
  const group = async (name: string): Promise<RigProcess> => {
    const known = processes.get(name);
    const child = await known;
    if (child?.running === true) return child;
    const latest = processes.get(name);
    if (latest !== undefined && latest !== known) return latest;
    const replacement = start(name);
    processes.set(name, replacement);
    return replacement;
  };
  let proxies = 0;
  try {
    const target = await startTarget(await group('target'));
    return {
      target,
      async proxy({ group: name = 'proxies', ...options } = {}) {
        proxies += 1;
        const id = `proxy-${proxies}`;
        const address = options.address ?? loopbackAddress(proxies - 1);
        const child = await group(name);
        const started = await child.call('startProxy', id, { ...options, address });
        return {
          ...started,
          process: child,
          behave: (change) => child.call('behave', id, change),
          seen: () => child.call('seen', id),
          async drained() {
            for (;;) {
              const seen = await child.call('seen', id);
              if (seen.openSockets === 0) return seen;
            }
          },
          close: () => child.call('closeProxy', id),
        };
      },
      async blackhole() {
        proxies += 1;
        const address = loopbackAddress(proxies - 1);
        const child = await start(`blackhole-${proxies}`);
        const port = await child.call('listen', address);
        await child.stop();
        // Nobody accepts any more: backlog 2 takes three, and the kernel drops the next SYN.
        await target.process.call('hold', address, port, 3);
        return { url: `http://${address}:${port}`, address, port };
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function startTarget(child: RigProcess): Promise<RigTarget> {
  const url = async (certificate: LabCertificate): Promise<string> =>
    `https://localhost:${await child.call('targetPort', certificate)}`;
  return {
    httpUrl: `http://127.0.0.1:${await child.call('targetPort', null)}`,
    httpsUrl: await url('lab'),
    process: child,
    badHttpsUrl: url,
    script: (rules) => child.call('script', rules),
    log: () => child.call('log'),
    counts: () => child.call('counts'),
    forget: () => child.call('forget'),
  };
}
