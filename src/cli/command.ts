import type { Readable } from 'node:stream';
import type { Terminal } from './terminal.js';

/** What a command runs on. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: Readable;
  /** Aborted by Ctrl-C and SIGTERM: end soon, and in good order. */
  readonly signal: AbortSignal;
  /** The exit code of the signal that came; null before one. */
  interruptedBy(): number | null;
}

/** One file of `commands/`; loaded when it is asked for. */
export interface CommandModule<F> {
  /** Ctrl-C and SIGTERM are the way to end it, and no interruption. */
  readonly endsBySignal?: true;
  /** Resolves with the exit code. */
  run(context: CommandContext, flags: F, ...args: readonly string[]): Promise<number>;
}

/** Of every command. */
export interface JsonFlag {
  /** One JSON document on stdout instead of a table. */
  readonly json?: boolean | undefined;
}

/** Of every command that needs settings. */
export interface SettingFlags extends JsonFlag {
  readonly config?: string | undefined;
  readonly proxy?: readonly string[] | undefined;
  readonly source?: readonly string[] | undefined;
  readonly strategy?: string | undefined;
  readonly cacheDir?: string | undefined;
  readonly keyFile?: string | undefined;
  /** False: `--no-cache`. */
  readonly cache?: boolean | undefined;
  readonly set?: readonly string[] | undefined;
}

/** Of every command that checks proxies. */
export interface CheckFlags {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly expectStatus?: number | undefined;
  readonly judge?: boolean | undefined;
  readonly judgeUrl?: string | undefined;
  readonly ownAddress?: string | undefined;
  readonly timeout?: number | undefined;
  readonly concurrency?: number | undefined;
}
