import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { command, World } from '../support/rotator-model.js';

const log = fc.array(command, { minLength: 1, maxLength: 150, size: 'max' });
const strategy = fc.constantFrom('round-robin' as const, 'random' as const);

describe('pool and rotator under random commands', () => {
  it('R-01 R-12 R-21 keep every promise of the engine after each command', () => {
    fc.assert(
      fc.property(log, strategy, fc.nat(), (commands, strategy, seed) => {
        const world = new World(strategy, seed);
        for (const command of commands) world.run(command);
        world.settleAll();
      }),
      { numRuns: 500 },
    );
  });

  it('replay of the same log with the same seed gives the same picks, verdicts, events and state', () => {
    fc.assert(
      fc.property(log, strategy, fc.nat(), (commands, strategy, seed) => {
        const run = (): readonly string[] => {
          const world = new World(strategy, seed);
          for (const command of commands) world.run(command);
          return [...world.history, world.state];
        };
        expect(run()).toEqual(run());
      }),
      { numRuns: 60 },
    );
  });

  it('walks every path: the commands above do open, probe, close, ban, move and remove', () => {
    const seen = new Set<string>();
    for (const [at, commands] of fc.sample(log, { numRuns: 500, seed: 42 }).entries()) {
      const world = new World('random', at % 2 === 0 ? 8 : 9);
      for (const command of commands) world.run(command);
      for (const line of world.history) seen.add(line.replace(/px_\w+/g, 'px').split(' at ')[0] ?? '');
    }
    expect([...seen]).toEqual(
      expect.arrayContaining([
        'breaker closed > open',
        'breaker open > half-open',
        'breaker half-open > open',
        'breaker half-open > warming',
        'breaker warming > closed',
        'breaker closed > auth-failed',
        'breaker auth-failed > half-open',
        'breaker closed > tls-intercept',
        'breaker tls-intercept > half-open',
        'session bound',
        'session moved',
        'cooldown',
        'panic true',
        'panic false',
        'no candidate',
        'pool empty',
        'ignored',
      ]),
    );
  });
});
