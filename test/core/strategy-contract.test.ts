import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  NoCandidateError,
  OptionsError,
  StrategyContractError,
  StrategyMetadataError,
} from '../../src/errors.js';
import { roundRobin } from '../../src/strategies/round-robin.js';
import type { Candidate, Strategy } from '../../src/strategies/strategy.js';
import { fewestFailures } from '../support/plugin-strategy.js';
import { record, testEngine } from '../support/test-engine.js';
import { thrownBy } from '../support/thrown-by.js';

const first: Strategy['choose'] = (candidates) => candidates.after(-1);
const fails = (message: string) => (): never => {
  throw new Error(message);
};

describe('registerStrategy', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  beforeEach(() => {
    unhandled.length = 0;
    process.on('unhandledRejection', note);
  });
  afterEach(() => void process.off('unhandledRejection', note));

  it('R-48 makes a strategy known by a name, in less than a second, and hands over its settings', () => {
    const { rotator, ids } = testEngine(3);
    const given: unknown[] = [];
    const before = process.cpuUsage();
    rotator.registerStrategy('fewest-failures', (settings) => {
      given.push(settings);
      return fewestFailures();
    });
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(1000);
    rotator.setStrategy({ name: 'fewest-failures', depth: 2 });
    expect(given).toEqual([{}, { depth: 2 }]);
    rotator.acquireCarrier(String(ids[0]))?.fail({ verdict: 'proxy' });
    const selected = record(rotator, 'selected');
    expect([rotator.acquire().proxy.id, rotator.acquire().proxy.id]).toEqual([ids[1], ids[2]]);
    expect(selected).toMatchObject([{ strategy: 'fewest-failures' }, { strategy: 'fewest-failures' }]);
  });

  it('R-48 a name that is registered again stands for the new one', () => {
    const { rotator } = testEngine(2);
    const named = (depth: number) => (): Strategy => ({ name: 'mine', choose: first, score: () => depth });
    rotator.registerStrategy('mine', named(1));
    rotator.registerStrategy('mine', named(2));
    rotator.setStrategy('mine');
    expect(rotator.explain().proxies[0]?.score).toBe(2);
  });

  it('R-48 one that has no data on the proxies of the trial, and says so, keeps the contract', () => {
    const { rotator } = testEngine(2, { fallback: null });
    rotator.registerStrategy('by-cost', () => ({
      name: 'by-cost',
      choose(candidates) {
        const priced = candidates.where(({ proxy }) => proxy.cost !== undefined);
        if (priced.empty) throw new StrategyMetadataError('by-cost', ['cost']);
        return priced.after(-1);
      },
    }));
    rotator.setStrategy('by-cost');
    expect(() => rotator.acquire()).toThrow(StrategyMetadataError);
  });

  it.each([
    ['undefined', () => undefined],
    [
      'a NoCandidateError',
      () => {
        throw new NoCandidateError({ cost: 3 }, null);
      },
    ],
  ])('R-48 one that wants none of the proxies of the trial, by %s, keeps the contract', (_, choose) => {
    const { rotator } = testEngine(2);
    rotator.registerStrategy('picky', () => ({ name: 'picky', choose }));
    rotator.setStrategy('picky');
    expect(() => rotator.acquire()).toThrow(NoCandidateError);
  });

  it.each<[rule: string, make: () => unknown, name?: string]>([
    ['threw when it was made', fails('no')],
    ['threw when it was tried', () => ({ name: 'mine', choose: fails('no') })],
    ['threw when it was tried', () => ({ name: 'mine', choose: first, attach: fails('no') })],
    ['has no choose()', () => undefined],
    ['has no choose()', () => ({ name: 'mine', choose: 'first' })],
    ['has no choose()', async () => ({ name: 'mine', choose: first })],
    ['has no name', () => ({ choose: first })],
    ['has another name than it is registered under', () => roundRobin()],
    ['is asynchronous', () => ({ name: 'mine', choose: async () => undefined })],
    ['is asynchronous', () => ({ name: 'mine', choose: async () => fails('later')() })],
    [
      'chose somebody where there is nobody',
      () => ({ name: 'mine', choose: () => ({ slot: 0 }) as unknown as Candidate }),
    ],
    [
      'chose what is none of the candidates',
      () => ({ name: 'mine', choose: (all: Iterable<Candidate>) => [...all].map((one) => ({ ...one }))[0] }),
    ],
    ['is built in: choose another name', () => ({ name: 'random', choose: first }), 'random'],
    ['is built in: choose another name', () => roundRobin(), 'round-robin'],
    ['is registered under no name: 1 to 64 letters, digits, _ . -', () => ({ name: '', choose: first }), ''],
  ])('R-48 refuses one that %s', async (rule, make, name = 'mine') => {
    const { rotator } = testEngine(2);
    const error = thrownBy(() => rotator.registerStrategy(name, make as () => Strategy));
    expect(error).toBeInstanceOf(StrategyContractError);
    expect(error).toMatchObject({ code: 'PW_STRATEGY_INVALID', data: { rule } });
    if (name === 'mine') expect(() => rotator.setStrategy(name)).toThrow(/Unknown strategy/);
    rotator.acquire().release();
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  });

  it('R-48 refuses one whose index gives proxies that the request leaves out', () => {
    let indexed: Candidate[] = [];
    const { rotator } = testEngine(2);
    const careless: Strategy = {
      name: 'careless',
      attach(serving) {
        indexed = [...serving];
      },
      choose: () => indexed[0],
    };
    expect(() => rotator.registerStrategy('careless', () => careless)).toThrow(/none of the candidates/);
  });

  it('R-48 keeps what went wrong as the cause', () => {
    const { rotator } = testEngine(1);
    expect(thrownBy(() => rotator.registerStrategy('mine', fails('of the factory')))).toMatchObject({
      cause: { message: 'of the factory' },
    });
  });

  it('R-24 does not repeat what is no name: it may be a misplaced URL', () => {
    const { rotator } = testEngine(1);
    const error = thrownBy(() =>
      rotator.registerStrategy('http://user:canary-password@192.0.2.1:80', () => roundRobin()),
    );
    expect(JSON.stringify([String(error), error])).not.toContain('canary-password');
  });

  it('R-48 touches neither the pool nor the statistics of the engine', () => {
    const { rotator } = testEngine(3);
    const before = JSON.stringify([rotator.stats(), rotator.snapshot()]);
    rotator.registerStrategy('fewest-failures', fewestFailures);
    expect(JSON.stringify([rotator.stats(), rotator.snapshot()])).toBe(before);
  });

  it('R-49 the strategy of an engine is given at its start by name, by name and settings, or as an object', () => {
    expect(testEngine(1, { strategy: 'random' }).rotator.strategy.name).toBe('random');
    expect(testEngine(1, { strategy: { name: 'random' } }).rotator.strategy.name).toBe('random');
    const own = fewestFailures();
    expect(testEngine(1, { strategy: own }).rotator.strategy).toBe(own);
    expect(() => testEngine(1, { strategy: { name: 'random', depth: 1 } })).toThrow(OptionsError);
    expect(() => testEngine(1, { strategy: 7 as never })).toThrow(OptionsError);
  });
});
