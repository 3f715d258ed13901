import { describe, expect, it } from 'vitest';
import { StrategyUnknownError } from '../../src/errors.js';
import { random, roundRobin, type Strategy } from '../../src/strategies/index.js';
import { StrategyRegistry } from '../../src/strategies/registry.js';

const registry = new StrategyRegistry();
registry.register('mine', (settings) => ({
  name: `mine with ${JSON.stringify(settings)}`,
  choose: (candidates) => candidates.after(-1),
}));
registry.register('random', () => random());

describe('StrategyRegistry', () => {
  it('R-49 makes a strategy by name', () => {
    expect([registry.resolve('random').name, registry.resolve('mine').name]).toEqual([
      'random',
      'mine with {}',
    ]);
  });

  it('R-49 hands the settings beside the name to the factory', () => {
    expect(registry.resolve({ name: 'mine', depth: 3 }).name).toBe('mine with {"depth":3}');
  });

  it('R-49 takes an object that chooses as it is', () => {
    const own: Strategy = roundRobin();
    expect(registry.resolve(own)).toBe(own);
  });

  it('makes a new one each time: two engines share no state', () => {
    expect(registry.resolve('random')).not.toBe(registry.resolve('random'));
  });

  it.each(['Random', 'constructor', '__proto__'])('knows no %s, and says what it knows', (name) => {
    try {
      registry.resolve(name);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(StrategyUnknownError);
      expect(error).toMatchObject({ code: 'PW_STRATEGY_UNKNOWN', data: { known: ['mine', 'random'] } });
    }
  });
});
