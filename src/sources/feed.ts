import type { Proxy } from '../core/proxy.js';
import type { Source, SourceBatch, SourceValidator } from './source.js';
import { SourceError } from './source-error.js';

/** A list with less than this share of the one before is not believed the first time. */
const LEAST_SHARE = 0.2;

/** What one source gave so far, and which of it is still so. Knows no pool and reads no clock. */
export class Feed {
  readonly source: Source;
  /** Loads in a row that failed. */
  failures = 0;
  #validator: SourceValidator | null = null;
  #named: ReadonlySet<string> = new Set();
  /** Id -> when a list came without it, in ms. */
  readonly #vanished = new Map<string, number>();
  #hasShrunk = false;

  constructor(source: Source) {
    this.source = source;
  }

  get validator(): SourceValidator | null {
    return this.#validator;
  }

  /** Ids that the list in force names. */
  get named(): ReadonlySet<string> {
    return this.#named;
  }

  /** Whether it names the proxy, or did so a short time ago. */
  holds(id: string): boolean {
    return this.#named.has(id) || this.#vanished.has(id);
  }

  /**
   * Takes over what an earlier run knew: the proxies are in the pool already.
   * @param vanished those that its last list did not name any more, by then
   */
  resume(named: ReadonlySet<string>, vanished: readonly string[], then: number): void {
    this.#named = named;
    for (const id of vanished) this.#vanished.set(id, then);
  }

  /** The list in force is all there, so that a source may say that it has not changed. */
  trust(validator: SourceValidator | null): void {
    this.#validator = validator;
  }

  /**
   * Makes a list the one that is in force; the proxies of it that the one before did not name come back.
   * @throws SourceError `shrink` for one that is far shorter, unless the one before it was so, too. Its validator is
   * not taken over, so that the next load reads the list again
   */
  accept({ proxies, validator }: SourceBatch & { changed: true }, now: number): Proxy[] {
    const isShort = proxies.length < this.#named.size * LEAST_SHARE;
    if (isShort && !this.#hasShrunk) {
      this.#hasShrunk = true;
      const detail = `it shrank from ${this.#named.size} to ${proxies.length} proxies, which the next load must confirm`;
      throw new SourceError(this.source.name, 'shrink', detail);
    }
    this.#hasShrunk = false;
    this.#validator = validator;
    const before = this.#named;
    this.#named = new Set(proxies.map(({ id }) => id));
    for (const id of before) if (!this.#named.has(id)) this.#vanished.set(id, now);
    for (const id of this.#named) this.#vanished.delete(id);
    return proxies.filter(({ id }) => !before.has(id));
  }

  /** Those whose time to live is over, and forgets them. */
  takeExpired(now: number): string[] {
    const expired: string[] = [];
    for (const [id, since] of this.#vanished) {
      if (now - since >= this.source.settings.ttlSeconds * 1000) expired.push(id);
    }
    for (const id of expired) this.#vanished.delete(id);
    return expired;
  }

  /** When the next one is due; null when all that it named is there. */
  get nextExpiryAt(): number | null {
    // In the order in which they vanished: one source has one time to live.
    for (const since of this.#vanished.values()) return since + this.source.settings.ttlSeconds * 1000;
    return null;
  }
}
