/** What is read of Crawlee's context: the crawler, whose configuration leads to the events of its run. */
interface PersistContext {
  readonly crawler?: { readonly config?: { getEventManager?(): unknown } };
}

interface CrawleeEvents {
  on(event: string, listener: () => Promise<void>): void;
  off(event: string, listener: () => Promise<void>): void;
}

/**
 * Crawlee tells by `persistState`, once a minute and at the end of a run, that state is to be kept, and waits for those
 * who listen at the end. Only a hook meets the crawler, so this works with `wire()` or `hooks`.
 */
export class PersistState {
  readonly #seen = new WeakSet<object>();
  /** Weak: a job that makes a configuration for each run shall not keep all of them. */
  #events: WeakRef<CrawleeEvents>[] = [];
  readonly #listener: () => Promise<void>;

  /** @param keep called for each such event */
  constructor(keep: () => Promise<unknown>) {
    this.#listener = async () => void (await keep());
  }

  see(context: object): void {
    const events = (context as PersistContext).crawler?.config?.getEventManager?.();
    if (!isEvents(events) || this.#seen.has(events)) return;
    this.#seen.add(events);
    this.#events = [...this.#events.filter((known) => known.deref() !== undefined), new WeakRef(events)];
    events.on('persistState', this.#listener);
  }

  close(): void {
    for (const events of this.#events) events.deref()?.off('persistState', this.#listener);
    this.#events = [];
  }
}

function isEvents(value: unknown): value is CrawleeEvents {
  const { on, off } = (value ?? {}) as Partial<CrawleeEvents>;
  return typeof on === 'function' && typeof off === 'function';
}
