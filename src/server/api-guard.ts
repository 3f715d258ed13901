import type { Clock } from '../core/clock.js';
import { canonicalIpv6 } from '../core/ip.js';
import { ApiError } from './api-error.js';
import type { ResolvedApiOptions, Scope } from './api-options.js';
import type { ApiRequest } from './api-request.js';
import { ApiKeys } from './auth.js';
import type { Meta } from './envelope.js';
import type { LiveConfig } from './live-config.js';
import { RateLimit } from './rate-limit.js';
import { apiVersion } from './version.js';

const everything: ReadonlySet<Scope> = new Set<Scope>(['read', 'request', 'admin']);
const nothing: ReadonlySet<Scope> = new Set<Scope>();

/** Who sent a request. */
export interface ApiClient {
  /** Name of the key; null without one. */
  readonly key: string | null;
  /** Of the socket, or what a trusted proxy says; null when nobody told. */
  readonly address: string | null;
  /** What they may do. */
  readonly scopes: ReadonlySet<Scope>;
}

/** Who may use which route, and how often. */
export class ApiGuard {
  readonly #keys: ApiKeys;
  readonly #config: LiveConfig;
  readonly #options: ResolvedApiOptions;
  readonly #limits: { readonly general: RateLimit; readonly request: RateLimit; readonly failed: RateLimit };

  readonly #draining: AbortSignal;

  constructor(options: ResolvedApiOptions, config: LiveConfig, clock: Clock, draining: AbortSignal) {
    this.#draining = draining;
    this.#options = options;
    this.#config = config;
    this.#keys = new ApiKeys(options.keys);
    this.#limits = {
      general: new RateLimit(clock),
      request: new RateLimit(clock),
      failed: new RateLimit(clock),
    };
  }

  meta(requestId: string): Meta {
    return { timestamp: new Date(this.#options.now()).toISOString(), requestId, version: apiVersion };
  }

  /**
   * Lets a request in and counts it.
   * @param scope null = everybody may, with and without a key
   * @throws ApiError UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, SHUTTING_DOWN
   */
  admit(request: ApiRequest, scope: Scope | null, limit: 'general' | 'request'): ApiClient {
    if (scope !== null && this.#draining.aborted) throw new ApiError('SHUTTING_DOWN');
    const address = this.#address(request);
    const from = `@${networkOf(address ?? '')}`;
    if (scope === null || this.#keys.size === 0) {
      this.#count(limit, from);
      return { key: null, address, scopes: scope === null ? nothing : everything };
    }
    // Before the key is looked at: who guesses learns nothing more until the minute is over.
    const { failedAuthPerMinute } = this.#options.rateLimits;
    refuseFor(this.#limits.failed.peek(from, failedAuthPerMinute));
    const holder = this.#keys.find(request.header('x-api-key'));
    if (holder === null) {
      this.#limits.failed.take(from, failedAuthPerMinute);
      throw new ApiError('UNAUTHORIZED', { headers: { 'www-authenticate': 'ApiKey' } });
    }
    this.#count(limit, holder.name);
    if (!holder.scopes.has(scope)) throw new ApiError('FORBIDDEN');
    return { key: holder.name, address, scopes: holder.scopes };
  }

  #count(limit: 'general' | 'request', client: string): void {
    const { perMinute, requestsPerMinute } = this.#config.rateLimits;
    refuseFor(this.#limits[limit].take(client, limit === 'general' ? perMinute : requestsPerMinute));
  }

  /** What the client itself says of its address is believed by nobody: only the last entry is the proxy's own. */
  #address(request: ApiRequest): string | null {
    if (!this.#options.trustProxy) return request.address;
    const last = request.header('x-forwarded-for')?.split(',').at(-1)?.trim();
    return last === undefined || last === '' ? request.address : last.slice(0, 64);
  }
}

/** Who has one address of IPv6 has its network of 64 bits, with as many addresses as they like. */
function networkOf(address: string): string {
  // An IPv4 client of a server that listens at `::`.
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = (canonicalIpv6(address) ?? address).split('::');
  const [first, last] = [head, tail].map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(Math.max(0, 8 - (first?.length ?? 0) - (last?.length ?? 0))).fill('0');
  return [...(first ?? []), ...zeros, ...(last ?? [])].slice(0, 4).join(':');
}

function refuseFor(waitMs: number): void {
  if (waitMs > 0) throw new ApiError('RATE_LIMITED', { retryAfterMs: waitMs });
}
