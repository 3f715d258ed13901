import { roundRobin } from './round-robin.js';
import type { Candidate, Candidates, SelectionContext, SelectionEngine, Strategy } from './strategy.js';

/** Places that are remembered; beyond, the one that was begun first starts anew. */
const MAX_PLACES = 1000;

/**
 * Round-robin with a place of its own for each key. With a single one, two countries in turn would push each other
 * past the same proxies again and again: the place that one leaves behind lies outside of the other.
 */
export class PlaceRotation {
  readonly #rotations = new Map<string, Strategy>();

  choose(
    key: string,
    candidates: Candidates,
    context: SelectionContext,
    engine: SelectionEngine,
  ): Candidate | undefined {
    let rotation = this.#rotations.get(key);
    if (rotation === undefined) {
      rotation = roundRobin();
      this.#rotations.set(key, rotation);
      if (this.#rotations.size > MAX_PLACES) {
        for (const oldest of this.#rotations.keys()) {
          this.#rotations.delete(oldest);
          break;
        }
      }
    }
    return rotation.choose(candidates, context, engine);
  }

  save(): unknown {
    return [...this.#rotations].map(([key, rotation]) => [key, rotation.save?.()]);
  }

  load(state: unknown): void {
    this.#rotations.clear();
    for (const [key, saved] of state as readonly (readonly [string, unknown])[]) {
      const rotation = roundRobin();
      rotation.load?.(saved);
      this.#rotations.set(key, rotation);
    }
  }
}
