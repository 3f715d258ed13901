import type { Proxy } from '../core/proxy.js';

/** Proxies of a file that are stored together; what waits for a tier meanwhile is put together. */
const AT_ONCE = 2048;
/**
 * So many times that many may wait for the tiers while more are read. A look-up waits behind all that a thread was given,
 * and for 250 ms at most: twice as many would come near to it.
 */
const AHEAD = 3;

/** Hands the proxies of a list on in pieces, while the thread of a tier still writes those before. */
export class WarmPieces {
  readonly #write: (proxies: readonly Proxy[]) => Promise<void>;
  readonly #under: Promise<void>[] = [];
  #read: Proxy[] = [];

  /** @param write resolves when the tiers have acknowledged them; must not reject */
  constructor(write: (proxies: readonly Proxy[]) => Promise<void>) {
    this.#write = write;
  }

  /** Waits while too many of them are on their way. */
  async add(proxies: readonly Proxy[]): Promise<void> {
    for (const proxy of proxies) this.#read.push(proxy);
    if (this.#read.length < AT_ONCE) return;
    this.#handOn();
    if (this.#under.length > AHEAD) await this.#under.shift();
  }

  /** Resolves when all of them were acknowledged. */
  async end(): Promise<void> {
    this.#handOn();
    await Promise.all(this.#under);
  }

  #handOn(): void {
    if (this.#read.length === 0) return;
    this.#under.push(this.#write(this.#read));
    this.#read = [];
  }
}
