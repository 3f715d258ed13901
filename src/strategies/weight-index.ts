import type { Random } from '../core/clock.js';
import { CandidateList } from './candidate-list.js';
import type { Candidate, Candidates } from './strategy.js';
import { WeightTree } from './weight-tree.js';

/** The weight of a candidate, not negative; null when nothing is known of it. */
export type WeightOf = (candidate: Candidate) => number | null;

/**
 * Draws that may hit nobody who is a candidate of the request before everybody is looked at. With half of the weight
 * excluded, one request in 16 million gets there.
 */
const DRAWS = 24;

/**
 * Draws one candidate in proportion to its weight. One of which nothing is known weighs a share of the mean of those
 * that are known, or 1 where none is.
 */
export class WeightIndex {
  readonly #weightOf: WeightOf;
  readonly #shareOfMean: number;
  readonly #tree = new WeightTree();
  /** By slot: those with a weight of their own. */
  #bySlot: (Candidate | undefined)[] = [];
  #known = 0;
  readonly #unknown = new CandidateList();
  #attached = false;

  constructor(weightOf: WeightOf, shareOfMean: number) {
    this.#weightOf = weightOf;
    this.#shareOfMean = shareOfMean;
  }

  /** Candidates with a weight of their own. */
  get known(): number {
    return this.#known;
  }

  /** What one of which nothing is known weighs. */
  get guess(): number {
    return this.#guess(this.#tree.total, this.#known);
  }

  /** Empties the index. From now on a draw looks at what was put in instead of at everybody. */
  clear(): void {
    this.#attached = true;
    this.#tree.clear();
    this.#bySlot = [];
    this.#known = 0;
    this.#unknown.clear();
  }

  /** Adds a candidate, or reads its weight again. */
  put(candidate: Candidate): void {
    if (!this.#attached) return;
    const weight = this.#weightOf(candidate);
    if (weight === null) {
      this.#forget(candidate);
      this.#unknown.add(candidate);
    } else {
      this.#unknown.delete(candidate);
      if (this.#bySlot[candidate.slot] === undefined) this.#known += 1;
      this.#bySlot[candidate.slot] = candidate;
      this.#tree.set(candidate.slot, weight);
    }
  }

  has(candidate: Candidate): boolean {
    return this.#bySlot[candidate.slot] === candidate || this.#unknown.has(candidate);
  }

  remove(candidate: Candidate): void {
    if (!this.#unknown.delete(candidate)) this.#forget(candidate);
  }

  /** Undefined when there is no candidate, or none that weighs anything. */
  draw(candidates: Candidates, random: Random): Candidate | undefined {
    if (!this.#attached) return this.#walk(candidates, random);
    const ofKnown = this.#tree.total;
    const guess = this.#guess(ofKnown, this.#known);
    const total = ofKnown + guess * this.#unknown.size;
    if (!(total > 0)) return undefined;
    for (let draw = 0; draw < DRAWS; draw++) {
      const r = random() * total;
      const drawn =
        r < ofKnown
          ? this.#bySlot[this.#tree.pick(r)]
          : this.#unknown.at(Math.min(Math.floor((r - ofKnown) / guess), this.#unknown.size - 1));
      if (drawn !== undefined && candidates.has(drawn)) return drawn;
    }
    return this.#walk(candidates, random);
  }

  /** Takes the tests of a filtered view as they are: everybody twice, first for the sum. */
  #walk(candidates: Candidates, random: Random): Candidate | undefined {
    let ofKnown = 0;
    let known = 0;
    let unknown = 0;
    for (const candidate of candidates) {
      const weight = this.#weightOf(candidate);
      if (weight === null) unknown += 1;
      else {
        known += 1;
        ofKnown += weight;
      }
    }
    const guess = this.#attached ? this.guess : this.#guess(ofKnown, known);
    let rest = random() * (ofKnown + guess * unknown);
    let last: Candidate | undefined;
    for (const candidate of candidates) {
      const weight = this.#weightOf(candidate) ?? guess;
      if (weight === 0) continue;
      last = candidate;
      rest -= weight;
      if (rest < 0) break;
    }
    return last;
  }

  #guess(ofKnown: number, known: number): number {
    // All that are known may have been given a weight of 0, which says nothing of the others.
    return known === 0 || ofKnown <= 0 ? 1 : (this.#shareOfMean * ofKnown) / known;
  }

  #forget(candidate: Candidate): void {
    if (this.#bySlot[candidate.slot] !== candidate) return;
    this.#bySlot[candidate.slot] = undefined;
    this.#known -= 1;
    this.#tree.set(candidate.slot, 0);
  }
}
