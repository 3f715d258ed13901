import { type BrowserPage, readResponse } from './crawlee-answer.js';
import type { Attempt } from './crawlee-attempt.js';
import type { Examiner } from './crawlee-examiner.js';
import { type HttpClientTargets, OF_ATTEMPT, watchedClient } from './crawlee-http-client.js';
import type { PersistState } from './crawlee-persist.js';
import type { CrawleeSession } from './crawlee-session.js';
import type { AdaptiveTimeouts } from './crawlee-timeouts.js';

/** What the hooks read of Crawlee's context; every part may be missing. */
interface HookContext {
  readonly request?: object;
  readonly response?: unknown;
  readonly session?: CrawleeSession;
  readonly page?: BrowserPage;
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
type Handler = (...args: unknown[]) => unknown;

/** Hooks that report what the request alone does not show: the answer, the time to first byte, the real proxy. */
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
  readonly examiner: Examiner;
  /** Null = Crawlee's own limits alone. */
  readonly timeouts: AdaptiveTimeouts | null;
  /** Null = there is nothing to keep when Crawlee says so. */
  readonly persist: PersistState | null;
  readonly http: HttpClientTargets;
}

/** What else is wrapped, beside the hooks. */
interface Wired {
  /** The handler: the body is looked at there. */
  readonly handler?: boolean;
  /** The HTTP client, which wants to know what a request is for. */
  readonly client?: boolean;
}

export function crawleeHooks(targets: HookTargets, wired: Wired = {}): CrawleeHooks {
  const { carriedBy, examiner, timeouts, persist } = targets;
  const find = finder(targets);
  const onError: ErrorHook = contained((context, error) => {
    const attempt = find(context);
    attempt?.end(error ?? new Error('unknown error'));
    const verdict = attempt?.lease.verdict;
    // A browser keeps the proxy that it was launched with: with its session, Crawlee retires it.
    if ((verdict === 'proxy' || verdict === 'auth') && context.page !== undefined)
      context.session?.retire?.();
  });
  return {
    preNavigationHooks: [
      contained((context, options) => {
        persist?.see(context);
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
        attempt.session = context.session;
        attempt.navigating();
        if (typeof options !== 'object' || options === null) return;
        if (wired.client === true && !('page' in context)) Object.assign(options, { [OF_ATTEMPT]: attempt });
        if (timeouts === null) return;
        attempt.patience?.stop();
        attempt.patience = timeouts.limit(attempt.lease.proxy.id, options, context.page !== undefined);
      }),
    ],
    postNavigationHooks: [
      contained((context) => {
        find(context)?.answered(readResponse(context.response));
      }),
      // Throws on purpose: neither a proxy's page nor a wall may reach the user's handler as if it were the target's.
      async (context) => {
        const attempt = find(context as HookContext);
        if (attempt === undefined) return;
        const problem = await examiner.answered(attempt, context, wired.handler === true);
        if (!attempt.watched) attempt.end(problem ?? undefined);
        if (problem !== null) throw problem;
      },
    ],
    errorHandler: onError,
    failedRequestHandler: onError,
  };
}

interface CrawlerHooks {
  httpClient?: unknown;
  preNavigationHooks?: readonly unknown[];
  postNavigationHooks?: readonly unknown[];
  requestHandler?: Handler;
  errorHandler?: Handler;
  failedRequestHandler?: Handler;
}

/** A copy of a crawler's options with the hooks around the user's own, and its HTTP client watched. */
export function wireHooks<T extends object>(options: T, targets: HookTargets): T {
  const own = options as CrawlerHooks;
  const { requestHandler } = own;
  const bodyFollows = typeof requestHandler === 'function';
  const httpClient = watchedClient(own.httpClient, targets.http);
  const hooks = crawleeHooks(targets, { handler: bodyFollows, client: httpClient !== undefined });
  const before = (hook: ErrorHook, next: Handler | undefined) =>
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
    ...(httpClient !== undefined && { httpClient }),
    ...(bodyFollows && { requestHandler: examined(requestHandler, targets) }),
  };
}

/** The user's handler, which a wall does not reach. A proxy object, because a router has members that Crawlee reads. */
function examined(handler: Handler, targets: HookTargets): Handler {
  const find = finder(targets);
  const examine = (context: HookContext): Error | null => {
    try {
      const attempt = find(context);
      return attempt === undefined ? null : targets.examiner.handed(attempt, context);
    } catch {
      return null;
    }
  };
  return new Proxy(handler, {
    apply(target, self, args: unknown[]) {
      const problem = examine(args[0] as HookContext);
      if (problem !== null) throw problem;
      return Reflect.apply(target, self, args) as unknown;
    },
  });
}

function finder({ attemptOf }: HookTargets): (context: HookContext) => Attempt | undefined {
  return (context) =>
    typeof context?.request === 'object' && context.request !== null ? attemptOf(context.request) : undefined;
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
