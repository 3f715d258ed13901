import { LRUCache } from 'lru-cache';

/** How long failures of one host through several proxies count together, in ms. */
const TOGETHER_MS = 10_000;
/** Others through which a host must fail as well, so that it is the host's doing. */
const OTHERS = 2;
/** Hosts whose failures are remembered. */
const MAX_HOSTS = 10_000;

/** What was charged to a proxy for a host that turned out to be down. */
export interface Refund {
  readonly proxyId: string;
  readonly weight: number;
  /** Monotonic ms of the last failure that it was charged for. */
  readonly at: number;
}

interface Failure extends Refund {
  /** The host has answered somebody since. */
  readonly over: boolean;
}

/**
 * Which hosts fail through whom: what one proxy alone cannot tell, several can. Values are replaced, never changed,
 * and there are at most as many per host as it takes to tell.
 */
export class HostFailures {
  /** Latest last. */
  readonly #byHost = new LRUCache<string, readonly Failure[]>({
    maxSize: MAX_HOSTS,
    sizeCalculation: () => 1,
  });

  /** Whether the host failed through enough others lately, and answered nobody since. */
  areHostsOwn(host: string, proxyId: string, now: number): boolean {
    return this.#throughOthers(host, proxyId, now, (one) => !one.over);
  }

  /** Whether the host failed through enough others lately, even if it answered somebody in between. */
  comeAndGo(host: string, proxyId: string, now: number): boolean {
    return this.#throughOthers(host, proxyId, now, () => true);
  }

  /** A failure for which the proxy was charged `weight`. */
  add(host: string, proxyId: string, weight: number, now: number): void {
    const recent = (this.#byHost.peek(host) ?? []).filter(({ at }) => now - at <= TOGETHER_MS);
    const before = recent.find((one) => one.proxyId === proxyId);
    const others = recent.filter((one) => one !== before).slice(-OTHERS);
    const total = weight + (before === undefined || before.over ? 0 : before.weight);
    this.#byHost.set(host, [...others, { proxyId, at: now, weight: total, over: false }]);
  }

  /** What was charged for failures of the host since it answered last; it is given back once. */
  takeRefunds(host: string): readonly Refund[] {
    const failures = this.#byHost.peek(host) ?? [];
    const due = failures.filter(({ weight, over }) => weight > 0 && !over);
    if (due.length > 0)
      this.#byHost.set(
        host,
        failures.map((one) => ({ ...one, weight: 0 })),
      );
    return due;
  }

  /** The host answered somebody. */
  answered(host: string, now: number): void {
    if (this.#byHost.size === 0) return;
    const failures = this.#byHost.peek(host);
    const latest = failures?.at(-1);
    if (failures === undefined || latest === undefined) return;
    if (now - latest.at > TOGETHER_MS) this.#byHost.delete(host);
    else if (!latest.over)
      this.#byHost.set(
        host,
        failures.map((one) => ({ ...one, over: true })),
      );
  }

  #throughOthers(host: string, proxyId: string, now: number, test: (one: Failure) => boolean): boolean {
    const failures = this.#byHost.peek(host) ?? [];
    return (
      failures.filter((one) => one.proxyId !== proxyId && now - one.at <= TOGETHER_MS && test(one)).length >=
      OTHERS
    );
  }
}
