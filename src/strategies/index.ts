export { type CompositeSettings, composite } from './composite.js';
export type { CandidateTest, CompositeFilter, FilterSpec } from './filters.js';
export { type GeoTargetedSettings, geoTargeted } from './geo-targeted.js';
export { type LeastUsedSettings, leastUsed } from './least-used.js';
export { type PerformanceBasedSettings, performanceBased } from './performance-based.js';
export { random } from './random.js';
export { roundRobin } from './round-robin.js';
export { type SessionPersistenceSettings, sessionPersistence } from './session.js';
export type {
  Candidate,
  Candidates,
  SelectionContext,
  SelectionEngine,
  Strategy,
  StrategyFactory,
  StrategySpec,
} from './strategy.js';
export { type WeightedSettings, weighted } from './weighted.js';
