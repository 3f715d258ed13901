import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RigCall, RigOperation, RigOperations, RigReply } from './rig-operations.js';

const program = fileURLToPath(new URL('rig-child.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Waiting {
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

/** One child of the rig. Signals go to this one process only, and only while it is known to run. */
export class RigProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #calls = new Map<number, Waiting>();
  #lastId = 0;
  #startCpuMs = 0;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#exited = once(child, 'exit');
    child.on('message', (message) => this.#take(message as RigReply));
    child.once('exit', () => {
      for (const { reject } of this.#calls.values()) reject(new Error(`The rig's process ${name} has ended`));
      this.#calls.clear();
    });
    // A call that can no longer be sent is rejected by the exit.
    child.on('error', () => {});
  }

  /** Resolves when it takes calls. */
  static async start(name: string): Promise<RigProcess> {
    const child = fork(program, [], {
      cwd: root,
      execArgv: ['--import', 'tsx'],
      serialization: 'json',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const started = new RigProcess(name, child);
    started.#startCpuMs = await new Promise<number>((resolve, reject) => {
      started.#calls.set(-1, { resolve: (value) => resolve(Number(value)), reject });
    });
    return started;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Processor time that its start took, in ms. */
  get startCpuMs(): number {
    return this.#startCpuMs;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Rejects when the child fails, ends, or has ended; while it is stopped it waits. */
  call<K extends RigOperation>(
    operation: K,
    ...args: Parameters<RigOperations[K]>
  ): Promise<Awaited<ReturnType<RigOperations[K]>>> {
    if (!this.running) return Promise.reject(new Error(`The rig's process ${this.name} has ended`));
    this.#lastId += 1;
    const id = this.#lastId;
    const done = new Promise<unknown>((resolve, reject) => this.#calls.set(id, { resolve, reject }));
    this.#child.send({ id, operation, args } satisfies RigCall);
    return done as Promise<Awaited<ReturnType<RigOperations[K]>>>;
  }

  /** SIGSTOP: its sockets stay open and nobody serves them. Resolves when it stands still. */
  async stop(): Promise<void> {
    this.#signal('SIGSTOP');
    while (this.running && stateOf(this.pid) !== 'T') await new Promise(setImmediate);
  }

  /** SIGCONT. */
  resume(): void {
    this.#signal('SIGCONT');
  }

  /** SIGKILL; resolves when the process is gone. The kernel then closes (or resets) all its sockets. */
  async kill(): Promise<void> {
    this.#signal('SIGKILL');
    await this.#exited;
  }

  #signal(signal: NodeJS.Signals): void {
    // Node sends nothing to a child that it has seen end, so the pid cannot be somebody else's by now.
    if (this.running) this.#child.kill(signal);
  }

  #take({ id, value, error }: RigReply): void {
    const waiting = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
  }
}

/** One letter, as `ps` prints it. */
function stateOf(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2)[0];
}

/**
 * Children end by themselves when their parent does, unless they are stopped just then. This one, a shell that reads
 * pids until its input ends, kills those.
 */
export class Warden {
  readonly #shell: ChildProcess;

  constructor() {
    const script = 'pids=; while read -r line; do pids=$line; done; [ -z "$pids" ] || kill -KILL $pids';
    this.#shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'] });
    this.#shell.stdin?.on('error', () => {});
  }

  /** The processes that must not outlive this one. */
  watch(processes: readonly RigProcess[]): void {
    const pids = processes.filter(({ running }) => running).map(({ pid }) => pid);
    this.#shell.stdin?.write(`${pids.join(' ')}\n`);
  }

  async dispose(): Promise<void> {
    const exited = once(this.#shell, 'exit');
    this.#shell.stdin?.end('\n');
    await exited;
  }
}
