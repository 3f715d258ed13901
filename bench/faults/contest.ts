import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { loopbackAddress } from '../../src/lab/loopback.js';
import type { Blackhole, Rig, RigProxy } from '../../test/matrix/rig.js';
import type { Message, Round, Task } from './child.js';
import type { ContenderName } from './contenders.js';
import { deadlineMs, type FaultCase } from './rows.js';

/** A call that has not settled by then never will, as far as anybody waits. */
export const cutAfterMs = 6_000;
/** So many connections are a storm; whoever gets there is ended. */
export const cutAfterConnections = 5_000;
/** From here on a call only waits, and the next contender may use the processor. */
const idleAfterMs = 1_500;
/** The lab's certificate names no more addresses than these. */
const namedAddresses = 30;

/** What one contender made of one fault. */
export interface Result {
  readonly contender: ContenderName;
  /** Null: cut. */
  readonly settled: Round | null;
  readonly cut: { readonly ms: number; readonly connections: number } | null;
}

/** Meets every contender with the fault, one after the other, each in a process of its own. */
export async function contest(
  rig: Rig,
  faultCase: FaultCase,
  names: readonly ContenderName[],
  environment: { readonly caFile: string; readonly warmUp: Task['warmUp']; readonly index: number },
): Promise<readonly Result[]> {
  const url = await targetUrl(rig, faultCase);
  if (faultCase.answer !== undefined)
    await rig.target.script([{ path: '/measured', answer: faultCase.answer }]);
  const { proxy: options } = faultCase;
  const address = loopbackAddress(environment.index % namedAddresses);
  const proxy: Blackhole | RigProxy =
    options === 'blackhole' ? await rig.blackhole() : await rig.proxy({ ...options, address });
  const children = names.map((contender) => ({
    contender,
    child: start(
      {
        contender,
        proxyUrl: proxy.url,
        url,
        deadlineMs: faultCase.abortAfterMs === undefined ? deadlineMs : null,
        abortAfterMs: faultCase.abortAfterMs ?? null,
        warmUp: environment.warmUp,
      },
      environment.caFile,
    ),
  }));
  try {
    await Promise.all(children.map(({ child, contender }) => ready(child, contender)));
    const results: Promise<Result>[] = [];
    for (const { contender, child } of children) {
      const result = measure(child).then((ending) => ({ contender, ...ending }));
      results.push(result);
      await Promise.race([result, after(idleAfterMs)]);
    }
    return await Promise.all(results);
  } finally {
    await Promise.all(children.map(({ child }) => end(child)));
    if (options !== 'blackhole') await (proxy as RigProxy).close();
    await rig.target.script([]);
  }
}

async function targetUrl({ target }: Rig, { target: wanted }: FaultCase): Promise<string> {
  if (wanted === 'http') return `${target.httpUrl}/measured`;
  return `${wanted === 'lab' ? target.httpsUrl : await target.badHttpsUrl(wanted)}/measured`;
}

function start(task: Task, caFile: string): ChildProcess {
  return fork(fileURLToPath(new URL('child.ts', import.meta.url)), [JSON.stringify(task)], {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, NODE_EXTRA_CA_CERTS: caFile },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

async function ready(child: ChildProcess, contender: string): Promise<void> {
  const [first] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[];
  if ((first as Partial<Message> | null)?.kind !== 'ready')
    throw new Error(`${contender} failed through a proxy without faults`);
}

function measure(child: ChildProcess): Promise<Omit<Result, 'contender'>> {
  return new Promise((resolve, reject) => {
    let connections = 0;
    const startedAt = performance.now();
    const cut = (): void =>
      resolve({ settled: null, cut: { ms: performance.now() - startedAt, connections } });
    const timer = setTimeout(cut, cutAfterMs);
    child.on('message', (message: Message) => {
      if (message.kind === 'connections') {
        connections = message.count;
        if (connections < cutAfterConnections) return;
        cut();
        child.kill('SIGKILL');
      }
      if (message.kind === 'rounds') resolve({ settled: median(message.rounds), cut: null });
      clearTimeout(timer);
    });
    child.once('exit', (code, signal) => reject(new Error(`A contender ended early: ${code ?? signal}`)));
    child.send('go');
  });
}

/** The round of middle length, with the worst of what else the rounds had. */
function median(rounds: readonly Round[]): Round {
  const sorted = rounds.toSorted((a, b) => a.ms - b.ms);
  const middle = sorted[sorted.length >> 1] as Round;
  const most = (of: (round: Round) => number): number => Math.max(...rounds.map(of));
  return {
    ...middle,
    connections: most((round) => round.connections),
    socketsLeft: most((round) => round.socketsLeft),
    uncaught: most((round) => round.uncaught),
    leaksSecret: rounds.some((round) => round.leaksSecret),
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
