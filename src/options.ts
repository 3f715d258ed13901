import { z } from 'zod';
import type { Clock, Random } from './core/clock.js';
import type { Proxy } from './core/proxy.js';
import type { UserClassify } from './core/user-classify.js';
import { type OptionIssue, OptionsError } from './errors.js';
import type { CheckTarget } from './health/check-target.js';
import type { SourceSpec } from './sources/spec.js';
import type { StrategySpec } from './strategies/strategy.js';

/** When the breaker of a proxy opens and how it comes back. */
export interface BreakerOptions {
  /** Proxy faults in a row that open it. @default 5 */
  threshold?: number;
  /** Opens it as well: share of the results of late that are faults, by weight; 0..1, 0 = never. @default 0.5 */
  rateShare?: number;
  /** Time in ms over which that share is taken. @default 30000 */
  rateWindowMs?: number;
  /** Results that it must rest on, within that time. @default 10 */
  rateResults?: number;
  /** First open time in ms; doubles with each reopening, plus up to half of itself by chance. @default 10000 */
  openMs?: number;
  /** Cap of the open time in ms, before chance. @default 300000 */
  maxOpenMs?: number;
  /** How long the one probe of a half-open breaker may stay unsettled, in ms. @default 60000 */
  probeMs?: number;
  /** Probes in a row that must succeed. @default 2 */
  probeSuccesses?: number;
  /** Time in ms over which the share of a proxy that came back grows from a tenth to all; 0 = none. @default 30000 */
  warmingMs?: number;
}

/** How long a proxy stays away from a host that banned it. */
export interface BanOptions {
  /** First cooldown of a (proxy, host) pair in ms; doubles with each ban in a row. @default 30000 */
  cooldownMs?: number;
  /** Cap of the cooldown in ms, before chance. @default 900000 */
  maxCooldownMs?: number;
  /** Pairs that are remembered; the oldest ban is forgotten first. @default 100000 */
  maxPairs?: number;
}

/** When so much of the pool fails at once that it is rather our own network than the proxies. */
export interface PanicOptions {
  /** It begins below this share of proxies that may serve, or below two of them; 0..1, 0 = never. @default 0.1 */
  share?: number;
  /** Time in ms within which half of the pool must have opened, without a success in between. @default 10000 */
  windowMs?: number;
}

/** What a group of proxies may carry or cost until nothing new goes to them: either `bytes` or `cost`. */
export interface BudgetOptions {
  /** In bytes, both directions, with all overhead. @default none */
  bytes?: number;
  /** In the unit of `cost` of the proxies, which is the price of 10^9 bytes then. @default none */
  cost?: number;
  /** For proxies with this tag. @default all */
  tag?: string;
  /** For proxies of the source with this name. @default all */
  source?: string;
  /** It starts anew so many seconds after its first byte; null = never. @default null */
  windowSeconds?: number | null;
}

/** Active checks: which proxies work is found out beside the traffic. */
export interface HealthOptions {
  /** What a check asks for. Without it nothing is checked. @default none */
  check?: CheckTarget;
  /** From one round to the next in ms, 1000 to a day; each is up to a fifth shorter or longer. @default 30000 */
  intervalMs?: number;
  /** Checks at the same time. @default 10 */
  concurrency?: number;
  /** Failed checks in a row that take a proxy out, if another one passed meanwhile. @default 3 */
  fall?: number;
  /** Passed checks in a row that bring it back. @default 2 */
  rise?: number;
  /** One check in ms, that of the judge included. @default 10000 */
  timeoutMs?: number;
}

/** What is kept for the next run. */
export interface CacheOptions {
  /** Directory of what is kept on disk; made for the owner alone (0700). @default '.cache/proxywhirl' */
  dir?: string;
  /** Where it is kept besides memory. @default ['sqlite'] */
  tiers?: readonly ('file' | 'sqlite')[];
  /** How long a proxy is remembered after it was last listed, in seconds, 60 or more. @default 3600 */
  ttlSeconds?: number;
  /** How often expired entries are deleted, in seconds, 10 to 60. @default 60 */
  sweepSeconds?: number;
  /** Most entries of each tier; null = as many as there is room for. */
  maxEntries?: {
    /** @default 1000 */
    memory?: number;
    /** @default 5000 */
    file?: number | null;
    /** @default null */
    sqlite?: number | null;
  };
  /** Proxy faults in a row after which a proxy of a source leaves the cache; null = never. @default 3 */
  healthThreshold?: number | null;
  /**
   * File with the keys for credentials, one per line, for its owner only (0600). Read when
   * `PROXYWHIRL_CACHE_ENCRYPTION_KEY` is not set; without either, credentials are not kept. @default null
   */
  keyFile?: string | null;
}

/** Options of `createRotator()`. Unknown keys are an error. */
export interface RotatorOptions {
  /** Proxy lines (`http://user:pass@host:port`, `host:port:user:pass`, ...) or parsed proxies. @default [] */
  proxies?: readonly (string | Proxy)[];
  /** Who is chosen: a name, a name with settings, or a strategy of your own. @default 'round-robin' */
  strategy?: StrategySpec;
  /** Serves when the strategy lacks data or throws; null = its error is thrown. @default 'round-robin' */
  fallback?: StrategySpec | null;
  /** Leaves out proxies whose mean latency is known to be above, in ms; null = none. @default null */
  maxResponseTimeMs?: number | null;
  /** Leaves out proxies whose share of successes is known to be below, 0..1; null = none. @default null */
  minSuccessRate?: number | null;
  breaker?: BreakerOptions;
  ban?: BanOptions;
  panic?: PanicOptions;
  /**
   * What groups of proxies may carry or cost. At 80 % and at 100 % there is an event `budget`; from then on nothing new
   * goes to these proxies, and what is on its way ends. @default []
   */
  budgets?: readonly BudgetOptions[];
  /** Weight of the newest latency in the moving average, above 0 and below 1. @default 0.2 */
  emaAlpha?: number;
  /** Sliding window of the request counts in seconds, at most 86400. @default 3600 */
  windowSeconds?: number;
  /** A session ends after so many idle seconds. @default 1800 */
  sessionTimeoutSeconds?: number;
  /** A session ends at this age in seconds; null = never. @default null */
  sessionMaxAgeSeconds?: number | null;
  /** Sessions that are kept; beyond, the least recently used ends. @default 100000 */
  maxSessions?: number;
  /** Monotonic time in ms. @default performance.now() */
  clock?: Clock;
  /** Random numbers in [0, 1). @default Math.random */
  random?: Random;
}

/** What happens when no proxy can be chosen. */
export type OnEmpty = 'fail' | 'wait' | 'direct';

/** What happens to a page with which a site turns a proxy away. */
export type OnBlocked = 'retry' | 'report';

/** Options of `proxywhirl()`. Unknown keys are an error. */
export interface ProxyWhirlOptions extends RotatorOptions {
  /**
   * Proxy lines (`http://user:pass@host:port`, `host:port:user:pass`, ...) or parsed proxies. May be empty only where
   * there are `sources`. @default []
   */
  proxies?: readonly (string | Proxy)[];
  /**
   * Where more proxies come from, again and again: the URL of a list, the path of a file, or a source of
   * `proxywhirl/sources` with settings. @default []
   */
  sources?: readonly SourceSpec[];
  /**
   * When no proxy can be chosen: `fail` the attempt, `wait` up to `waitMs` for one, or go `direct`, which shows
   * the machine's own address to the target. @default 'fail'
   */
  onEmpty?: OnEmpty;
  /** Longest wait of `onEmpty: 'wait'` in ms. @default 30000 */
  waitMs?: number;
  /**
   * One browser per proxy in Crawlee's default browser mode, so that the proxy that is named is the one that
   * carried the request. Switch it off only with `useIncognitoPages`. @default true
   */
  browserAffinity?: boolean;
  /** Attempts per URL that may fail by a proxy's fault without costing one of Crawlee's retries. @default 10 */
  freeRetries?: number;
  /**
   * Under Crawlee, with `wire()` or `hooks`: gives up on a proxy that takes much longer than it usually does, instead of
   * waiting for `navigationTimeoutSecs`. `whirl.fetch` does so in any case. @default false
   */
  adaptiveTimeouts?: boolean;
  /**
   * Under Crawlee, with `wire()` or `hooks`: `retry` a page that turns the proxy away through another one, or let the
   * handler have it and `report` the ban. @default 'retry'
   */
  onBlocked?: OnBlocked;
  /**
   * Your own rule, asked about every answer before the built-in ones: a verdict, or undefined for no opinion. It is
   * synchronous; what it throws breaks no request. @default none
   */
  classify?: UserClassify;
  /**
   * `whirl.fetch` sends a GET or HEAD that takes longer than 95 of 100 answers through a second proxy as well, and takes
   * the answer that comes first; 5 % more requests at most. Proxies may bill the bytes of both. @default false
   */
  hedge?: boolean;
  health?: HealthOptions;
  /** Keeps what was learned for the next run: false, true = with the defaults, or settings. @default false */
  cache?: boolean | CacheOptions;
}

type Filled<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

export type ResolvedRotatorOptions = Omit<
  Filled<RotatorOptions>,
  'breaker' | 'ban' | 'panic' | 'clock' | 'random'
> & {
  readonly breaker: Filled<BreakerOptions>;
  readonly ban: Filled<BanOptions>;
  readonly panic: Filled<PanicOptions>;
  readonly clock?: Clock;
  readonly random?: Random;
};

export type ResolvedOptions = ResolvedRotatorOptions &
  Filled<
    Pick<
      ProxyWhirlOptions,
      | 'sources'
      | 'onEmpty'
      | 'waitMs'
      | 'browserAffinity'
      | 'freeRetries'
      | 'adaptiveTimeouts'
      | 'onBlocked'
      | 'hedge'
    >
  > & {
    readonly classify?: UserClassify | undefined;
    readonly health: Filled<Omit<HealthOptions, 'check'>> & { readonly check?: CheckTarget | undefined };
    readonly cache?: ResolvedCacheOptions | undefined;
  };

export type ResolvedCacheOptions = Omit<Filled<CacheOptions>, 'maxEntries'> & {
  readonly maxEntries: Filled<NonNullable<CacheOptions['maxEntries']>>;
};

const milliseconds = z.number().positive();
const count = z.int().positive();

const strategySpec: z.ZodType<StrategySpec> = z.union(
  [
    z.string().min(1),
    z.custom<StrategySpec>((value) => typeof (value as { choose?: unknown } | null)?.choose === 'function'),
    z.looseObject({ name: z.string().min(1) }),
  ],
  { error: 'must be a name, an object with a name, or a strategy' },
);

const httpUrl = z
  .string()
  .refine(isHttpUrl, { error: 'must be an absolute http or https URL without credentials' });

const health = z.strictObject({
  check: z
    .strictObject({
      url: httpUrl,
      token: z.string().min(1).optional(),
      expectStatus: z.int().min(200).max(999).default(200),
      judge: z
        .union([z.boolean(), z.strictObject({ url: httpUrl })], { error: 'must be a boolean or { url }' })
        .default(false),
      ownAddress: z.union([z.ipv4(), z.ipv6()], { error: 'must be an IP address' }).optional(),
    })
    .optional(),
  // A pool of one that is down is asked once a second at most.
  intervalMs: z.int().min(1_000).max(86_400_000).default(30_000),
  concurrency: count.default(10),
  fall: count.default(3),
  rise: count.default(2),
  timeoutMs: count.default(10_000),
});

const cache = z
  .strictObject(
    {
      dir: z.string().min(1).default('.cache/proxywhirl'),
      tiers: z.array(z.enum(['file', 'sqlite'])).default(['sqlite']),
      ttlSeconds: z.int().min(60).max(1_000_000_000).default(3600),
      sweepSeconds: z.int().min(10).max(60).default(60),
      maxEntries: z
        .strictObject({
          memory: count.default(1_000),
          file: count.nullable().default(5_000),
          sqlite: count.nullable().default(null),
        })
        .prefault({}),
      healthThreshold: count.max(1_000_000).nullable().default(3),
      keyFile: z.string().min(1).nullable().default(null),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a boolean or an object' : undefined) },
  )
  .optional();

const source: z.ZodType<SourceSpec> = z.custom<SourceSpec>(
  (value) => (typeof value === 'string' && value !== '') || value instanceof URL || isSource(value),
  { error: 'must be a URL, the path of a file, or a source' },
);

const rotatorShape = {
  proxies: z.array(z.unknown()).default([]),
  strategy: strategySpec.default('round-robin'),
  fallback: strategySpec.nullable().default('round-robin'),
  maxResponseTimeMs: milliseconds.nullable().default(null),
  minSuccessRate: z.number().min(0).max(1).nullable().default(null),
  breaker: z
    .strictObject({
      threshold: z.number().positive().default(5),
      rateShare: z.number().min(0).max(1).default(0.5),
      rateWindowMs: milliseconds.default(30_000),
      rateResults: count.default(10),
      openMs: milliseconds.default(10_000),
      maxOpenMs: milliseconds.default(300_000),
      probeMs: milliseconds.default(60_000),
      probeSuccesses: count.default(2),
      warmingMs: z.number().nonnegative().default(30_000),
    })
    .prefault({}),
  ban: z
    .strictObject({
      cooldownMs: milliseconds.default(30_000),
      maxCooldownMs: milliseconds.default(900_000),
      maxPairs: count.default(100_000),
    })
    .prefault({}),
  panic: z
    .strictObject({
      share: z.number().min(0).max(1).default(0.1),
      windowMs: milliseconds.default(10_000),
    })
    .prefault({}),
  budgets: z
    .array(
      z
        .strictObject({
          bytes: z.number().positive().optional(),
          cost: z.number().positive().optional(),
          tag: z.string().min(1).optional(),
          source: z.string().min(1).optional(),
          windowSeconds: z.number().positive().nullable().default(null),
        })
        .refine(({ bytes, cost }) => (bytes === undefined) !== (cost === undefined), {
          error: 'must have either bytes or cost',
        }),
    )
    .default([]),
  emaAlpha: z.number().gt(0).lt(1).default(0.2),
  windowSeconds: z.number().positive().max(86_400).default(3600),
  sessionTimeoutSeconds: z.number().positive().default(1800),
  sessionMaxAgeSeconds: z.number().positive().nullable().default(null),
  maxSessions: count.default(100_000),
  clock: z
    .custom<Clock>((value) => typeof (value as { now?: unknown } | null)?.now === 'function', {
      error: 'must be an object with now(): number',
    })
    .optional(),
  random: z
    .custom<Random>((value) => typeof value === 'function', { error: 'must be a function' })
    .nullable()
    .default(null),
};

const rotatorSchema = z.strictObject(rotatorShape);
const schema = z.strictObject({
  ...rotatorShape,
  sources: z.array(source).default([]),
  onEmpty: z.enum(['fail', 'wait', 'direct']).default('fail'),
  waitMs: milliseconds.default(30_000),
  browserAffinity: z.boolean().default(true),
  freeRetries: z.int().nonnegative().default(10),
  adaptiveTimeouts: z.boolean().default(false),
  onBlocked: z.enum(['retry', 'report']).default('retry'),
  classify: z
    .custom<UserClassify>((value) => typeof value === 'function', { error: 'must be a function' })
    .optional(),
  hedge: z.boolean().default(false),
  health: health.prefault({}),
  cache: z
    .preprocess((given) => (given === true ? {} : given === false ? undefined : given), cache)
    .optional(),
});

/** @throws OptionsError that lists every option that is unknown or breaks its rule */
export function resolveRotatorOptions(options: RotatorOptions): ResolvedRotatorOptions {
  return parse(rotatorSchema, options) as ResolvedRotatorOptions;
}

/** @throws OptionsError that lists every option that is unknown or breaks its rule */
export function resolveOptions(options: ProxyWhirlOptions): ResolvedOptions {
  const resolved = parse(schema, options) as ResolvedOptions;
  if (resolved.proxies.length === 0 && resolved.sources.length === 0)
    throw new OptionsError([
      { path: 'proxies', rule: 'must hold at least one proxy, or there must be sources' },
    ]);
  return resolved;
}

/** Dotted names of all options, for the documentation test. */
export function optionNames(shape: Readonly<Record<string, unknown>> = schema.shape): string[] {
  return Object.entries(shape).flatMap(([name, field]) => {
    const inner = unwrapped(field);
    const names =
      inner instanceof z.ZodObject ? optionNames(inner.shape).map((key) => `${name}.${key}`) : [name];
    // What may be a boolean instead of its settings.
    return names[0] !== name && isPiped(field) ? [name, ...names] : names;
  });
}

/** What is inside of defaults and conversions. */
function unwrapped(field: unknown): unknown {
  if (field instanceof z.ZodPrefault || field instanceof z.ZodOptional) return unwrapped(field.unwrap());
  return field instanceof z.ZodPipe ? unwrapped(field.out) : field;
}

function isPiped(field: unknown): boolean {
  return field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodPipe;
}

function isSource(value: unknown): boolean {
  const { name, settings, load } = (value ?? {}) as Partial<Record<string, unknown>>;
  return (
    typeof name === 'string' && name !== '' && typeof load === 'function' && typeof settings === 'object'
  );
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '';
}

/** The issue of a key that is no option. One that is no name either is not repeated: it may be a misplaced URL. */
export function unknownOption(path: string, key: string): OptionIssue {
  const name = /^[A-Za-z_$][\w$]{0,63}$/.test(key) ? key : '(a key that is no name)';
  return { path: path === '' ? name : `${path}.${name}`, rule: 'is no option' };
}

function parse(shape: z.ZodType, options: unknown): unknown {
  const result = shape.safeParse(options);
  if (result.success) return Object.freeze(result.data);
  throw new OptionsError(result.error.issues.flatMap(describe));
}

/** Says path and rule and, for a wrong type, the type: never the value, which may be a credential. */
function describe(issue: z.core.$ZodIssue): OptionIssue[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownOption(path, key));
  }
  return [{ path: path === '' ? 'options' : path, rule: issue.message }];
}
