import { OptionsError, ProxyListError, ProxyWhirlError, type RejectedLine } from '../errors.js';
import { FetchError } from '../transport/fetch-error.js';
import { exitCode } from './exit-code.js';
import { printable } from './safe-text.js';
import type { Settings } from './settings.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

/** An error of a command, with what is known of where its options come from. */
class BadSetting extends Error {
  constructor(cause: OptionsError, origin: Settings['origin']) {
    const lines = cause.issues.map(({ path, rule }) => {
      const from = origin(path);
      return `${path} ${rule}${from === null ? '' : ` (set by ${from})`}`;
    });
    super(lines.join('\n'), { cause });
  }
}

/** Says which flag, variable or file an option comes from that breaks its rule. */
export async function tracing<T>(settings: Settings, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OptionsError ? new BadSetting(error, settings.origin) : error;
  }
}

/** Says what went wrong in clear words, without a credential, and returns the exit code. */
export function complain(terminal: Terminal, error: unknown): number {
  if (error instanceof BadSetting || error instanceof UsageError) {
    terminal.fail(error.message);
    return exitCode.usage;
  }
  if (error instanceof ProxyListError) {
    terminal.fail(printable(error.message));
    noteRejected(terminal, error.rejected, error.rejected.length);
    return exitCode.usage;
  }
  if (error instanceof ProxyWhirlError) {
    terminal.fail(`${error.code} ${printable(error.message)}`);
    if (error instanceof FetchError)
      for (const { proxyId, verdict, code } of error.attempts)
        terminal.note(`  ${proxyId}: ${verdict}${code === null ? '' : ` (${code})`}`);
    return error.status === 400 ? exitCode.usage : exitCode.finding;
  }
  const { code, syscall, name } = (error ?? {}) as { code?: unknown; syscall?: unknown; name?: unknown };
  if (typeof code === 'string' && typeof syscall === 'string') {
    terminal.fail(`A file or an address cannot be used: ${code} (${syscall}).`);
    return exitCode.usage;
  }
  // Whatever its message says, a credential may be part of it; where it happened is not.
  terminal.fail(
    `Internal error: ${String(name ?? 'unknown')}. Please report it, with the command but without its lists.`,
  );
  for (const frame of framesOf(error)) terminal.note(frame);
  return exitCode.finding;
}

const SHOWN_LINES = 5;

/** The first lines that are no proxy, and how many more there are. */
export function noteRejected(terminal: Terminal, rejected: readonly RejectedLine[], count: number): void {
  for (const { line, message, rule } of rejected.slice(0, SHOWN_LINES))
    terminal.note(`  line ${line}: ${message} (${rule})`);
  if (count > SHOWN_LINES) terminal.note(`  and ${count - SHOWN_LINES} more lines`);
}

function framesOf(error: unknown): string[] {
  const { stack } = (error ?? {}) as { stack?: unknown };
  return typeof stack === 'string'
    ? stack
        .split('\n')
        .filter((line) => /^ {4}at /.test(line))
        .slice(0, 5)
    : [];
}
