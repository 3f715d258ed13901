import { isProxyPage } from '../transport/classify.js';
import { parseRetryAfter } from '../transport/retry-after.js';
import type { Attempt, Seen } from './crawlee-attempt.js';

/** What the hooks read of Crawlee's context; every part may be missing. */
interface HookContext {
  readonly request?: object;
  readonly response?: unknown;
  readonly browserController?: {
    readonly proxyUrl?: string;
    readonly launchContext?: {
      readonly proxyUrl?: string;
      readonly useIncognitoPages?: boolean;
      readonly experimentalContainers?: boolean;
    };
  };
}

type Hook = (context: object, ...rest: readonly unknown[]) => Promise<void>;
type ErrorHook = (context: object, error?: unknown) => Promise<void>;

/** Hooks that report what the request alone does not show: the status, the time to first byte, the real proxy. */
export interface CrawleeHooks {
  /** Last before navigation, so that latency starts where the user's own hooks end. */
  readonly preNavigationHooks: Hook[];
  /** First after navigation. */
  readonly postNavigationHooks: Hook[];
  readonly errorHandler: ErrorHook;
  readonly failedRequestHandler: ErrorHook;
}

export interface HookTargets {
  attemptOf(request: object): Attempt | undefined;
  /** A browser that was launched with the proxy at this URL carries the attempt. */
  carriedBy(attempt: Attempt, proxyUrl: string): void;
}

export function crawleeHooks({ attemptOf, carriedBy }: HookTargets): CrawleeHooks {
  const find = (context: HookContext): Attempt | undefined =>
    typeof context?.request === 'object' && context.request !== null ? attemptOf(context.request) : undefined;
  const onError: ErrorHook = contained((context, error) =>
    find(context)?.end(error ?? new Error('unknown error')),
  );
  return {
    preNavigationHooks: [
      contained((context) => {
        const attempt = find(context);
        if (attempt === undefined) return;
        const url = browserProxyUrl(context);
        if (url !== undefined) carriedBy(attempt, url);
        attempt.look = () => {
          try {
            return readResponse(context.response);
          } catch {
            return {};
          }
        };
        attempt.navigating();
      }),
    ],
    postNavigationHooks: [
      contained((context) => {
        const attempt = find(context);
        if (attempt === undefined) return;
        const seen = readResponse(context.response);
        attempt.answered(seen);
        if (!attempt.watched) attempt.end();
      }),
      // Throws on purpose: the page of a proxy must never reach the user's handler as if it were the target's.
      async (context) => {
        const attempt = find(context as HookContext);
        const status = attempt && readResponse((context as HookContext).response).status;
        if (attempt !== undefined && status !== undefined && isProxyPage(status, attempt.plainHttp)) {
          throw new Error(`Proxy responded with ${status} in place of the target.`);
        }
      },
    ],
    errorHandler: onError,
    failedRequestHandler: onError,
  };
}

interface CrawlerHooks {
  preNavigationHooks?: readonly unknown[];
  postNavigationHooks?: readonly unknown[];
  errorHandler?: (...args: unknown[]) => unknown;
  failedRequestHandler?: (...args: unknown[]) => unknown;
}

/** A copy of a crawler's options with the hooks around the user's own. */
export function wireHooks<T extends object>(options: T, hooks: CrawleeHooks): T {
  const own = options as CrawlerHooks;
  const before = (hook: ErrorHook, next: CrawlerHooks['errorHandler']) =>
    async function (this: unknown, ...args: unknown[]): Promise<unknown> {
      await hook(args[0] as object, args[1]);
      return next?.apply(this, args);
    };
  return {
    ...options,
    preNavigationHooks: [...(own.preNavigationHooks ?? []), ...hooks.preNavigationHooks],
    postNavigationHooks: [...hooks.postNavigationHooks, ...(own.postNavigationHooks ?? [])],
    errorHandler: before(hooks.errorHandler, own.errorHandler),
    failedRequestHandler: before(hooks.failedRequestHandler, own.failedRequestHandler),
  };
}

/** Observation must not break what it observes: whatever goes wrong in a hook is dropped. */
function contained(hook: (context: HookContext, extra?: unknown) => void): Hook {
  return async (context, extra) => {
    try {
      hook(context as HookContext, extra);
    } catch {
      // Reporting is lost for this attempt; its lease ends when the request does.
    }
  };
}

/** URL of the proxy that the browser was launched with; undefined where each page has its own, or without a browser. */
function browserProxyUrl({ browserController }: HookContext): string | undefined {
  const launch = browserController?.launchContext;
  if (launch === undefined || launch.useIncognitoPages === true || launch.experimentalContainers === true)
    return;
  return browserController?.proxyUrl ?? launch.proxyUrl;
}

/** Status, time to first byte and Retry-After in ms, of got's response and of a browser's. */
function readResponse(response: unknown): Seen {
  if (typeof response !== 'object' || response === null) return {};
  const { status, statusCode, headers, timings, request } = response as {
    status?: unknown;
    statusCode?: unknown;
    headers?: unknown;
    timings?: { start?: number; response?: number };
    request?: unknown;
  };
  const code = typeof status === 'function' ? (status.call(response) as unknown) : statusCode;
  const fields = typeof headers === 'function' ? (headers.call(response) as unknown) : headers;
  const retryAfter = (fields as Record<string, unknown> | undefined)?.['retry-after'];
  const retryAfterMs = typeof retryAfter === 'string' ? parseRetryAfter(retryAfter, Date.now()) : null;
  const first = typeof request === 'function' ? browserTiming(request.call(response)) : gotTiming(timings);
  return {
    ...(typeof code === 'number' && { status: code }),
    ...(first !== undefined && first > 0 && { latencyMs: first }),
    ...(retryAfterMs !== null && { retryAfterMs }),
  };
}

function gotTiming(timings: { start?: number; response?: number } | undefined): number | undefined {
  const { start, response } = timings ?? {};
  return start === undefined || response === undefined ? undefined : response - start;
}

/** Playwright gives ms since the start of the request, -1 where it does not know; Puppeteer has no `timing()` here. */
function browserTiming(request: unknown): number | undefined {
  const { timing } = (request ?? {}) as { timing?: unknown };
  if (typeof timing !== 'function') return undefined;
  const { responseStart } = timing.call(request) as { responseStart?: number };
  return responseStart;
}
