import { describe, expect, it } from 'vitest';
import { CertificateRecord } from '../../src/core/certificate-record.js';
import type { Outcome, Verdict } from '../../src/core/outcome.js';
import { constantly, record, type TestEngine, testEngine } from '../support/test-engine.js';

const MINUTE = 60_000;

function through({ rotator, ids }: TestEngine, index: number, host: string, outcome: Outcome): void {
  rotator.acquireCarrier(ids[index] as string, { host })?.settle(outcome);
}
const bad = (verdict: Verdict = 'target'): Outcome => ({ verdict, intercepted: true });
const states = ({ rotator }: TestEngine): string[] => rotator.pool.list().map(({ health }) => health);
const engineOf = (count: number): TestEngine =>
  testEngine(count, { random: constantly(0), breaker: { probeSuccesses: 1, warmingMs: 0 } });

describe('row 11 the target’s certificate is bad inside the tunnel', () => {
  it.each(['target', 'ambiguous'] as const)('at two hosts through one proxy: it is away (%s)', (verdict) => {
    const engine = engineOf(3);
    const told = record(engine.rotator, 'breaker');
    through(engine, 0, 'a.test', bad(verdict));
    expect(states(engine)).toEqual(['closed', 'closed', 'closed']);
    through(engine, 0, 'b.test', bad(verdict));
    expect(states(engine)).toEqual(['tls-intercept', 'closed', 'closed']);
    expect(told).toEqual([
      { proxyId: engine.ids[0], from: 'closed', to: 'tls-intercept', openMs: 5 * MINUTE },
    ]);
    expect(engine.rotator.stats().proxies[0]?.health).toBe('tls-intercept');
    expect(engine.rotator.explain().proxies[0]).toMatchObject({ status: 'excluded', reason: 'breaker' });
  });

  it('at one host, however often, costs nothing', () => {
    const engine = engineOf(1);
    for (let i = 0; i < 20; i++) through(engine, 0, 'a.test', bad());
    expect(states(engine)).toEqual(['closed']);
    expect(engine.rotator.pool.list()[0]?.breaker).toMatchObject({ faults: 0 });
  });

  it('at two hosts more than ten minutes apart costs nothing', () => {
    const apart = (ms: number): string[] => {
      const engine = engineOf(1);
      through(engine, 0, 'a.test', bad());
      engine.clock.advance(ms);
      through(engine, 0, 'b.test', bad());
      return states(engine);
    };
    expect([apart(10 * MINUTE), apart(10 * MINUTE + 1)]).toEqual([['tls-intercept'], ['closed']]);
  });

  it('through other proxies as well is the host’s own', () => {
    const engine = engineOf(3);
    for (const host of ['a.test', 'b.test', 'c.test'])
      for (const index of [0, 1, 2]) through(engine, index, host, bad());
    expect(states(engine)).toEqual(['closed', 'closed', 'closed']);
  });

  it('is nobody’s doing where good answers came through the proxy in between: sites have bad ones of their own', () => {
    const engine = engineOf(2);
    for (let site = 0; site < 50; site++) {
      through(engine, 0, `bad${site}.test`, bad());
      engine.clock.advance(1000);
      through(engine, 0, `good${site}.test`, { verdict: 'success' });
      engine.clock.advance(1000);
    }
    expect(states(engine)).toEqual(['closed', 'closed']);
  });

  it('is the proxy’s although other answers come through it, where the hosts answer others', () => {
    const engine = engineOf(2);
    for (const host of ['a.test', 'b.test']) {
      through(engine, 0, host, bad());
      engine.clock.advance(1000);
      through(engine, 1, host, { verdict: 'success' });
      through(engine, 0, 'plain.test', { verdict: 'success' });
    }
    expect(states(engine)).toEqual(['closed', 'closed']);
    through(engine, 0, 'b.test', bad());
    expect(states(engine)).toEqual(['tls-intercept', 'closed']);
  });

  it.each(['proxy', 'success', 'neutral', 'local', 'banned'] as const)('is not read for %s', (verdict) => {
    const engine = engineOf(1);
    for (const host of ['a.test', 'b.test']) through(engine, 0, host, bad(verdict));
    expect(states(engine)).toEqual(['closed']);
  });

  it('without a host says nothing', () => {
    const { rotator, ids } = engineOf(1);
    for (let i = 0; i < 9; i++) rotator.acquireCarrier(ids[0] as string)?.settle(bad());
    expect(rotator.pool.list()[0]?.health).toBe('closed');
  });

  it('is retried after 5 min, 10, 20, 40 and 60, at one host; a good answer brings the proxy back', () => {
    const engine = engineOf(1);
    const { rotator, clock } = engine;
    for (const host of ['a.test', 'b.test']) through(engine, 0, host, bad());
    const waits: number[] = [];
    for (let round = 0; round < 6; round++) {
      const breaker = rotator.pool.list()[0]?.breaker;
      const ms = breaker?.state === 'tls-intercept' ? breaker.until - clock.now() : 0;
      waits.push(ms / MINUTE);
      clock.advance(ms - 1);
      expect(() => rotator.acquire({ host: 'c.test' })).toThrow();
      clock.advance(1);
      rotator.acquire({ host: 'c.test' }).settle(bad());
    }
    expect(waits).toEqual([5, 10, 20, 40, 60, 60]);
    clock.advance(60 * MINUTE);
    rotator.acquire({ host: 'c.test' }).succeed();
    expect(states(engine)).toEqual(['closed']);
  });

  it('survives a restart, with the time that is left', () => {
    const engine = engineOf(1);
    for (const host of ['a.test', 'b.test']) through(engine, 0, host, bad());
    const snapshot = JSON.parse(JSON.stringify(engine.rotator.snapshot())) as unknown;
    const next = engineOf(1);
    next.rotator.restore(snapshot, 2 * MINUTE);
    expect(next.rotator.pool.list()[0]?.breaker).toEqual({
      state: 'tls-intercept',
      refusals: 1,
      opens: 0,
      until: next.clock.now() + 3 * MINUTE,
    });
  });

  it('remembers a bounded number of hosts per proxy', () => {
    const record = new CertificateRecord();
    const seen = Array.from({ length: 40 }, (_, i) => record.see(`h${i}.test`, 'p', i).length);
    expect(Math.max(...seen)).toBe(8);
  });
});
