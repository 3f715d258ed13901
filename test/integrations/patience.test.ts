import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import type { Lease } from '../../src/core/lease.js';
import { createRotator } from '../../src/create-rotator.js';
import { ClosedError, NoCandidateError, PoolEmptyError, SessionIdError } from '../../src/errors.js';
import { patientAcquire } from '../../src/integrations/patience.js';
import { blame, constantly, proxyLine, type TestEngine, testEngine } from '../support/test-engine.js';

const minutes = 600_000;

/** Waits on a clock that stands still: only what happens in the engine can end the wait. */
function patient(engine: TestEngine, waitMs = minutes) {
  const closing = new AbortController();
  const acquire = patientAcquire(engine.rotator, { onEmpty: 'wait', waitMs, signal: closing.signal });
  return { acquire: async (): Promise<Lease | null> => acquire({}), closing };
}

/** One proxy with an open breaker. */
function broken(): TestEngine & { id: string } {
  const engine = testEngine(1, { random: constantly(0), breaker: { openMs: minutes, maxOpenMs: minutes } });
  const id = engine.ids[0] as string;
  blame(engine.rotator, id, 5);
  return { ...engine, id };
}

describe('patientAcquire', () => {
  it.each(['fail', 'wait', 'direct'] as const)('gives a lease at once when there is one: %s', (onEmpty) => {
    const { rotator } = testEngine(1);
    const settings = { onEmpty, waitMs: 10, signal: new AbortController().signal };
    expect(patientAcquire(rotator, settings)({})).not.toBeInstanceOf(Promise);
    expect(rotator.stats().active).toBe(1);
  });

  it('C-05 fails, goes direct or waits, as it was asked for', async () => {
    const { rotator } = broken();
    const of = (onEmpty: 'fail' | 'direct') =>
      patientAcquire(rotator, { onEmpty, waitMs: 10, signal: new AbortController().signal });
    expect(() => of('fail')({})).toThrow(NoCandidateError);
    expect(await of('direct')({})).toBeNull();
  });

  it('does not wait for what waiting cannot mend', () => {
    const { rotator } = testEngine(1);
    const settings = { onEmpty: 'wait', waitMs: minutes, signal: new AbortController().signal } as const;
    expect(() => patientAcquire(rotator, settings)({ sessionId: 'not allowed' })).toThrow(SessionIdError);
  });

  it('wakes when a proxy is added', async () => {
    const engine = broken();
    const waiting = patient(engine).acquire();
    engine.rotator.pool.add(proxyLine(3));
    expect((await waiting)?.proxy.url).toBe(proxyLine(3));
  });

  it('wakes when a probe succeeds', async () => {
    const engine = broken();
    engine.clock.advance(minutes);
    const probe = engine.rotator.acquire();
    const waiting = patient(engine).acquire();
    probe.succeed();
    expect((await waiting)?.proxy.id).toBe(engine.id);
  });

  it('wakes when a probe ends without evidence, which frees the proxy and changes no breaker', async () => {
    const engine = broken();
    engine.clock.advance(minutes);
    const probe = engine.rotator.acquire();
    const waiting = patient(engine).acquire();
    probe.release();
    expect((await waiting)?.proxy.id).toBe(engine.id);
  });

  it('leaves one proxy to one of many who wait, and no lease behind for the others', async () => {
    const engine = broken();
    engine.clock.advance(minutes);
    const probe = engine.rotator.acquire();
    const { acquire, closing } = patient(engine);
    const waiting = Array.from({ length: 20 }, () =>
      acquire().then(
        () => 'lease',
        (error: Error) => error.name,
      ),
    );
    probe.release();
    // Whoever wakes takes the probe; the rest go on waiting until the engine closes.
    await Promise.race(waiting);
    expect(engine.rotator.stats().active).toBe(1);
    closing.abort();
    expect((await Promise.all(waiting)).sort()).toEqual([
      ...Array.from({ length: 19 }, () => 'ClosedError'),
      'lease',
    ]);
  });

  it('leaves nothing behind at the signal of the engine, however many wait and however often they wake', async () => {
    const warned: string[] = [];
    const listen = ({ name }: Error): void => void warned.push(name);
    process.on('warning', listen);
    const { rotator } = broken();
    const { signal } = new AbortController();
    const any = vi.spyOn(AbortSignal, 'any');
    const acquire = patientAcquire(rotator, { onEmpty: 'wait', waitMs: 20, signal });
    const waiting = Array.from({ length: 20 }, async () => acquire({}));
    expect(getEventListeners(signal, 'abort')).toHaveLength(20);
    rotator.pool.add(proxyLine(3));
    await Promise.all(waiting);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    // What it returns, Node 20 remembers for as long as the other signal lives.
    expect(any).not.toHaveBeenCalled();
    any.mockRestore();
    process.off('warning', listen);
    expect(warned).toEqual([]);
  });

  it('is told at once when the engine closes', async () => {
    const { acquire, closing } = patient(testEngine(0));
    const waiting = expect(acquire()).rejects.toThrow(ClosedError);
    closing.abort();
    await waiting;
    await expect(acquire()).rejects.toThrow(ClosedError);
  });

  it('gives up after waitMs with the error that names the reason', async () => {
    const rotator = createRotator({ maxSessions: 10 });
    const signal = new AbortController().signal;
    const waiting = patientAcquire(rotator, { onEmpty: 'wait', waitMs: 5, signal })({});
    await expect(waiting).rejects.toThrow(PoolEmptyError);
  });

  it('wakes when the breaker is due, by the time that the engine tells', async () => {
    const rotator = createRotator({
      proxies: [proxyLine(0)],
      breaker: { threshold: 1, openMs: 5 },
      maxSessions: 10,
    });
    rotator.acquire().fail({ verdict: 'proxy' });
    const signal = new AbortController().signal;
    const lease = await patientAcquire(rotator, { onEmpty: 'wait', waitMs: minutes, signal })({});
    expect(lease?.proxy.url).toBe(proxyLine(0));
  });

  it('waits longer than the longest timer of Node without spinning', async () => {
    const engine = testEngine(0);
    let asked = 0;
    const { acquire: original } = engine.rotator;
    engine.rotator.acquire = (context) => {
      asked += 1;
      return original.call(engine.rotator, context);
    };
    const { acquire, closing } = patient(engine, 2 ** 40);
    const waiting = expect(acquire()).rejects.toThrow(ClosedError);
    await new Promise((resolve) => setTimeout(resolve, 15));
    closing.abort();
    await waiting;
    expect(asked).toBe(2);
  });
});
