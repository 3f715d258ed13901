import { describe, expect, it } from 'vitest';
import { NoCandidateError, OptionsError } from '../../src/errors.js';
import { record, testEngine } from '../support/test-engine.js';
import { thrownBy } from '../support/thrown-by.js';

const picks = (rotator: ReturnType<typeof testEngine>['rotator'], times: number): string[] =>
  Array.from({ length: times }, () => {
    const lease = rotator.acquire();
    lease.succeed({ latencyMs: 10 });
    return lease.proxy.id;
  });

describe('pool.adjust', () => {
  it('A-22 disables a proxy until it is enabled, whoever else ends a drain meanwhile', () => {
    const { rotator, ids } = testEngine(3);
    const [a, b, c] = ids as [string, string, string];
    expect(rotator.pool.adjust(a, { disabled: true })).toBe(true);
    rotator.pool.drain(a);
    rotator.pool.drain(a, false);
    expect(new Set(picks(rotator, 6))).toEqual(new Set([b, c]));
    expect(rotator.pool.get(a)).toMatchObject({ disabled: true, drained: false, health: 'closed' });
    rotator.pool.adjust(a, { disabled: false });
    expect(new Set(picks(rotator, 6))).toEqual(new Set(ids));
  });

  it('A-22 names it as the reason, in the error and in explain', () => {
    const { rotator, ids } = testEngine(2);
    for (const id of ids) rotator.pool.adjust(id, { disabled: true });
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
    expect(() => rotator.acquire()).toThrow(/2 by disabled\.$/);
    expect(rotator.explain().proxies.map(({ reason }) => reason)).toEqual(['disabled', 'disabled']);
  });

  it('A-22 gives other tags, which the rules of a request go by, and leaves the proxy value as it was', () => {
    const { rotator, ids } = testEngine(2);
    const before = rotator.pool.get(String(ids[1]))?.proxy;
    rotator.pool.adjust(String(ids[1]), { tags: ['home'] });
    expect(rotator.acquire({ tags: ['home'] }).proxy).toMatchObject({ id: ids[1], tags: ['home'] });
    expect(before?.tags).toEqual([]);
    const error = thrownBy(() => rotator.pool.adjust(String(ids[1]), { tags: [''] }));
    expect(error).toBeInstanceOf(OptionsError);
    expect(rotator.pool.get(String(ids[1]))?.proxy.tags).toEqual(['home']);
  });

  it.each([
    ['shares of success', { name: 'weighted' } as const],
    ['weights of the settings', { name: 'weighted', weights: { '192.0.2.1': 1, '192.0.2.2': 9 } } as const],
  ])('A-22 gives a weight, which counts more than %s', (_what, strategy) => {
    const { rotator, ids } = testEngine(2, { strategy });
    const [a, b] = ids as [string, string];
    picks(rotator, 50);
    rotator.pool.adjust(b, { weight: 0 });
    expect(new Set(picks(rotator, 50))).toEqual(new Set([a]));
    rotator.pool.adjust(b, { weight: 1e6 });
    expect(picks(rotator, 50).filter((id) => id === b).length).toBeGreaterThan(45);
    expect(rotator.explain().proxies.find(({ proxyId }) => proxyId === b)?.score).toBe(1e6);
    rotator.pool.adjust(b, { weight: null });
    expect(rotator.pool.get(b)?.weight).toBeUndefined();
    expect(picks(rotator, 200).filter((id) => id === a).length).toBeGreaterThan(5);
  });

  it.each([-1, Number.NaN, 1e13, Number.POSITIVE_INFINITY])('refuses the weight %s', (weight) => {
    const { rotator, ids } = testEngine(1);
    expect(thrownBy(() => rotator.pool.adjust(String(ids[0]), { weight, disabled: true }))).toBeInstanceOf(
      OptionsError,
    );
    expect(rotator.pool.get(String(ids[0]))).toMatchObject({ disabled: false });
  });

  it('keeps what was learned, tells of it, and is false for one that is not there', () => {
    const { rotator, ids } = testEngine(2);
    const told = record(rotator, 'adjusted');
    picks(rotator, 4);
    expect(rotator.pool.adjust(String(ids[0]), { tags: ['x'], weight: 2 })).toBe(true);
    expect(rotator.pool.get(String(ids[0]))).toMatchObject({ stats: { succeeded: 2 } });
    expect(rotator.pool.adjust('px_none', { disabled: true })).toBe(false);
    expect(told).toEqual([{ proxyId: ids[0] }]);
  });

  it('A-25 is part of a snapshot, and comes back from it', () => {
    const first = testEngine(3);
    const [a, b] = first.ids as [string, string];
    first.rotator.pool.adjust(a, { disabled: true });
    first.rotator.pool.adjust(b, { weight: 3, tags: ['home'] });
    const kept = JSON.parse(JSON.stringify(first.rotator.snapshot()));
    const second = testEngine(3);
    second.rotator.restore(kept);
    expect(second.rotator.pool.get(a)).toMatchObject({ disabled: true });
    expect(second.rotator.pool.get(b)).toMatchObject({ weight: 3, proxy: { tags: ['home'] } });
    expect(second.rotator.snapshot()).toEqual(kept);
  });

  it.each([
    { disabled: 1 },
    { disabled: true, weight: -1 },
    { disabled: true, tags: [1] },
    { disabled: true, tags: [''] },
    [],
    'yes',
  ])('takes over no snapshot with the adjustment %j', (adjusted) => {
    const { rotator, ids } = testEngine(1);
    rotator.pool.adjust(String(ids[0]), { disabled: true });
    const { proxies, ...rest } = rotator.snapshot();
    const bad = { ...proxies[String(ids[0])], adjusted };
    expect(() => rotator.restore({ ...rest, proxies: { [String(ids[0])]: bad } })).toThrow(/adjusted/);
  });
});
