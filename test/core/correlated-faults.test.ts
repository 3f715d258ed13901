import { describe, expect, it } from 'vitest';
import type { Lease } from '../../src/core/lease.js';
import type { Outcome } from '../../src/core/outcome.js';
import { blame, constantly, record, type TestEngine, testEngine } from '../support/test-engine.js';
import { traffic } from '../support/traffic.js';

const host = 'a.test:443';

const fine = (): Outcome => ({ verdict: 'success', latencyMs: 80 });
const silent = (): Outcome => ({ verdict: 'ambiguous' });

describe('target down for 60 s with 10 proxies', () => {
  it.each([0.2, 0.5, 1, 3, 10, 50, 400].flatMap((rate) => [50, 5_000].map((ms) => [rate, ms] as const)))(
    'demotes no proxy, at %s requests per second that fail after %s ms',
    (perSecond, latencyMs) => {
      for (const strategy of ['round-robin', 'random', 'least-used'] as const) {
        const engine = testEngine(10, { strategy, breaker: { rateShare: 0.5 } });
        const opened: string[] = [];
        engine.rotator.on('breaker', ({ to }) => opened.push(to));
        traffic(engine, { perSecond, seconds: 30, latencyMs: 80, outcome: fine });
        traffic(engine, { perSecond, seconds: 60, latencyMs, outcome: silent });
        expect(opened).toEqual([]);
        expect(engine.rotator.stats().proxies.filter(({ health }) => health !== 'closed')).toEqual([]);
        const { served, refused } = traffic(engine, { perSecond, seconds: 30, latencyMs: 80, outcome: fine });
        expect([served, refused]).toEqual([30 * perSecond, 0]);
      }
    },
  );
});

describe('ambiguous evidence about a host', () => {
  const through = ({ rotator, ids }: TestEngine, index: number, at = host): Lease =>
    rotator.acquire({ host: at, exclude: ids.filter((_, other) => other !== index) });
  const faultsOf = ({ rotator, ids }: TestEngine): unknown[] =>
    ids.map((id) => {
      const breaker = rotator.pool.get(id)?.breaker;
      return breaker?.state === 'closed' ? breaker.faults : breaker?.state;
    });

  it('is given back once it fails through two others within ten seconds', () => {
    const engine = testEngine(4, { random: constantly(0) });
    expect([0, 0, 1].map((at) => through(engine, at).settle(silent()))).toEqual([
      'ambiguous',
      'ambiguous',
      'ambiguous',
    ]);
    expect(faultsOf(engine)).toEqual([1, 0.5, 0, 0]);
    engine.clock.advance(10_000);
    expect(through(engine, 2).settle(silent())).toBe('target');
    expect(faultsOf(engine)).toEqual([0, 0, 0, 0]);
    expect(through(engine, 0).settle(silent())).toBe('target');
  });

  it('stays when the failures are further apart', () => {
    const engine = testEngine(4);
    through(engine, 0).settle(silent());
    engine.clock.advance(10_001);
    for (const at of [1, 2]) expect(through(engine, at).settle(silent())).toBe('ambiguous');
    expect(faultsOf(engine)).toEqual([0.5, 0.5, 0.5, 0]);
  });

  it('stays when the host answered somebody in between', () => {
    const engine = testEngine(4);
    for (const at of [0, 1]) through(engine, at).settle(silent());
    through(engine, 3).succeed();
    expect(through(engine, 2).settle(silent())).not.toBe('target');
    expect(faultsOf(engine).slice(0, 2)).toEqual([0.5, 0.5]);
  });

  it('stays when the others failed at another host', () => {
    const engine = testEngine(4);
    for (const at of [0, 1]) through(engine, at, 'b.test:443').settle(silent());
    expect(through(engine, 2).settle(silent())).toBe('ambiguous');
  });

  it('is given back as well where it was charged in full', () => {
    const engine = testEngine(4);
    const [first, second, third] = [0, 1, 2].map((at) => through(engine, at)) as [Lease, Lease, Lease];
    through(engine, 3).succeed();
    expect(first.settle(silent())).toBe('proxy');
    second.settle(silent());
    third.settle(silent());
    expect(faultsOf(engine)).toEqual([0, 0, 0, 0]);
  });

  it('gives nothing back for what a success has made up for', () => {
    const engine = testEngine(4);
    through(engine, 0).settle(silent());
    through(engine, 0, 'b.test:443').succeed();
    through(engine, 0).settle({ verdict: 'proxy' });
    for (const at of [1, 2]) through(engine, at).settle(silent());
    expect(faultsOf(engine)).toEqual([1, 0, 0, 0]);
  });
});

/** As it is by default; the engine of tests lets proxies come back at once and never panics. */
const breaker = { probeSuccesses: 2, warmingMs: 30_000, rateShare: 0.5 };
const panic = { share: 0.1 };
const refused = (): Outcome => ({ verdict: 'proxy' });

describe('row 26 own network down for 60 s', () => {
  const rates = [5, 10, 50, 400];
  it.each(rates.flatMap((rate) => [5, 1000].map((ms) => [rate, ms] as const)))(
    'removes nobody and serves in full within 5 s, at %s requests per second that fail after %s ms',
    (perSecond, latencyMs) => {
      for (const strategy of ['round-robin', 'random', 'performance-based'] as const) {
        for (const size of [1, 3, 10, 40]) {
          const engine = testEngine(size, { strategy, panic, breaker });
          const { rotator } = engine;
          traffic(engine, { perSecond, seconds: 10, latencyMs: 80, outcome: fine });
          traffic(engine, { perSecond, seconds: 60, latencyMs, outcome: refused });
          expect(rotator.pool.size).toBe(size);
          traffic(engine, { perSecond, seconds: 5, latencyMs: 80, outcome: fine });
          const after = traffic(engine, { perSecond, seconds: 10, latencyMs: 80, outcome: fine });
          expect([strategy, size, after]).toEqual([strategy, size, { served: 10 * perSecond, refused: 0 }]);
          if (perSecond >= 50) expect(rotator.pool.list(({ health }) => health === 'open')).toEqual([]);
        }
      }
    },
  );

  it('tells when panic begins and when it ends', () => {
    const engine = testEngine(10, { panic, breaker });
    const told = record(engine.rotator, 'panic');
    traffic(engine, { perSecond: 50, seconds: 60, latencyMs: 5, outcome: refused });
    expect(told).toEqual([{ on: true }]);
    traffic(engine, { perSecond: 50, seconds: 60, latencyMs: 80, outcome: fine });
    expect(told).toEqual([{ on: true }, { on: false }]);
  });

  it('holds late failures of that time against nobody', () => {
    const { rotator, clock } = testEngine(2, { panic, random: constantly(0) });
    const late = Array.from({ length: 12 }, () => rotator.acquire());
    for (let i = 0; i < 10; i++) rotator.acquire().fail(refused());
    clock.advance(1_000);
    rotator.acquire().succeed();
    for (const lease of late) lease.fail(refused());
    clock.advance(1_000);
    expect(rotator.pool.list(({ breaker }) => breaker.opens > 1)).toEqual([]);
    expect(rotator.pool.list(({ id }) => rotator.acquire({ exclude: [id] }) !== undefined)).toHaveLength(2);
  });
});

describe('row 24 all unhealthy', () => {
  it('has one request in flight per proxy at most, each a second after the last, and recovers within 2 s', () => {
    for (const strategy of ['round-robin', 'random', 'performance-based'] as const) {
      const engine = testEngine(20, { strategy, panic, breaker });
      const { rotator, clock, ids } = engine;
      const lastStart = new Map<string, number>();
      let inPanic = false;
      rotator.on('panic', ({ on }) => (inPanic = on));
      rotator.on('selected', ({ proxyId }) => {
        if (inPanic) {
          expect(rotator.pool.get(proxyId)?.stats.active).toBe(1);
          expect(clock.now() - (lastStart.get(proxyId) ?? 0)).toBeGreaterThanOrEqual(1000);
        }
        lastStart.set(proxyId, clock.now());
      });
      traffic(engine, { perSecond: 100, seconds: 30, latencyMs: 5, outcome: refused });
      expect(inPanic).toBe(true);
      const alive = (lease: Lease): Outcome => (lease.proxy.id === ids[13] ? fine() : refused());
      traffic(engine, { perSecond: 100, seconds: 2, latencyMs: 5, outcome: alive });
      expect(rotator.pool.get(ids[13] as string)?.stats.succeeded).toBeGreaterThan(0);
      expect(inPanic).toBe(false);
    }
  });

  it('tries whoever failed least recently, and nobody that is drained or refuses the password', () => {
    const { rotator, ids, clock } = testEngine(6, { panic, strategy: 'random', random: constantly(0) });
    const [a, b, c, d, e, f] = ids as [string, string, string, string, string, string];
    for (let i = 0; i < 2; i++) rotator.acquireCarrier(f)?.fail({ verdict: 'auth' });
    rotator.pool.drain(e);
    for (const id of [c, a, d, b]) {
      clock.advance(10);
      blame(rotator, id, 5);
    }
    clock.advance(1_000);
    expect(rotator.explain().chosen).toBe(c);
    const leases = Array.from({ length: 4 }, () => rotator.acquire());
    expect(leases.map(({ proxy }) => proxy.id)).toEqual([c, a, d, b]);
    expect(() => rotator.acquire()).toThrow();
    // Five minutes later, the password is tried again, but not before the network is back.
    for (const lease of leases) lease.release();
    clock.advance(300_000);
    expect(Array.from({ length: 4 }, () => rotator.acquire().proxy.id)).not.toContain(f);
    expect(() => rotator.acquire()).toThrow();
  });

  it('leads no session back to a proxy that refuses the password', () => {
    const { rotator, ids, clock } = testEngine(3, { panic, random: constantly(0) });
    const [a, b, c] = ids as [string, string, string];
    expect(rotator.acquire({ sessionId: 's' }).proxy.id).toBe(a);
    for (let i = 0; i < 2; i++) rotator.acquireCarrier(a)?.fail({ verdict: 'auth' });
    for (const id of [b, c]) blame(rotator, id, 5);
    clock.advance(300_000);
    rotator.stats();
    expect([rotator.inPanic, rotator.pool.get(a)?.health]).toEqual([true, 'half-open']);
    expect([b, c]).toContain(rotator.acquire({ sessionId: 's' }).proxy.id);
  });

  it('is no panic while a single proxy serves, nor where proxies open one after the other', () => {
    const engine = testEngine(20, { panic, breaker });
    const told = record(engine.rotator, 'panic');
    const oneAlive = (lease: Lease): Outcome => (lease.proxy.id === engine.ids[0] ? fine() : refused());
    traffic(engine, { perSecond: 100, seconds: 60, latencyMs: 5, outcome: oneAlive });
    const slow = testEngine(20, { panic, breaker: { openMs: 200_000, rateShare: 0.5 } });
    slow.rotator.on('panic', (event) => told.push(event));
    for (const id of slow.ids) {
      blame(slow.rotator, id, 5);
      slow.clock.advance(2_000);
    }
    expect(told).toEqual([]);
    expect(slow.rotator.pool.list(({ health }) => health === 'open')).toHaveLength(20);
  });
});

describe('row 25 pool of one', () => {
  it('is still probed, at most once a second', () => {
    const engine = testEngine(1, { panic, breaker });
    traffic(engine, { perSecond: 50, seconds: 1, latencyMs: 5, outcome: refused });
    const probes = record(engine.rotator, 'selected');
    traffic(engine, { perSecond: 50, seconds: 10, latencyMs: 5, outcome: refused });
    expect(probes.map(({ reason }) => reason)).not.toContain('strategy');
    expect(probes.length).toBeLessThanOrEqual(10);
    expect(probes.length).toBeGreaterThanOrEqual(8);
  });
});
