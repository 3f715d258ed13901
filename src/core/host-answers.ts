import { LRUCache } from 'lru-cache';

/** Hosts whose latest answers are remembered; a host costs about 200 bytes. */
const MAX_HOSTS = 10_000;

/** The latest success through each of the last three proxies; the latest first. */
interface Answers {
  first: string;
  firstAt: number;
  second: string;
  secondAt: number;
  third: string;
  thirdAt: number;
}

/** Through whom hosts answered last: what tells a host that is down from a proxy that does not get there. */
export class HostAnswers {
  readonly #byHost = new LRUCache<string, Answers>({ maxSize: MAX_HOSTS, sizeCalculation: () => 1 });

  /** Each success comes along here: nothing is allocated but for a host that is new. */
  add(host: string, proxyId: string, now: number): void {
    const known = this.#byHost.get(host);
    if (known === undefined) {
      const nobody = Number.NEGATIVE_INFINITY;
      this.#byHost.set(host, {
        first: proxyId,
        firstAt: now,
        second: '',
        secondAt: nobody,
        third: '',
        thirdAt: nobody,
      });
      return;
    }
    if (known.first !== proxyId) {
      if (known.second !== proxyId) {
        known.third = known.second;
        known.thirdAt = known.secondAt;
      }
      known.second = known.first;
      known.secondAt = known.firstAt;
      known.first = proxyId;
    }
    known.firstAt = now;
  }

  /** When it answered anybody last, in monotonic ms; -Infinity before the first time. */
  lastAt(host: string): number {
    return this.#byHost.peek(host)?.firstAt ?? Number.NEGATIVE_INFINITY;
  }

  /** How many others it answered since then, 0 to 3. */
  others(host: string, proxyId: string, time: number): number {
    const known = this.#byHost.peek(host);
    if (known === undefined) return 0;
    const { first, firstAt, second, secondAt, third, thirdAt } = known;
    return (
      Number(first !== proxyId && firstAt >= time) +
      Number(second !== proxyId && secondAt >= time) +
      Number(third !== proxyId && thirdAt >= time)
    );
  }
}
