/** One thing that a row has measured, and what it may be. */
export interface Figure {
  /** What was measured, such as `connections` or `settled after the deadline`. */
  readonly name: string;
  /** With its unit, as it is printed. */
  readonly measured: string;
  /** The most or the least that is allowed, as it is printed. */
  readonly bar: string;
  readonly holds: boolean;
}

/** One fault, provoked for real, and what the engine made of it. */
export interface FaultRow {
  /** Its number in the table of faults. */
  readonly number: number;
  readonly fault: string;
  /** Starts what it needs, ends it, and never throws for a bar that is missed: that is a figure. */
  run(): Promise<readonly Figure[]>;
}

/** At most `limit`, in `unit`. */
export function atMost(name: string, value: number, limit: number, unit = ''): Figure {
  return { name, measured: shown(value, unit), bar: `<= ${shown(limit, unit)}`, holds: value <= limit };
}

/** At least `limit`, in `unit`. */
export function atLeast(name: string, value: number, limit: number, unit = ''): Figure {
  return { name, measured: shown(value, unit), bar: `>= ${shown(limit, unit)}`, holds: value >= limit };
}

/** From `least` to `most`. */
export function within(name: string, value: number, least: number, most: number): Figure {
  return {
    name,
    measured: shown(value, ''),
    bar: `${shown(least, '')}..${shown(most, '')}`,
    holds: value >= least && value <= most,
  };
}

/** Exactly `wanted`. */
export function exactly<T extends string | number | boolean>(name: string, value: T, wanted: T): Figure {
  return { name, measured: String(value), bar: String(wanted), holds: value === wanted };
}

function shown(value: number, unit: string): string {
  const text = Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 2 : 1);
  return unit === '' ? text : `${text} ${unit}`;
}
