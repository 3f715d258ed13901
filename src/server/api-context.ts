import type { ProxyCache } from '../cache/engine-cache.js';
import type { Clock } from '../core/clock.js';
import type { Rotator } from '../core/rotator.js';
import type { HealthChecks } from '../health/monitor.js';
import type { ProxiedInit } from '../transport/fetch-init.js';
import type { ProxiedResponse } from '../transport/proxied-response.js';
import type { ApiClient, ApiGuard } from './api-guard.js';
import type { ResolvedApiOptions } from './api-options.js';
import type { ApiTraffic } from './api-traffic.js';
import type { LiveConfig } from './live-config.js';

/** What the API needs of the engine: `proxywhirl({...})` is one. */
export interface ApiWhirl {
  readonly rotator: Rotator;
  readonly health: HealthChecks;
  readonly cache: ProxyCache | null;
  fetch(url: string | URL, init?: ProxiedInit): Promise<ProxiedResponse>;
  /** Keeps what was learned; called after each change that a client was told of. */
  flush(): Promise<void>;
}

/** An address and a port that this process listens at: never to be used as a proxy, nor as a target. */
export interface OwnListener {
  readonly address: string;
  readonly port: number;
}

/** What all routes share. */
export interface ApiContext {
  readonly whirl: ApiWhirl;
  readonly rotator: Rotator;
  readonly options: ResolvedApiOptions;
  /** What is in force now; `PUT /config` changes it. */
  readonly config: LiveConfig;
  /** Monotonic ms. */
  readonly clock: Clock;
  /** Lets requests in; `addRoute` asks it. */
  readonly guard: ApiGuard;
  /** Counted since the app was made. */
  readonly traffic: ApiTraffic;
  /** Filled by `serve()`. */
  readonly listeners: OwnListener[];
  /** Aborted when the server begins to drain: /ready answers 503, and streams end. */
  readonly draining: AbortSignal;
  /** Writes a line of the log; strings are escaped and cut. */
  log(event: string, data: Readonly<Record<string, unknown>>): void;
}

/** One request, as its route sees it. */
export interface ApiCall {
  readonly requestId: string;
  readonly client: ApiClient;
  /** @param name in lower case */
  header(name: string): string | null;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** Calls this when the answer has been sent or the client is gone. */
  whenAnswered(run: () => void): void;
}
