/** Runs one contender through one fault; see `contest.ts`. It ends with the process that started it. */
import { inspect } from 'node:util';
import { countConnects } from '../../test/matrix/connect-count.js';
import { socketsTo } from '../../test/matrix/rig.js';
import { type ContenderName, contenders } from './contenders.js';
import { secret } from './rows.js';

/** What a child is to do, as JSON. */
export interface Task {
  readonly contender: ContenderName;
  readonly proxyUrl: string;
  readonly url: string;
  readonly deadlineMs: number | null;
  readonly abortAfterMs: number | null;
  /** A call through a proxy without faults that comes first, so that nothing is loaded while the clock runs. */
  readonly warmUp: { readonly proxyUrl: string; readonly url: string };
}

/** How one call ended. */
export interface Round {
  /** From the call, or from the abort where there is one. */
  readonly ms: number;
  readonly status: number | null;
  /** Of the error; null for an answer. */
  readonly code: string | null;
  readonly connections: number;
  /** Towards the proxy, once an error has been told. */
  readonly socketsLeft: number;
  readonly leaksSecret: boolean;
  /** Exceptions that no call threw; each would have ended the process. */
  readonly uncaught: number;
}

/** Child -> parent. */
export type Message =
  | { readonly kind: 'ready' }
  | { readonly kind: 'connections'; readonly count: number }
  | { readonly kind: 'rounds'; readonly rounds: readonly Round[] };

/** What settles fast is measured so often: a single run on a busy machine says little. */
const roundsWhenFast = 3;
const fastMs = 500;
/** So long a client may take to close. */
const closeMs = 200;
/** A socket that was destroyed is closed in the next turns of the event loop. */
const turns = 50;

const task = JSON.parse(process.argv[2] ?? '') as Task;
const port = Number(new URL(task.proxyUrl).port);
using connects = countConnects();
let uncaught = 0;

async function round(): Promise<Round> {
  const before = connects.to(port);
  uncaught = 0;
  const client = await contenders[task.contender](task.proxyUrl, task.deadlineMs);
  const controller = new AbortController();
  let startedAt = performance.now();
  if (task.abortAfterMs !== null)
    setTimeout(() => {
      startedAt = performance.now();
      controller.abort();
    }, task.abortAfterMs);
  const ending = await client
    .get(task.url, {
      deadlineMs: task.deadlineMs,
      signal: task.abortAfterMs === null ? null : controller.signal,
    })
    .then(
      (status) => ({ status, error: null }),
      (error: unknown) => ({ status: null, error }),
    );
  const ms = performance.now() - startedAt;
  // Counted once: reading the kernel's table takes long after a storm, and must not look like a call that hangs.
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  const settled: Round = {
    ms,
    status: ending.status,
    code: ending.status === null ? codeOf(ending.error) : null,
    connections: connects.to(port) - before,
    socketsLeft: ending.status === null ? socketsTo(port) : 0,
    leaksSecret: shows(ending.error, secret),
    uncaught,
  };
  // A client that cannot close while its proxy hangs has settled its call all the same.
  await Promise.race([client.close(), new Promise((resolve) => setTimeout(resolve, closeMs))]);
  return settled;
}

/** The most telling code: of the cause, where the error itself has none or only says that all failed. */
function codeOf(error: unknown): string {
  const { code, name, cause } = (error ?? {}) as { code?: unknown; name?: unknown; cause?: unknown };
  const own = typeof code === 'string' ? code : null;
  if (cause instanceof Error && (own === null || own === 'PW_FETCH_EXHAUSTED')) return codeOf(cause);
  return own ?? String(name);
}

function shows(error: unknown, text: string): boolean {
  const shown = inspect(error, { depth: 10, showHidden: true });
  return [text, Buffer.from(`user:${text}`).toString('base64')].some((form) => shown.includes(form));
}

function tell(message: Message): void {
  if (process.connected) process.send?.(message);
}

async function warmUp(): Promise<void> {
  const client = await contenders[task.contender](task.warmUp.proxyUrl, null);
  await client.get(task.warmUp.url, { deadlineMs: null, signal: null });
  await client.close();
}

process.once('disconnect', () => process.exit());
await warmUp();
process.on('uncaughtException', () => {
  uncaught += 1;
});
const started = new Promise((resolve) => process.once('message', resolve));
tell({ kind: 'ready' });
await started;
setInterval(() => tell({ kind: 'connections', count: connects.to(port) }), 50);
const rounds: Round[] = [];
do rounds.push(await round());
while (rounds.length < roundsWhenFast && (rounds[0]?.ms ?? fastMs) < fastMs);
tell({ kind: 'rounds', rounds });
