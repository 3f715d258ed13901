export { random } from './random.js';
export type { StrategyFactory } from './registry.js';
export { roundRobin } from './round-robin.js';
export type {
  Candidate,
  Candidates,
  SelectionContext,
  SelectionEngine,
  Strategy,
  StrategySpec,
} from './strategy.js';
