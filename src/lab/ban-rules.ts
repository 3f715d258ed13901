/** When the lab site turns a client address away, and with what. */
export interface BanRule {
  /** Always banned. */
  readonly addresses?: readonly string[];
  /** More requests than this within any 60 s get the address banned for `forMs`. Default: no limit. */
  readonly maxRequestsPerMinute?: number;
  /** Only requests with one of these host names (no port) count and are turned away. Default: all. */
  readonly hosts?: readonly string[];
  /** 200 is a block page that looks like success. Default 403. */
  readonly status?: 403 | 429 | 503 | 200;
  /** How long a ban for too many requests lasts, in ms. Default 60,000. */
  readonly forMs?: number;
  /** Sent as `Retry-After`. Default: not sent. */
  readonly retryAfterSeconds?: number;
}

const windowMs = 60_000;

/** One rule and what it remembers of each address. Requests that are turned away neither count nor prolong a ban. */
export class BanList {
  readonly rule: BanRule;
  readonly #always: ReadonlySet<string>;
  readonly #recent = new Map<string, number[]>();
  readonly #bannedUntil = new Map<string, number>();

  constructor(rule: BanRule) {
    this.rule = rule;
    this.#always = new Set(rule.addresses);
  }

  /** Counts the request and says whether it is turned away. */
  strikes(address: string, host: string, now: number): boolean {
    if (!this.#covers(host)) return false;
    if (this.isBanned(address, now)) return true;
    const limit = this.rule.maxRequestsPerMinute;
    if (limit === undefined) return false;
    const recent = (this.#recent.get(address) ?? []).filter((at) => at > now - windowMs);
    recent.push(now);
    this.#recent.set(address, recent);
    if (recent.length <= limit) return false;
    this.#recent.delete(address);
    this.#bannedUntil.set(address, now + (this.rule.forMs ?? 60_000));
    return true;
  }

  isBanned(address: string, now: number): boolean {
    return this.#always.has(address) || (this.#bannedUntil.get(address) ?? Number.NEGATIVE_INFINITY) > now;
  }

  #covers(host: string): boolean {
    return this.rule.hosts === undefined || this.rule.hosts.includes(host);
  }
}
