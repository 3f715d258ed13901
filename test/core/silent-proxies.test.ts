import { describe, expect, it } from 'vitest';
import type { Lease } from '../../src/core/lease.js';
import { type TestEngine, testEngine } from '../support/test-engine.js';

const host = 'a.test:443';
const silent = { verdict: 'ambiguous' } as const;

function through({ rotator, ids }: TestEngine, index: number): Lease {
  return rotator.acquire({ host, exclude: ids.filter((_, other) => other !== index) });
}

describe('proxies that never answer, where the host answers others meanwhile', () => {
  it('are opened by their first wave of timeouts, although they fail together', () => {
    const engine = testEngine(4);
    const { rotator, clock, ids } = engine;
    const hanging = [0, 1, 2].flatMap((index) => Array.from({ length: 5 }, () => through(engine, index)));
    clock.advance(100);
    through(engine, 3).succeed();
    // A crawl of limited concurrency stands still now: nobody succeeds until the time limit passes.
    clock.advance(4_900);
    expect(new Set(hanging.map((lease) => lease.settle(silent)))).toEqual(new Set(['proxy']));
    expect(ids.map((id) => rotator.pool.get(id)?.health)).toEqual(['open', 'open', 'open', 'closed']);
  });

  it('do not make the host look as if it were down', () => {
    const engine = testEngine(4);
    const hanging = [0, 1].map((index) => through(engine, index));
    engine.clock.advance(100);
    through(engine, 3).succeed();
    engine.clock.advance(4_900);
    for (const lease of hanging) lease.settle(silent);
    expect(through(engine, 3).settle(silent)).toBe('ambiguous');
  });

  it('are believed where the host answered nobody since they were asked', () => {
    const engine = testEngine(4);
    through(engine, 3).succeed();
    engine.clock.advance(1);
    const asked = [0, 1, 2].map((index) => through(engine, index));
    engine.clock.advance(5_000);
    expect(asked.map((lease) => lease.settle(silent))).toEqual(['proxy', 'proxy', 'target']);
  });
});
