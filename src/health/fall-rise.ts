import type { Verdict } from '../core/outcome.js';
import type { ProxyPool } from '../core/pool.js';
import type { MonitorEmitter } from './monitor-events.js';

/** What earlier checks of one proxy have shown: a few numbers, no results. */
export interface CheckRecord {
  /** Monotonic ms of the last check that counted. */
  at: number;
  /** The proxy's last success when its last check had ended: what is later was real traffic. */
  lastSuccessAt: number;
  /** In a row. */
  failed: number;
  passed: number;
  /** Checks that any proxy had passed by then. */
  passesSeen: number;
  /** Gets nothing new because of its checks. */
  down: boolean;
}

/** Takes proxies out and brings them back by what their checks show. One record per checked proxy of the pool. */
export class FallRise {
  readonly #pool: ProxyPool;
  readonly #settings: { readonly fall: number; readonly rise: number };
  readonly #events: MonitorEmitter;
  readonly #records = new Map<string, CheckRecord>();
  #passes = 0;

  constructor(
    pool: ProxyPool,
    settings: { readonly fall: number; readonly rise: number },
    events: MonitorEmitter,
  ) {
    this.#pool = pool;
    this.#settings = settings;
    this.#events = events;
  }

  get(id: string): Readonly<CheckRecord> | undefined {
    return this.#records.get(id);
  }

  forget(id: string): void {
    this.#records.delete(id);
  }

  /** Whoever is down serves again. */
  reset(): void {
    for (const [id, { down }] of this.#records) if (down) this.#pool.drain(id, false);
    this.#records.clear();
  }

  /** @param verdict of the check; those that are neither for nor against the proxy say nothing here */
  learn(id: string, verdict: Verdict, now: number): void {
    const passed = passes(verdict);
    const member = this.#pool.get(id);
    if (member === undefined || passed === null) return;
    const record = this.#records.get(id) ?? this.#newRecord();
    this.#records.set(id, record);
    // Whoever undid it meanwhile has decided.
    if (record.down && !member.drained) record.down = false;
    // A check that nobody passes says something about its target, or about our own network.
    const othersPass = this.#passes > record.passesSeen;
    if (passed) this.#passes += 1;
    Object.assign(record, {
      at: now,
      lastSuccessAt: member.lastSuccessAt,
      failed: passed ? 0 : record.failed + 1,
      passed: passed ? record.passed + 1 : 0,
      passesSeen: this.#passes,
    });
    const { fall, rise } = this.#settings;
    if (record.down) {
      if (record.passed >= rise) this.#set(id, record, false);
    } else if (record.failed >= fall && othersPass && !member.drained) this.#set(id, record, true);
  }

  #set(id: string, record: CheckRecord, down: boolean): void {
    record.down = down;
    this.#pool.drain(id, down);
    this.#events.emit(down ? 'down' : 'up', { proxyId: id });
  }

  #newRecord(): CheckRecord {
    return { at: 0, lastSuccessAt: 0, failed: 0, passed: 0, passesSeen: this.#passes, down: false };
  }
}

function passes(verdict: Verdict): boolean | null {
  if (verdict === 'success') return true;
  return verdict === 'proxy' || verdict === 'auth' || verdict === 'ambiguous' ? false : null;
}
