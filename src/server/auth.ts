import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ResolvedApiOptions, Scope } from './api-options.js';

/** Whom a key stands for. */
export interface KeyHolder {
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
}

interface KnownKey extends KeyHolder {
  readonly digest: Buffer;
}

/**
 * The keys of an API. They are held as HMAC-SHA256 under a secret of this process, which also makes all of them one
 * length: `timingSafeEqual` throws on unequal ones. Every key is compared, so that the time tells nothing of which.
 */
export class ApiKeys {
  readonly #secret = randomBytes(32);
  readonly #keys: readonly KnownKey[];

  constructor(keys: ResolvedApiOptions['keys']) {
    this.#keys = keys.map(({ name, key, scopes }) => ({
      name,
      scopes: new Set<Scope>(scopes.includes('admin') ? ['read', 'request', 'admin'] : scopes),
      digest: this.#digest(key),
    }));
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Null for a key that is missing or unknown. */
  find(given: string | null): KeyHolder | null {
    if (given === null) return null;
    const digest = this.#digest(given);
    let found: KnownKey | null = null;
    for (const known of this.#keys) if (timingSafeEqual(known.digest, digest)) found = known;
    return found;
  }

  #digest(key: string): Buffer {
    return createHmac('sha256', this.#secret).update(key).digest();
  }
}
