import { SingleBar } from 'cli-progress';

/** How far a command has come. */
export interface Bar {
  update(done: number): void;
  stop(): void;
}

const nobodyWatches: Bar = Object.freeze({ update: () => {}, stop: () => {} });

/**
 * @param stream null: nobody watches
 * @param total 0: not known
 */
export function startBar(stream: NodeJS.WritableStream | null, total: number, unit: string): Bar {
  if (stream === null) return nobodyWatches;
  const bar = new SingleBar({
    stream,
    format:
      total === 0
        ? `{value} ${unit} | {duration_formatted}`
        : `{bar} {percentage} % | {value}/{total} ${unit} | {duration_formatted}`,
    barCompleteChar: '#',
    barIncompleteChar: '.',
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    // Ctrl-C is the command's own business: it ends with what was found so far.
    gracefulExit: false,
  });
  bar.start(total, 0);
  return {
    update: (done) => bar.update(done),
    stop: () => bar.stop(),
  };
}
