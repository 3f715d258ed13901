// The public face. Each name is here on purpose; what is missing is internal, or has an entry of its own:
// the engine without Crawlee's types is `proxywhirl/core`, the lab is `proxywhirl/lab`.
export type { CacheEvents } from './cache/cache-events.js';
export type { CacheFigures, TierState } from './cache/cache-metrics.js';
export type { ProxyCache } from './cache/engine-cache.js';
export type { WarmOptions, WarmReport, WarmSignal } from './cache/warm.js';
export type { BudgetReport } from './core/budgets.js';
export type { Clock, Random } from './core/clock.js';
export type { RotatorEvents } from './core/events.js';
export type { ExplainedProxy, Explanation } from './core/explain.js';
export type { ProxyGeo } from './core/geo.js';
export type { Lease } from './core/lease.js';
export type { Outcome, Verdict } from './core/outcome.js';
export { parseProxy } from './core/parse.js';
export type { PooledProxy, ProxyPool } from './core/pool.js';
export { createProxy, type Proxy, type ProxyProtocol, proxyUrl } from './core/proxy.js';
export type { ProxyReport, RotatorReport } from './core/report.js';
export type { Rotator, SessionHandle } from './core/rotator.js';
export { Secret } from './core/secret.js';
export type { AcquireContext, ExclusionReason } from './core/selection-rules.js';
export type { Session } from './core/sessions.js';
export type { Snapshot } from './core/snapshot.js';
export type { ClassifiedAnswer, UserClassify } from './core/user-classify.js';
export { createRotator } from './create-rotator.js';
export {
  BlockedPageError,
  CacheCorruptionError,
  CacheKeyError,
  CacheStorageError,
  CacheValidationError,
  ClosedError,
  type ErrorCode,
  errorCodes,
  NoCandidateError,
  type OptionIssue,
  OptionsError,
  PoolEmptyError,
  ProxyListError,
  ProxyParseError,
  ProxyWhirlError,
  type RejectedLine,
  SessionIdError,
  SessionNotFoundError,
  SnapshotError,
  StrategyContractError,
  StrategyMetadataError,
  StrategyUnknownError,
} from './errors.js';
export type { CheckTarget } from './health/check-target.js';
export type { HealthChecks } from './health/monitor.js';
export type { MonitorEvents } from './health/monitor-events.js';
export type { ProbeResult } from './health/probe.js';
export type { CrawleeHooks } from './integrations/crawlee-hooks.js';
export type {
  BanOptions,
  BreakerOptions,
  BudgetOptions,
  CacheOptions,
  HealthOptions,
  OnBlocked,
  OnEmpty,
  ProxyWhirlOptions,
  RotatorOptions,
} from './options.js';
export { type ProxyWhirl, proxywhirl } from './proxywhirl.js';
export type { ProxySources, SourceReport } from './sources/engine-sources.js';
export {
  type ParsedProxyList,
  type ParseProxyListOptions,
  type ProxyListFormat,
  parseProxyList,
} from './sources/formats.js';
export type { SourceEvents } from './sources/refresh-events.js';
export type { Source } from './sources/source.js';
export { SourceError } from './sources/source-error.js';
export type { AnySource, SourceSpec } from './sources/spec.js';
export {
  type Candidate,
  type Candidates,
  type CandidateTest,
  type CompositeFilter,
  type CompositeSettings,
  composite,
  type FilterSpec,
  type GeoTargetedSettings,
  geoTargeted,
  type LeastUsedSettings,
  leastUsed,
  type PerformanceBasedSettings,
  performanceBased,
  random,
  roundRobin,
  type SelectionContext,
  type SelectionEngine,
  type SessionPersistenceSettings,
  type Strategy,
  type StrategyFactory,
  type StrategySpec,
  sessionPersistence,
  type WeightedSettings,
  weighted,
} from './strategies/index.js';
export { FetchError } from './transport/fetch-error.js';
export type { ProxiedInit } from './transport/fetch-init.js';
export type { ProxiedResponse } from './transport/proxied-response.js';
