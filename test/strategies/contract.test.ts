import { performanceBased } from '../../src/strategies/performance-based.js';
import { random } from '../../src/strategies/random.js';
import { roundRobin } from '../../src/strategies/round-robin.js';
import { weighted } from '../../src/strategies/weighted.js';
import { describeStrategyContract } from '../contracts/strategy-contract.js';
import { fewestFailures } from '../support/plugin-strategy.js';

describeStrategyContract('round-robin', roundRobin);
describeStrategyContract('random', random);
describeStrategyContract('weighted', () => weighted());
describeStrategyContract('weighted with custom weights', () =>
  weighted({ weights: ({ host }) => 1 + (host.length % 4) }),
);
describeStrategyContract('performance-based', () => performanceBased());
describeStrategyContract('a plugin', fewestFailures, {
  walks: 'it is written the simple way, without an index',
});
