import type { PooledProxy } from '../core/pool.js';
import type { Rotator } from '../core/rotator.js';
import type { ApiContext } from './api-context.js';

/** Since when each proxy is in the pool, and when something about it changed: wall clock in ms. */
export class ProxyTimes {
  readonly #rotator: Rotator;
  readonly #now: () => number;
  /** For those that were there before. */
  readonly #startedAt: number;
  readonly #createdAt = new Map<string, number>();
  readonly #adjustedAt = new Map<string, number>();

  constructor({ rotator, options, draining }: Pick<ApiContext, 'rotator' | 'options' | 'draining'>) {
    this.#rotator = rotator;
    this.#now = options.now;
    this.#startedAt = options.now();
    const subscriptions = [
      rotator.on('pool', ({ proxyId, change }) => {
        this.#adjustedAt.delete(proxyId);
        if (change === 'added') this.#createdAt.set(proxyId, options.now());
        else this.#createdAt.delete(proxyId);
      }),
      rotator.on('adjusted', ({ proxyId }) => void this.#adjustedAt.set(proxyId, options.now())),
    ];
    const stop = (): void => {
      for (const unsubscribe of subscriptions) unsubscribe();
    };
    draining.addEventListener('abort', stop, { once: true });
  }

  of({ id, lastSuccessAt, lastFailedAt }: PooledProxy): { createdAt: string; updatedAt: string } {
    const createdAt = this.#createdAt.get(id) ?? this.#startedAt;
    const learnedAt = this.#now() - this.#rotator.clock.now() + Math.max(lastSuccessAt, lastFailedAt);
    const updatedAt = Math.max(createdAt, this.#adjustedAt.get(id) ?? 0, learnedAt);
    return { createdAt: new Date(createdAt).toISOString(), updatedAt: new Date(updatedAt).toISOString() };
  }
}
