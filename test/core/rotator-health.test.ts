import { describe, expect, it } from 'vitest';
import type { Lease } from '../../src/core/lease.js';
import type { Outcome, Verdict } from '../../src/core/outcome.js';
import type { Rotator } from '../../src/core/rotator.js';
import { NoCandidateError } from '../../src/errors.js';
import { blame, constantly, proxyLine, testEngine } from '../support/test-engine.js';

const still = { random: constantly(0) };
const url = 'https://a.test/page';

function state(rotator: Rotator, id: string | undefined): string | undefined {
  return rotator.pool.get(id ?? '')?.health;
}

function settle(rotator: Rotator, verdict: Verdict, times: number): void {
  for (let i = 0; i < times; i++) rotator.acquire({ url }).settle({ verdict });
}

describe('the breaker of a proxy', () => {
  it('opens after five proxy faults in a row, and a probe that succeeds closes it', () => {
    const { rotator, ids, clock } = testEngine(1, still);
    settle(rotator, 'proxy', 4);
    expect(state(rotator, ids[0])).toBe('closed');
    settle(rotator, 'proxy', 1);
    expect(state(rotator, ids[0])).toBe('open');
    clock.advance(9_999);
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
    clock.advance(1);
    const probe = rotator.acquire();
    expect(state(rotator, ids[0])).toBe('half-open');
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
    probe.succeed();
    expect(state(rotator, ids[0])).toBe('closed');
    rotator.acquire();
    rotator.acquire();
  });

  it('opens for twice as long when the probe fails', () => {
    const { rotator, ids, clock } = testEngine(1, still);
    settle(rotator, 'proxy', 5);
    clock.advance(10_000);
    settle(rotator, 'proxy', 1);
    clock.advance(19_999);
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
    clock.advance(1);
    rotator.acquire();
    expect(state(rotator, ids[0])).toBe('half-open');
  });

  it.each(['target', 'banned', 'local', 'neutral', 'success'] as const)('never opens by %s', (verdict) => {
    const { rotator, ids } = testEngine(1);
    settle(rotator, verdict, 50);
    expect(state(rotator, ids[0])).toBe('closed');
  });

  it.each([
    ['auth', 2, 'auth-failed'],
    ['proxy', 5, 'open'],
    ['ambiguous', 10, 'open'],
  ] as const)('by %s, %s in a row, becomes %s', (verdict, times, becomes) => {
    const { rotator, ids } = testEngine(1);
    settle(rotator, verdict, times - 1);
    expect(state(rotator, ids[0])).toBe('closed');
    settle(rotator, verdict, 1);
    expect(state(rotator, ids[0])).toBe(becomes);
  });

  it.each(['neutral', 'target', 'local', 'banned'] as const)(
    'gives the probe to the next when the probe ends %s',
    (verdict) => {
      const { rotator, ids, clock } = testEngine(1, still);
      settle(rotator, 'proxy', 5);
      clock.advance(10_000);
      rotator.acquire().settle({ verdict });
      expect(state(rotator, ids[0])).toBe('half-open');
      rotator.acquire().succeed();
      expect(state(rotator, ids[0])).toBe('closed');
    },
  );

  it('gives up a probe that is never settled after a minute, and its late result takes no other probe away', () => {
    const { rotator, clock } = testEngine(1, still);
    settle(rotator, 'proxy', 5);
    clock.advance(10_000);
    const forgotten = rotator.acquire();
    clock.advance(59_999);
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
    clock.advance(1);
    rotator.acquire();
    forgotten.release();
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
  });

  it('stays half-open, whatever requests from before it opened report meanwhile', () => {
    const { rotator, ids, clock } = testEngine(1, still);
    const [late, later, last] = [rotator.acquire(), rotator.acquire(), rotator.acquire()];
    settle(rotator, 'proxy', 5);
    late.fail({ verdict: 'proxy' });
    clock.advance(10_000);
    const probe = rotator.acquire();
    later.succeed();
    expect(state(rotator, ids[0])).toBe('half-open');
    last.fail({ verdict: 'proxy' });
    expect(state(rotator, ids[0])).toBe('half-open');
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
    probe.succeed();
    expect(state(rotator, ids[0])).toBe('closed');
  });

  it('row 1 nobody there: opens by two refused connections in a row', () => {
    const run = (...outcomes: readonly Outcome[]): string | undefined => {
      const { rotator, ids } = testEngine(1);
      for (const outcome of outcomes) rotator.acquire({ url }).settle(outcome);
      return state(rotator, ids[0]);
    };
    const refused: Outcome = { verdict: 'proxy', hard: true };
    expect(run(refused)).toBe('closed');
    expect(run(refused, refused)).toBe('open');
    for (const verdict of ['success', 'proxy', 'ambiguous', 'auth'] as const) {
      expect([verdict, run(refused, { verdict }, refused)]).toEqual([verdict, 'closed']);
    }
  });

  it('of one proxy says nothing about another', () => {
    const { rotator, ids } = testEngine(2);
    blame(rotator, ids[0] as string, 5);
    expect([state(rotator, ids[0]), state(rotator, ids[1])]).toEqual(['open', 'closed']);
  });
});

describe('the proxy that really carried a request', () => {
  it('is charged past strategy and health', () => {
    const { rotator, ids } = testEngine(2);
    const [a, b] = ids as [string, string];
    blame(rotator, b, 5);
    expect(rotator.acquireCarrier(b)?.proxy.id).toBe(b);
    expect(rotator.pool.get(b)?.stats.active).toBe(1);
    expect(rotator.pool.get(a)?.stats.started).toBe(0);
    expect(rotator.acquireCarrier('px_unknown')).toBeUndefined();
  });

  it('does not take the probe away from the request that has it', () => {
    const { rotator, ids, clock } = testEngine(1, still);
    settle(rotator, 'proxy', 5);
    clock.advance(10_000);
    const probe = rotator.acquire();
    const carrier = rotator.acquireCarrier(ids[0] as string);
    carrier?.release();
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
    probe.succeed();
    expect(state(rotator, ids[0])).toBe('closed');
  });
});

describe('a removed proxy', () => {
  it('R-12 is not learned from, though its lease is counted on its old statistics', () => {
    const { rotator, ids } = testEngine(2);
    const lease = rotator.acquire();
    const old = rotator.pool.get(lease.proxy.id);
    rotator.pool.remove(lease.proxy.id);
    lease.fail({ verdict: 'proxy' });
    expect(old?.stats).toMatchObject({ started: 1, completed: 1, active: 0 });
    expect(old?.breaker).toMatchObject({ state: 'closed', faults: 0 });
    expect(rotator.stats()).toMatchObject({ size: 1, started: 0, failed: 0 });
    expect(ids).toHaveLength(2);
  });

  it('R-12 is not learned from when the same proxy was added again meanwhile', () => {
    const { rotator, ids } = testEngine(1);
    const leases = Array.from({ length: 6 }, () => rotator.acquire({ url }));
    rotator.pool.remove(ids[0] as string);
    rotator.pool.add(proxyLine(0));
    for (const lease of leases.slice(0, 5)) lease.fail({ verdict: 'proxy' });
    leases[5]?.settle({ verdict: 'banned' });
    expect(state(rotator, ids[0])).toBe('closed');
    expect(rotator.stats()).toMatchObject({ started: 0, failed: 0, active: 0 });
  });

  it('R-12 does not come back by the breaker that opens its probe', () => {
    const { rotator, ids, clock } = testEngine(2, still);
    blame(rotator, ids[0] as string, 5);
    rotator.pool.remove(ids[0] as string);
    rotator.pool.add(proxyLine(7));
    clock.advance(60_000);
    const picks = new Set(Array.from({ length: 8 }, () => rotator.acquire().proxy.id));
    expect(picks.has(ids[0] as string)).toBe(false);
    expect(picks.size).toBe(2);
  });
});

describe('a (proxy, host) pair', () => {
  it('cools down after a ban: the host gets other proxies, other hosts get this one', () => {
    const { rotator, ids, clock } = testEngine(2, still);
    const [a, b] = ids as [string, string];
    rotator.acquire({ url }).settle({ verdict: 'banned' });
    const picks = (at: string): Set<string> =>
      new Set(Array.from({ length: 4 }, () => rotator.acquire({ url: at }).proxy.id));
    expect(picks(url)).toEqual(new Set([b]));
    expect(picks('https://A.test/other')).toEqual(new Set([b]));
    expect(picks('https://b.test/')).toEqual(new Set([a, b]));
    clock.advance(30_000);
    expect(picks(url)).toEqual(new Set([a, b]));
  });

  it('never makes a selection fail, even when the host has banned everybody', () => {
    const { rotator, ids } = testEngine(3);
    settle(rotator, 'banned', 9);
    expect(ids).toContain(rotator.acquire({ url }).proxy.id);
  });

  it('is preferred, cooling, over a proxy that failed the same request', () => {
    const { rotator, ids } = testEngine(2);
    const [a, b] = ids as [string, string];
    const first = rotator.acquire({ url });
    first.settle({ verdict: 'banned' });
    expect(first.proxy.id).toBe(a);
    expect(rotator.acquire({ url, avoid: [b] }).proxy.id).toBe(a);
  });

  it('is not known without a host', () => {
    const { rotator } = testEngine(1);
    rotator.acquire().settle({ verdict: 'banned' });
    expect(rotator.acquire().settle({ verdict: 'banned' })).toBe('banned');
  });
});

describe('ambiguous evidence', () => {
  const other = 'https://b.test/';
  /** Two proxies; the lease that comes back goes through the first, the other one is free. */
  function scene(): {
    rotator: Rotator;
    clock: { advance(ms: number): void };
    silent: Lease;
    ids: readonly string[];
  } {
    const { rotator, ids, clock } = testEngine(2, still);
    return { rotator, clock, ids, silent: rotator.acquire({ url, exclude: [ids[1] as string] }) };
  }
  const through = ({ rotator, ids }: ReturnType<typeof scene>, index: number, at: string): Verdict =>
    rotator.acquire({ url: at, exclude: [ids[1 - index] as string] }).succeed();

  it('becomes the fault of the proxy when the host answered another one meanwhile', () => {
    const at = scene();
    through(at, 1, url);
    expect(at.silent.fail({ verdict: 'ambiguous' })).toBe('proxy');
  });

  it('stays ambiguous when the host answered nobody', () => {
    const at = scene();
    through(at, 1, other);
    expect(at.silent.fail({ verdict: 'ambiguous' })).toBe('ambiguous');
  });

  it('stays ambiguous when something came through this proxy', () => {
    const at = scene();
    through(at, 1, url);
    through(at, 0, other);
    expect(at.silent.fail({ verdict: 'ambiguous' })).toBe('ambiguous');
  });

  it('stays ambiguous when the answer is older than the attempt and ten seconds', () => {
    const at = scene();
    through(at, 1, url);
    at.clock.advance(10_001);
    expect(at.rotator.acquire({ url, exclude: [at.ids[1] as string] }).fail({ verdict: 'ambiguous' })).toBe(
      'ambiguous',
    );
    at.clock.advance(50_000);
    expect(at.silent.fail({ verdict: 'ambiguous' })).toBe('proxy');
  });
});
