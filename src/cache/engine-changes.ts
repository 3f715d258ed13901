import { isListed } from '../core/adjustment.js';
import type { Rotator } from '../core/rotator.js';

/** What became of a proxy's requests since the last write, as far as it says whether to keep it. */
export interface Tally {
  /** Whether one of them succeeded; `faults` counts from there. */
  succeeded: boolean;
  faults: number;
}

export interface Changes {
  /** Ids of proxies of which something else is known than before. */
  readonly learned: ReadonlySet<string>;
  readonly added: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
  /** For proxies of a source, by id. */
  readonly tallies: ReadonlyMap<string, Tally>;
}

/** Breaker states whose loss would cost the next run failed requests. */
const CONDEMNED: ReadonlySet<string> = new Set(['open', 'auth-failed', 'tls-intercept']);

/** Gathers by the engine's events which proxies have to be written. */
export class EngineChanges {
  readonly #rotator: Rotator;
  readonly #onChange: (urgent: boolean) => void;
  readonly #unsubscribe: readonly (() => void)[];
  #learned = new Set<string>();
  #added = new Set<string>();
  #removed = new Set<string>();
  #tallies = new Map<string, Tally>();

  /** @param onChange told of each change; urgent where it was expensive to learn */
  constructor(rotator: Rotator, onChange: (urgent: boolean) => void) {
    this.#rotator = rotator;
    this.#onChange = onChange;
    this.#unsubscribe = [
      rotator.on('settled', ({ proxyId, verdict }) => {
        // Nothing was learned by it.
        if (verdict === 'neutral' || verdict === 'local') return;
        this.#tally(proxyId, verdict);
        this.#learn(proxyId, false);
      }),
      rotator.on('breaker', ({ proxyId, to }) => this.#learn(proxyId, CONDEMNED.has(to))),
      rotator.on('cooldown', ({ proxyId }) => this.#learn(proxyId, true)),
      rotator.on('adjusted', ({ proxyId }) => this.#learn(proxyId, true)),
      rotator.on('session', ({ proxyId, previousProxyId }) => {
        if (previousProxyId !== null) this.#learn(previousProxyId, false);
        this.#learn(proxyId, false);
      }),
      rotator.on('pool', ({ proxyId, change }) => {
        const [to, from] = change === 'added' ? [this.#added, this.#removed] : [this.#removed, this.#added];
        from.delete(proxyId);
        to.add(proxyId);
        this.#onChange(true);
      }),
    ];
  }

  /** All since it was asked last. */
  take(): Changes {
    const changes = {
      learned: this.#learned,
      added: this.#added,
      removed: this.#removed,
      tallies: this.#tallies,
    };
    this.#learned = new Set();
    this.#added = new Set();
    this.#removed = new Set();
    this.#tallies = new Map();
    return changes;
  }

  /** These were added because the cache holds them: there is nothing to write. */
  fromCache(ids: Iterable<string>): void {
    for (const id of ids) this.#added.delete(id);
  }

  wasRemoved(proxyId: string): boolean {
    return this.#removed.has(proxyId);
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #learn(proxyId: string, urgent: boolean): void {
    this.#learned.add(proxyId);
    this.#onChange(urgent);
  }

  #tally(proxyId: string, verdict: string): void {
    const { pool, inPanic } = this.#rotator;
    const member = pool.get(proxyId);
    if (member === undefined || isListed(member.proxy)) return;
    const tally = this.#tallies.get(proxyId) ?? { succeeded: false, faults: 0 };
    if (verdict === 'success') {
      tally.succeeded = true;
      tally.faults = 0;
    } else if ((verdict === 'proxy' || verdict === 'auth') && !inPanic) tally.faults += 1;
    this.#tallies.set(proxyId, tally);
  }
}
