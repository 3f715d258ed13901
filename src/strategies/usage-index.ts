import type { Random } from '../core/clock.js';
import { type Bucket, BucketList } from './bucket-list.js';
import { IdCells } from './id-cells.js';
import { SlotNumbers } from './slot-numbers.js';
import type { Candidate, Candidates, SelectionEngine } from './strategy.js';
import { LowestIdBucket, RandomBucket } from './tie-break.js';

/** Who is chosen among those that are used alike. */
export type TieBreak = 'lowest-id' | 'random';

/** Window counts slide by the minute. */
const MINUTE_MS = 60_000;

/**
 * Proxies that one call reads again after the window has moved. All of a pool of up to so many are right at once; of a
 * larger one, the first choices of a minute (100 of them at 100,000 proxies) may see counts of the minute before,
 * which keeps each of them below 0.1 ms where reading everybody would stop the engine for milliseconds.
 */
const SWEEP = 1024;

/** Steps through the index before the candidates of the request are walked as well. */
const INDEX_STEPS = 64;

/** Draws among the least used, for a random tie-break, before a filtered request walks the index. */
const DRAWS = 8;

/** One number for (active, started in the window), in that order: 2^21 active ones, 2^32 started ones. */
const ACTIVE = 2 ** 32;

function usage({ stats }: Candidate, now: number): number {
  return stats.active * ACTIVE + stats.windowCount(now);
}

/**
 * Who may serve, by active requests and then by requests started in the window.
 *
 * A start or a result moves one proxy. The counts of all others change only when the window slides, once a minute;
 * then everybody with a count is read again, up to {@link SWEEP} with each call. A wheel of expiry times would read
 * fewer, but needs a list per proxy and minute, and reading 100,000 proxies takes less than a millisecond per 10,000.
 */
export class UsageIndex {
  readonly #tieBreak: TieBreak;
  #attached = false;
  /** By slot. */
  #members: (Candidate | undefined)[] = [];
  #size = 0;
  #capacity = 0;
  #list: BucketList = new BucketList(() => new RandomBucket(new SlotNumbers()));
  #cells: IdCells | undefined;
  #minute = -1;
  /** Members that are still to be read again, and where the reading goes on. */
  #stale = 0;
  #cursor = 0;

  constructor(tieBreak: TieBreak) {
    this.#tieBreak = tieBreak;
  }

  /** Indexes these and no others. */
  attach(serving: Iterable<Candidate>, now: number): void {
    const all = [...serving];
    let slots = 0;
    for (const { slot } of all) slots = Math.max(slots, slot + 1);
    this.#attached = true;
    this.#members = new Array<Candidate | undefined>(slots).fill(undefined);
    this.#size = 0;
    this.#capacity = Math.max(64, all.length);
    this.#minute = Math.floor(now / MINUTE_MS);
    this.#stale = 0;
    this.#cells = undefined;
    let make = this.#randomBuckets();
    if (this.#tieBreak === 'lowest-id') {
      this.#cells = new IdCells(this.#capacity, (slot) => this.#members[slot]?.proxy.id ?? '');
      make = lowestIdBuckets(this.#cells);
    }
    this.#list = new BucketList(make);
    for (const candidate of all) this.put(candidate, now);
  }

  /** Adds a candidate, or reads its figures again. */
  put(candidate: Candidate, now: number): void {
    if (!this.#attached) return;
    const { slot } = candidate;
    const before = this.#members[slot];
    if (before !== candidate) {
      if (before !== undefined) this.remove(before);
      if (this.#size >= 2 * this.#capacity) {
        // The cells are too full to be fast.
        this.attach([...this.#serving(), candidate], now);
        return;
      }
      while (this.#members.length < slot) this.#members.push(undefined);
      this.#members[slot] = candidate;
      this.#size += 1;
      this.#cells?.add(slot);
    }
    this.#list.place(slot, usage(candidate, now));
  }

  /** Does nothing when this very candidate is not there: its slot may be another's by now. */
  remove(candidate: Candidate): void {
    const { slot } = candidate;
    if (this.#members[slot] !== candidate) return;
    this.#list.remove(slot);
    this.#cells?.delete(slot);
    this.#members[slot] = undefined;
    this.#size -= 1;
  }

  /** The least used one of the candidates; undefined when there is none. */
  find(candidates: Candidates, { now, random }: SelectionEngine): Candidate | undefined {
    this.catchUp(now);
    const front = this.#attached ? this.#list.front : undefined;
    const draws = this.#tieBreak === 'random' ? DRAWS : 1;
    for (let draw = 0; draw < draws && front !== undefined; draw++) {
      const drawn = this.#members[front.first(random)];
      // When nobody is left out, looking it up again would only cost cache misses.
      if (drawn !== undefined && (candidates.whole || candidates.has(drawn))) return drawn;
    }
    return this.#search(candidates, now, random);
  }

  /** Reads some of those again whose counts are of an earlier minute. */
  catchUp(now: number): void {
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#stale = this.#members.length;
    }
    for (let left = SWEEP; left > 0 && this.#stale > 0; left--, this.#stale--) {
      this.#cursor = this.#cursor + 1 < this.#members.length ? this.#cursor + 1 : 0;
      const member = this.#members[this.#cursor];
      // One without a count cannot lose any.
      if (member !== undefined && this.#list.keyOf(this.#cursor) % ACTIVE !== 0) {
        this.#list.place(this.#cursor, usage(member, now));
      }
    }
  }

  /**
   * Walks the index and the candidates in turn, because either can be the long way: a few banned proxies are soon
   * passed by in the index (they are the least used, so they are in front), where the candidates are everybody else;
   * and the candidates of a small country are few, where the index may end with them.
   */
  #search(candidates: Candidates, now: number, random: Random): Candidate | undefined {
    const walk = candidates[Symbol.iterator]();
    const best = new Least(this.#tieBreak, now);
    let steps = 0;
    for (const bucket of this.#attached ? this.#list : []) {
      const found: Candidate[] = [];
      for (const slot of bucket) {
        const member = this.#members[slot] as Candidate;
        if (candidates.has(member)) {
          if (this.#tieBreak === 'lowest-id') return member;
          found.push(member);
        }
        if (++steps <= INDEX_STEPS) continue;
        const next = walk.next();
        if (next.done === true) return best.choose(random);
        best.offer(next.value);
      }
      if (found.length > 0) return found[Math.floor(random() * found.length)];
    }
    for (let next = walk.next(); next.done !== true; next = walk.next()) best.offer(next.value);
    return best.choose(random);
  }

  *#serving(): Generator<Candidate> {
    for (const member of this.#members) if (member !== undefined) yield member;
  }

  #randomBuckets(): () => Bucket {
    const places = new SlotNumbers();
    return () => new RandomBucket(places);
  }
}

function lowestIdBuckets(cells: IdCells): () => Bucket {
  const owners = new SlotNumbers();
  let made = 0;
  return () => new LowestIdBucket(++made, cells, owners);
}

/** The least used of those that it is shown, by their figures as they are. */
class Least {
  readonly #tieBreak: TieBreak;
  readonly #now: number;
  #usage = Number.POSITIVE_INFINITY;
  #ties: Candidate[] = [];

  constructor(tieBreak: TieBreak, now: number) {
    this.#tieBreak = tieBreak;
    this.#now = now;
  }

  offer(candidate: Candidate): void {
    const its = usage(candidate, this.#now);
    if (its > this.#usage) return;
    const [first] = this.#ties;
    if (its < this.#usage || first === undefined) this.#ties = [candidate];
    else if (this.#tieBreak === 'random') this.#ties.push(candidate);
    else if (candidate.proxy.id < first.proxy.id) this.#ties[0] = candidate;
    this.#usage = its;
  }

  choose(random: Random): Candidate | undefined {
    return this.#ties[this.#tieBreak === 'random' ? Math.floor(random() * this.#ties.length) : 0];
  }
}
