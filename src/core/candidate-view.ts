import type { Candidate, Candidates } from '../strategies/strategy.js';
import type { Random } from './clock.js';
import type { SlotSet } from './slot-set.js';

/** Where a view finds candidates: by slot, and those of a country. */
export interface CandidateStore<T extends Candidate> {
  /** All that may serve. */
  readonly serving: SlotSet;
  at(slot: number): T | undefined;
  /** Those that may serve in a country; undefined when there never was one. */
  inCountry(countryCode: string): SlotSet | undefined;
}

/** Tries before a filtered sample stops guessing and looks at everybody. */
const SAMPLE_TRIES = 16;

/** A set of slots seen through any number of tests; copies nothing. */
export class CandidateView<T extends Candidate> implements Candidates {
  readonly #store: CandidateStore<T>;
  /** Undefined: nobody. */
  readonly #slots: SlotSet | undefined;
  readonly #test: ((candidate: T) => boolean) | undefined;

  constructor(store: CandidateStore<T>, slots: SlotSet | undefined, test?: (candidate: T) => boolean) {
    this.#store = store;
    this.#slots = slots;
    this.#test = test;
  }

  get whole(): boolean {
    return this.#test === undefined && this.#slots === this.#store.serving;
  }

  get empty(): boolean {
    return this.after(-1) === undefined;
  }

  after(slot: number): T | undefined {
    const slots = this.#slots;
    if (slots === undefined) return undefined;
    if (this.#test === undefined) return this.#store.at(slots.after(slot));
    let at = slot;
    for (let left = slots.size; left > 0; left--) {
      at = slots.after(at);
      const candidate = this.#passing(at);
      if (candidate !== undefined) return candidate;
    }
    return undefined;
  }

  sample(random: Random): T | undefined {
    const slots = this.#slots;
    if (slots === undefined || slots.size === 0) return undefined;
    const tries = this.#test === undefined ? 1 : SAMPLE_TRIES;
    for (let i = 0; i < tries; i++) {
      const candidate = this.#passing(slots.at(Math.floor(random() * slots.size)));
      if (candidate !== undefined) return candidate;
    }
    const all = [...this];
    return all[Math.floor(random() * all.length)];
  }

  has(candidate: Candidate): boolean {
    return this.#slots?.has(candidate.slot) === true && this.#passing(candidate.slot) === candidate;
  }

  where(test: (candidate: Candidate) => boolean): Candidates {
    const before = this.#test;
    return new CandidateView(
      this.#store,
      this.#slots,
      before === undefined ? test : (candidate) => before(candidate) && test(candidate),
    );
  }

  inCountry(countryCode: string): Candidates {
    const own = this.#slots;
    const country = this.#store.inCountry(countryCode);
    if (own === undefined || country === undefined) return new CandidateView(this.#store, undefined);
    // Who serves in a country serves: there is nothing to test.
    if (this.whole) return new CandidateView(this.#store, country);
    // The smaller set is walked, the other one asked.
    if (own.size <= country.size) return this.where(({ slot }) => country.has(slot));
    const test = this.#test;
    const inOwn = (candidate: T): boolean =>
      own.has(candidate.slot) && (test === undefined || test(candidate));
    return new CandidateView(this.#store, country, inOwn);
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < (this.#slots?.size ?? 0); index++) {
      const candidate = this.#passing((this.#slots as SlotSet).at(index));
      if (candidate !== undefined) yield candidate;
    }
  }

  #passing(slot: number): T | undefined {
    const candidate = this.#store.at(slot);
    return candidate !== undefined && (this.#test === undefined || this.#test(candidate))
      ? candidate
      : undefined;
  }
}
