import { exitCode } from './exit-code.js';

/** Ctrl-C and SIGTERM ask a command to end; the second one ends it at once. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** What to exit with after a signal; null before one. */
  interruptedBy(): number | null;
}

export function watchInterruption(process: NodeJS.Process): Interruption {
  const controller = new AbortController();
  let code: number | null = null;
  for (const [name, exit] of [
    ['SIGINT', exitCode.interrupted],
    ['SIGTERM', exitCode.terminated],
  ] as const) {
    process.on(name, () => {
      if (code !== null) process.exit(exit);
      code = exit;
      controller.abort();
    });
  }
  return { signal: controller.signal, interruptedBy: () => code };
}
