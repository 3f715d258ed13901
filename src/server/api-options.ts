import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { z } from '@hono/zod-openapi';
import type { Timers } from '../core/clock.js';
import { OptionsError } from '../errors.js';
import { nodeTimers } from '../transport/node-timers.js';

/** What a key may be used for; `admin` includes the others. */
export type Scope = 'read' | 'request' | 'admin';

/** A key of the API. */
export interface ApiKey {
  /** Stands for the key in logs: letters, digits and `. _ -`, 1 to 64 of them. */
  readonly name: string;
  /** What clients send in `X-API-Key`: 32 to 256 printable ASCII characters, made by chance. */
  readonly key: string;
  /** @default ['read', 'request', 'admin'] */
  readonly scopes?: readonly Scope[];
}

/** Requests of one client in a minute: of one key, or without keys of one address. */
export interface RateLimits {
  /** All routes but `/request`. @default 100 */
  readonly perMinute?: number;
  /** `POST /request`. @default 50 */
  readonly requestsPerMinute?: number;
  /** Requests of one address without a valid key. @default 10 */
  readonly failedAuthPerMinute?: number;
}

/** What `PUT /config` may change, and what it is asked to keep. */
export interface ApiConfig {
  readonly strategy: string;
  /** Seconds. */
  readonly timeout: number;
  readonly maxRetries: number;
  readonly rateLimits: { readonly perMinute: number; readonly requestsPerMinute: number };
}

/** Some of {@link ApiConfig}. */
export type ConfigChange = {
  readonly [K in keyof ApiConfig]?:
    | (ApiConfig[K] extends object
        ? { readonly [L in keyof ApiConfig[K]]?: ApiConfig[K][L] | undefined }
        : ApiConfig[K])
    | undefined;
};

/** @param changed what clients have changed of it since the start */
export type SaveConfig = (config: ApiConfig, changed: ConfigChange) => Promise<void>;

/** Options of `createApp()`. Unknown keys are an error. */
export interface ApiOptions {
  /** Without any, everybody who reaches the API may use all of it. @default [] */
  readonly keys?: readonly ApiKey[];
  /** Host names that it answers for, besides localhost, 127.0.0.1 and [::1]; without ports. @default [] */
  readonly hosts?: readonly string[];
  /** Origins of web pages that may use the API, as `https://example.com`. @default [] */
  readonly origins?: readonly string[];
  readonly rateLimits?: RateLimits;
  /** Takes the client's address from the last entry of `X-Forwarded-For`. Behind a proxy of your own only. @default false */
  readonly trustProxy?: boolean;
  /** Of a request, in bytes. @default 1048576 */
  readonly maxBodyBytes?: number;
  /** Of what `POST /request` brings back, in bytes. @default 10485760 */
  readonly maxResponseBytes?: number;
  /** For `POST /request` without one, in seconds; at most 300. @default 30 */
  readonly timeout?: number;
  /** Further proxies that `POST /request` may try, 0 to 10; the engine tries ten proxies at most. @default 2 */
  readonly maxRetries?: number;
  /** Targets in private networks that `POST /request` may reach: all, or addresses and CIDR blocks. @default false */
  readonly allowPrivateTargets?: boolean | readonly string[];
  /** Ports of targets; null = all. @default null */
  readonly targetPorts?: readonly number[] | null;
  /** Lets `POST /proxies` add proxies in private networks: all, or addresses and CIDR blocks. @default false */
  readonly allowPrivateProxies?: boolean | readonly string[];
  /** Clients that may follow `GET /events` at the same time. @default 100 */
  readonly maxEventClients?: number;
  /** Told of each change and each unexpected error: one line of JSON without a line break. @default none */
  readonly log?: ((line: string) => void) | null;
  /** Keeps the configuration when `PUT /config` is asked to; what it throws takes the change back. @default none */
  readonly saveConfig?: SaveConfig | null;
  /** Wall clock in ms since 1970. @default Date.now */
  readonly now?: () => number;
  /** Resolves names of targets and proxies, to refuse those that lead into private networks. @default dns.lookup */
  readonly lookup?: LookupFunction;
  /** Of look-ups and event streams. @default Node's */
  readonly timers?: Timers;
  /** @default crypto.randomUUID */
  readonly newRequestId?: () => string;
}

type Filled<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

export type ResolvedApiOptions = Omit<Filled<ApiOptions>, 'rateLimits' | 'keys'> & {
  readonly keys: readonly Filled<ApiKey>[];
  readonly rateLimits: Filled<RateLimits>;
};

const count = z.int().positive();
const hostName = z
  .string()
  .regex(/^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/i, 'must be a host name without a port')
  .transform((name) => name.toLowerCase());
const fn = <F>(): z.ZodType<F> =>
  z.custom<F>((value) => typeof value === 'function', { error: 'must be a function' });
const addresses = z.union([z.boolean(), z.array(z.string().min(1))], {
  error: 'must be true, false, or addresses and CIDR blocks',
});

export const configLimits: {
  readonly timeout: z.ZodNumber;
  readonly maxRetries: z.ZodInt;
  readonly perMinute: z.ZodInt;
} = {
  timeout: z.number().positive().max(300),
  maxRetries: z.int().min(0).max(10),
  perMinute: z.int().min(1).max(1_000_000),
};

const schema = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits and . _ -'),
        key: z
          .string()
          .regex(/^[!-~]{32,256}$/, 'must be 32 to 256 printable ASCII characters, without spaces'),
        scopes: z
          .array(z.enum(['read', 'request', 'admin']))
          .min(1)
          .default(['read', 'request', 'admin']),
      }),
    )
    .default([])
    .refine((keys) => new Set(keys.map(({ name }) => name)).size === keys.length, {
      error: 'must have names that differ',
    }),
  hosts: z.array(hostName).default([]),
  origins: z
    .array(
      z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text, {
        error: 'must be an origin, as https://example.com',
      }),
    )
    .default([]),
  rateLimits: z
    .strictObject({
      perMinute: configLimits.perMinute.default(100),
      requestsPerMinute: configLimits.perMinute.default(50),
      failedAuthPerMinute: configLimits.perMinute.default(10),
    })
    .prefault({}),
  trustProxy: z.boolean().default(false),
  maxBodyBytes: count.default(1_048_576),
  maxResponseBytes: count.default(10_485_760),
  timeout: configLimits.timeout.default(30),
  maxRetries: configLimits.maxRetries.default(2),
  allowPrivateTargets: addresses.default(false),
  targetPorts: z.array(z.int().min(1).max(65_535)).nullable().default(null),
  allowPrivateProxies: addresses.default(false),
  maxEventClients: count.default(100),
  log: fn<(line: string) => void>().nullable().default(null),
  saveConfig: fn<SaveConfig>().nullable().default(null),
  now: fn<() => number>().default(() => Date.now),
  lookup: fn<LookupFunction>().default(() => lookup),
  timers: z.custom<Timers>((value) => typeof value === 'object' && value !== null).default(() => nodeTimers),
  newRequestId: fn<() => string>().default(() => randomUUID),
});

/** Names of the options, for the documentation test. */
export const apiOptionNames: readonly string[] = Object.keys(schema.shape);

/** @throws OptionsError that names every option that is unknown or breaks its rule, and never repeats a value */
export function resolveApiOptions(options: ApiOptions): ResolvedApiOptions {
  const result = schema.safeParse(options);
  if (result.success) return Object.freeze(result.data) as ResolvedApiOptions;
  throw new OptionsError(
    result.error.issues.flatMap((issue) => {
      const path = issue.path.map(String).join('.') || 'options';
      if (issue.code !== 'unrecognized_keys') return [{ path, rule: issue.message }];
      return issue.keys.map((key) => ({
        path: /^\w{1,64}$/.test(key) ? key : path,
        rule: 'is no option of the API',
      }));
    }),
  );
}
