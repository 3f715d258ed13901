/** Runs `iterations` operations and returns how long they took in ms. */
export type Sample = (iterations: number) => number | Promise<number>;

/** Long enough for the clock, short enough that both sides of a comparison meet the same machine. */
const SAMPLE_MS = 8;
const WARM_UP_SAMPLES = 4;
const MAX_ITERATIONS = 1 << 20;

export interface Comparison {
  /** Medians in ns per operation. */
  readonly ours: number;
  readonly theirs: number;
  readonly ratio: number;
}

/** Times everything between the call and the end of what it starts. */
export function whole(run: (iterations: number) => void | Promise<void>): Sample {
  return async (iterations) => {
    const start = performance.now();
    await run(iterations);
    return performance.now() - start;
  };
}

/**
 * Medians of both sides, taken in turn. Who goes first alternates: a machine that slows down must not favour one.
 */
export async function compare(rounds: number, ours: Sample, theirs: Sample): Promise<Comparison> {
  const sides = [
    { sample: ours, iterations: await iterationsFor(ours), ns: [] as number[] },
    { sample: theirs, iterations: await iterationsFor(theirs), ns: [] as number[] },
  ] as const;
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      side.ns.push(((await side.sample(side.iterations)) * 1e6) / side.iterations);
    }
  }
  const [a, b] = sides.map(({ ns }) => median(ns)) as [number, number];
  return { ours: a, theirs: b, ratio: a / b };
}

/** Warms the compiler, and finds how many operations fill a sample. */
async function iterationsFor(sample: Sample): Promise<number> {
  let iterations = 256;
  for (let warm = 0; warm < WARM_UP_SAMPLES; ) {
    const ms = await sample(iterations);
    if (ms >= SAMPLE_MS || iterations >= MAX_ITERATIONS) warm += 1;
    else iterations *= 2;
  }
  return iterations;
}

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** Bytes that are in use after a collection, typed arrays included. Needs `--expose-gc`. */
export function usedBytes(): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('Run with --expose-gc');
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
