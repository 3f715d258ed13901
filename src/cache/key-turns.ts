/** Turns that start before the event loop gets one of its own. */
const BURST = 128;

/**
 * Lets the calls for one key take their turns, while those of other keys go on. A burst of calls that are all
 * answered from memory would keep sockets and timers waiting until its end, so the loop gets turns as well.
 */
export class KeyTurns {
  readonly #last = new Map<string, Promise<unknown>>();
  #gate: Promise<unknown> | null = null;
  #pause: Promise<void> | null = null;
  #started = 0;

  /** Whether a call for `key` would have to wait for another one. */
  isBusy(key: string): boolean {
    return this.#gate !== null || this.#last.has(key);
  }

  /** Runs `work` after all that was asked for the same key before. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = inTurn(this.#last.get(key) ?? this.#gate, this.#paused(), work);
    const end = (): void => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    };
    // Failures are the caller's; who comes next only waits.
    const ended: Promise<void> = turn.then(end, end);
    this.#last.set(key, ended);
    return turn;
  }

  /** Runs `work` after all that was asked for any of these keys before. */
  runMany<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = new Set(keys.map((key) => this.#last.get(key) ?? this.#gate));
    before.delete(null);
    const waits = before.size === 0 ? null : Promise.all(before);
    const turn = inTurn(waits, this.#paused(keys.length), work);
    const end = (): void => {
      for (const key of keys) if (this.#last.get(key) === ended) this.#last.delete(key);
    };
    const ended: Promise<void> = turn.then(end, end);
    for (const key of keys) this.#last.set(key, ended);
    return turn;
  }

  /** Runs `work` after all that was asked before, and before all that is asked from now on. */
  async runAlone<T>(work: () => Promise<T>): Promise<T> {
    const before = [...this.#last.values(), this.#gate];
    // A key that comes next must wait for this, and not for its own last turn.
    this.#last.clear();
    const turn = Promise.all(before).then(work);
    const settled = turn.catch(() => undefined);
    this.#gate = settled;
    try {
      return await turn;
    } finally {
      if (this.#gate === settled) this.#gate = null;
    }
  }

  /** What the next turn has to wait for besides its key. */
  #paused(keys = 1): Promise<void> | null {
    this.#started += keys;
    if (this.#started >= BURST) {
      this.#started = 0;
      const pause = (this.#pause ?? Promise.resolve()).then(
        () => new Promise<void>((go) => setImmediate(go)),
      );
      this.#pause = pause;
      void pause.then(() => {
        if (this.#pause === pause) this.#pause = null;
      });
    }
    return this.#pause;
  }
}

async function inTurn<T>(
  before: Promise<unknown> | null,
  pause: Promise<void> | null,
  work: () => Promise<T>,
): Promise<T> {
  if (before !== null) await before;
  if (pause !== null) await pause;
  return await work();
}
