// The public face. Each name is here on purpose; what is missing is internal, or has an entry of its own:
// the engine without Crawlee's types is `proxywhirl/core`, the lab is `proxywhirl/lab`.
export type { Clock, Random } from './core/clock.js';
export type { RotatorEvents } from './core/events.js';
export type { ProxyGeo } from './core/geo.js';
export type { Lease } from './core/lease.js';
export type { Outcome, Verdict } from './core/outcome.js';
export { parseProxy } from './core/parse.js';
export { createProxy, type Proxy, type ProxyProtocol, proxyUrl } from './core/proxy.js';
export type { AcquireContext, ProxyReport, Rotator, RotatorReport, SessionHandle } from './core/rotator.js';
export { Secret } from './core/secret.js';
export type { Session } from './core/sessions.js';
export { createRotator } from './create-rotator.js';
export {
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
  StrategyUnknownError,
} from './errors.js';
export type { CrawleeHooks } from './integrations/crawlee-hooks.js';
export type { BanOptions, BreakerOptions, OnEmpty, ProxyWhirlOptions, RotatorOptions } from './options.js';
export { type ProxyWhirl, proxywhirl } from './proxywhirl.js';
export {
  type ParsedProxyList,
  type ParseProxyListOptions,
  type ProxyListFormat,
  parseProxyList,
} from './sources/formats.js';
export { random } from './strategies/random.js';
export { roundRobin } from './strategies/round-robin.js';
export type {
  Candidate,
  Candidates,
  SelectionContext,
  SelectionEngine,
  Strategy,
  StrategySpec,
} from './strategies/strategy.js';
