import type { LabCertificate } from '../../src/lab/bad-certificates.js';
import type {
  FaultProxyOptions,
  FaultProxyStats,
  ProxyBehaviour,
  ProxyRequest,
} from '../../src/lab/index.js';
import type { TargetCounts, TargetRequest, TargetRule } from './rig-target.js';

/** A proxy of the rig: everything of the lab's that can be sent to another process. */
export interface RigProxyOptions extends Omit<FaultProxyOptions, 'random' | 'now' | 'name'> {
  /** Of latencies and probabilities. Default 1. */
  readonly seed?: number;
}

/** What a proxy has counted, as JSON. */
export interface ProxySeen extends Omit<FaultProxyStats, 'requestsByHost'> {
  /** Requests by `name:port`. */
  readonly byHost: Readonly<Record<string, number>>;
  /** The last 1000. */
  readonly recent: readonly ProxyRequest[];
  /** First bytes (latin1) of each connection, above TLS, oldest first; the last 1000. */
  readonly firstBytes: readonly string[];
}

/** What the test's process may ask of a child. */
export interface RigOperations {
  startProxy(name: string, options: RigProxyOptions): Promise<{ url: string; address: string; port: number }>;
  behave(name: string, change: ProxyBehaviour): Promise<void>;
  seen(name: string): ProxySeen;
  closeProxy(name: string): Promise<void>;
  targetPort(certificate: LabCertificate | null): Promise<number>;
  script(rules: readonly TargetRule[]): void;
  log(): readonly TargetRequest[];
  counts(): TargetCounts;
  forget(): void;
  /** Listens on a free port with a backlog of 2 and accepts at once what comes. */
  listen(address: string): Promise<number>;
  /** Opens so many connections and keeps them. */
  hold(address: string, port: number, connections: number): Promise<void>;
}

export type RigOperation = keyof RigOperations;

/** Test -> child. */
export interface RigCall {
  readonly id: number;
  readonly operation: RigOperation;
  readonly args: readonly unknown[];
}

/** Child -> test; `id` -1 says that the child is ready, and how much processor time (ms) that took. */
export interface RigReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly code: string | undefined };
}
