import type { Clock, Random, Timer, Timers } from '../core/clock.js';
import { SourceRefresher, type SourceSink, type SourceState } from './refresh.js';
import type { SourceEvents } from './refresh-events.js';
import type { Source } from './source.js';
import { readSourceStates } from './source-states.js';

/** What outlives the process: the cache of the engine. */
export interface SourceMemory {
  /** What was kept last, by any run; resolves when the proxies that came with it are in the pool. */
  recallSources(): Promise<unknown>;
  /** Keeps it after the proxies that it is about. */
  keepSources(states: Readonly<Record<string, SourceState>>): void;
  /** A source still names these. */
  renew(source: string, ids: readonly string[]): void;
}

export interface EngineSourcesParts {
  readonly pool: SourceSink & { readonly size: number };
  readonly sources: readonly Source[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly memory: SourceMemory | null;
}

/** One source, as `whirl.sources.state()` shows it. */
export interface SourceReport {
  /** Since it was last heard, in ms; null before. */
  readonly ageMs: number | null;
  /** How many proxies its list names. */
  readonly size: number;
}

/** `whirl.sources`: where the proxies come from. */
export interface ProxySources {
  /**
   * Loads a source now, or all of them.
   * @throws SourceError when it fails, also told as an event; OptionsError when no source has this name
   */
  refresh(name?: string): Promise<void>;
  /** By the name of the source. */
  state(): Record<string, SourceReport>;
  /** Subscribes; the function that comes back unsubscribes. */
  on<N extends keyof SourceEvents>(event: N, listener: (payload: SourceEvents[N]) => void): () => void;
}

/** Longest wait for the first lists, in ms; more than a URL may take. */
const START_MS = 20_000;

/** The sources of an engine, from its start to its end. A source that fails is an event; nothing else here does. */
export class EngineSources implements ProxySources {
  readonly #parts: EngineSourcesParts;
  readonly #refresher: SourceRefresher;
  readonly #recalled: Promise<Record<string, SourceState>>;
  readonly #starting: Promise<void>;
  readonly #firstProxies: Promise<void>;
  #isStarted = false;
  #timer: Timer | undefined;
  #stopWaiting: () => void = () => {};

  /** @throws OptionsError when two sources have one name */
  constructor(parts: EngineSourcesParts) {
    this.#parts = parts;
    const { memory, pool } = parts;
    this.#refresher = new SourceRefresher({ ...parts, onKept: (name, ids) => memory?.renew(name, ids) });
    this.#refresher.on('source', () => memory?.keepSources(this.#refresher.state()));
    this.#recalled = recall(memory);
    this.#starting = this.#start();
    this.#firstProxies = new Promise((resolve) => {
      this.#refresher.on('source', () => {
        if (pool.size > 0) resolve();
      });
      void this.#starting.then(resolve);
    });
  }

  /** Resolves when each source was loaded or has failed once, at the latest after 20 s. Never rejects. */
  get starting(): Promise<void> {
    return this.#starting;
  }

  /** Null once the pool holds a proxy, or each source was asked; resolves then. */
  get firstProxies(): Promise<void> | null {
    return this.#isStarted || this.#parts.pool.size > 0 ? null : this.#firstProxies;
  }

  on<N extends keyof SourceEvents>(event: N, listener: (payload: SourceEvents[N]) => void): () => void {
    return this.#refresher.on(event, listener);
  }

  async refresh(name?: string): Promise<void> {
    // A validator of an earlier run is worth nothing before its proxies are here.
    await this.#recalled;
    await this.#refresher.refresh(name);
  }

  state(): Record<string, SourceReport> {
    const heard = this.#refresher.state();
    return Object.fromEntries(
      this.#parts.sources.map(({ name }) => {
        const state = Object.hasOwn(heard, name) ? heard[name] : undefined;
        return [name, { ageMs: state?.ageMs ?? null, size: state?.ids.length ?? 0 }];
      }),
    );
  }

  /** Ends all loads and watches. The proxies stay in the pool. */
  async close(): Promise<void> {
    await this.#refresher.close();
    this.#stopWaiting();
    await this.#starting;
  }

  async #start(): Promise<void> {
    const { timers, sources } = this.#parts;
    const late = new Promise<void>((resolve) => {
      this.#stopWaiting = resolve;
    });
    if (sources.length > 0) this.#timer = timers.setTimeout(this.#stopWaiting, START_MS);
    const loaded = this.#recalled
      .then((states) => this.#refresher.start(states))
      // It was closed before it began.
      .catch(() => {});
    await Promise.race([loaded, late]);
    timers.clearTimeout(this.#timer);
    this.#isStarted = true;
  }
}

async function recall(memory: SourceMemory | null): Promise<Record<string, SourceState>> {
  return memory === null ? {} : readSourceStates(await memory.recallSources());
}
