import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runProgram } from '../../src/cli/program.js';
import { Terminal } from '../../src/cli/terminal.js';

const root = resolve(import.meta.dirname, '../..');
const main = join(root, 'src/cli/main.ts');

/** What a command has said, and how it ended. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** A command that is under way. */
export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves when it has ended. */
  readonly ended: Promise<Ran>;
}

/** An empty folder in which the real command runs, in a process of its own. */
export class CommandHome implements AsyncDisposable {
  readonly dir: string;
  readonly #running = new Set<ChildProcessWithoutNullStreams>();

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Below the repository, so that what runs from its sources finds its loader. */
  static async create(): Promise<CommandHome> {
    await mkdir(join(root, '.cache'), { recursive: true });
    return new CommandHome(await mkdtemp(join(root, '.cache', 'command-')));
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  write(name: string, content: string): Promise<void> {
    return writeFile(this.path(name), content);
  }

  read(name: string): Promise<string> {
    return readFile(this.path(name), 'utf8');
  }

  start(args: readonly string[], { env = {}, input = '' }: RunOptions = {}): Running {
    const own = Object.entries(process.env).filter(
      ([name]) => !/^(?:PROXYWHIRL_|NODE_|VITEST|NO_COLOR)/.test(name),
    );
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
      cwd: this.dir,
      env: { ...Object.fromEntries(own), ...env },
    });
    this.#running.add(child);
    child.stdin.on('error', () => {
      // It has ended without reading.
    });
    child.stdin.end(input);
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
      ([stdout, stderr, [code]]) => {
        this.#running.delete(child);
        return { code: code as number | null, stdout, stderr };
      },
    );
    return { child, ended };
  }

  /** The same in this process, which is quicker; all but `main.ts` is as it is in a process of its own. */
  async call(args: readonly string[], { env = {}, input = '' }: RunOptions = {}): Promise<Ran> {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const said = Promise.all([text(stdout), text(stderr)]);
    const streams = { stdout, stderr } as unknown as Record<'stdout' | 'stderr', NodeJS.WriteStream>;
    const code = await runProgram(
      {
        terminal: new Terminal({ ...streams, env }),
        env,
        cwd: this.dir,
        stdin: Readable.from([input]),
        signal: new AbortController().signal,
        interruptedBy: () => null,
      },
      args,
    );
    stdout.end();
    stderr.end();
    const [out, err] = await said;
    return { code, stdout: out, stderr: err };
  }

  run(args: readonly string[], options?: RunOptions): Promise<Ran> {
    return this.start(args, options).ended;
  }

  async json<T>(args: readonly string[], options?: RunOptions): Promise<T> {
    const { stdout, stderr } = await this.run([...args, '--json'], options);
    try {
      return JSON.parse(stdout) as T;
    } catch (cause) {
      throw new Error(`no JSON: ${stdout}\n${stderr}`, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) child.kill('SIGKILL');
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Resolves with what was written so far, as soon as it matches; rejects when the stream ends before. */
export async function heard(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string> {
  let said = '';
  return new Promise((resolve, reject) => {
    const listen = (chunk: unknown): void => {
      said += String(chunk);
      if (!pattern.test(said)) return;
      stream.off('data', listen);
      resolve(said);
    };
    stream.on('data', listen);
    stream.once('end', () => reject(new Error(`ended without ${pattern}: ${said}`)));
  });
}
