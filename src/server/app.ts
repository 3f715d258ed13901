/**
 * The REST API: `createApp({ whirl })` is a function from Request to Response; `serve()` puts it on a port.
 *
 * A request passes: host and origin (request-rules.ts), the router, the guard (api-guard.ts: key, scope, rate), the
 * body (read-body.ts: type, size, shape), the schemas of its route (api-route.ts), its handler (routes/). What any of
 * them throws becomes the answer (api-error.ts), and every JSON answer is in the envelope (envelope.ts).
 *
 * A file of routes/ exports one function `(api, context) => void` that calls `addRoute(api, context, spec, handler)`
 * for each of its routes; `spec` has the method, the path, the scope, the zod schemas and an example, and the handler
 * `(input, call) => data` returns what goes into the envelope.
 */
import type { ApiContext, ApiWhirl } from './api-context.js';
import { ApiError, toApiError } from './api-error.js';
import { ApiGuard } from './api-guard.js';
import { logLine } from './api-log.js';
import { type ApiOptions, type ResolvedApiOptions, resolveApiOptions } from './api-options.js';
import { type ApiReply, type ApiRequest, fromFetch, jsonType, replyOf, toFetch } from './api-request.js';
import type { ApiRoutes } from './api-route.js';
import { ApiRouter } from './api-router.js';
import { ApiTraffic } from './api-traffic.js';
import { compress, wantsGzip } from './compress.js';
import { failure } from './envelope.js';
import { LiveConfig } from './live-config.js';
import { newRegistry } from './openapi.js';
import { RequestRules } from './request-rules.js';
import { addConfigRoutes } from './routes/config.js';
import { addDocumentRoutes } from './routes/document.js';
import { addEventRoutes } from './routes/events.js';
import { addMonitoringRoutes } from './routes/monitoring.js';
import { addProxyRoutes } from './routes/proxies.js';
import { addRequestRoutes } from './routes/request.js';

/** Where a request came from. */
export interface ApiPeer {
  /** Address of the socket. */
  readonly address?: string | null;
}

/** The API as a function. It answers every request, and never throws. */
export interface ApiApp {
  (request: Request, peer?: ApiPeer): Promise<Response>;
  /** Ends the streams and lets go of the engine, which stays open: it is not the API's. */
  close(): void;
}

/** What `serve()` knows of an app beyond the function. */
export interface ApiParts {
  readonly handle: (request: ApiRequest) => Promise<ApiReply>;
  readonly context: ApiContext;
  readonly rules: RequestRules;
  /** /ready says no from now on, other routes too, and streams end. */
  drain(): void;
  close(): void;
}

/** Where all routes are. */
const basePath = '/api/v1';

/**
 * @throws OptionsError when an option is unknown or breaks its rule
 * @example
 * const app = createApp({ whirl: proxywhirl({ proxies: ['http://203.0.113.7:8000'] }) });
 * const answer = await app(new Request('http://localhost/api/v1/health'));
 */
export function createApp(options: ApiOptions & { readonly whirl: ApiWhirl }): ApiApp {
  const { whirl, ...rest } = options;
  const { handle, close } = buildApp(whirl, resolveApiOptions(rest));
  const app = async (request: Request, { address = null }: ApiPeer = {}): Promise<Response> =>
    toFetch(await handle(fromFetch(request, address)));
  return Object.assign(app, { close });
}

export function buildApp(whirl: ApiWhirl, options: ResolvedApiOptions): ApiParts {
  const { rotator } = whirl;
  const draining = new AbortController();
  const traffic = new ApiTraffic(rotator, options.now);
  const config = new LiveConfig(rotator, options);
  const guard = new ApiGuard(options, config, rotator.clock, draining.signal);
  const rules = new RequestRules(options);
  const context: ApiContext = {
    whirl,
    rotator,
    options,
    config,
    clock: rotator.clock,
    traffic,
    guard,
    listeners: [],
    draining: draining.signal,
    log: (event, data) => options.log?.(logLine(event, new Date(options.now()).toISOString(), data)),
  };
  const router = new ApiRouter();
  const { registry, document } = newRegistry();
  const api: ApiRoutes = {
    registry,
    add: (method, path, run) => router.add(method, `${basePath}${path}`, run),
  };
  addRequestRoutes(api, context);
  addProxyRoutes(api, context);
  addEventRoutes(api, context);
  addMonitoringRoutes(api, context);
  addConfigRoutes(api, context);
  addDocumentRoutes({ router, guard, basePath, document });

  const failed = (thrown: unknown, requestId: string): ApiReply => {
    const error = toApiError(thrown);
    if (error.code === 'INTERNAL')
      context.log('error', { requestId, error: error.cause instanceof Error ? error.cause.name : 'unknown' });
    const retry = error.retryAfter === null ? {} : { 'retry-after': String(error.retryAfter) };
    const text = JSON.stringify(failure(error, guard.meta(requestId)));
    return replyOf(error.status, jsonType, text, { ...error.headers, ...retry });
  };
  const answer = (request: ApiRequest, requestId: string): Promise<ApiReply> => {
    const { method, path } = request;
    const found = router.find(method === 'HEAD' ? 'GET' : method, path);
    if (found !== null) return found.run(request, found.params(), requestId);
    guard.admit(request, null, 'general');
    const allow = router.methods(path);
    throw allow.length === 0
      ? new ApiError('NOT_FOUND')
      : new ApiError('METHOD_NOT_ALLOWED', { headers: { allow: allow.join(', ') } });
  };

  const handle = async (request: ApiRequest): Promise<ApiReply> => {
    const requestId = options.newRequestId();
    let origin: string | null = null;
    let reply: ApiReply;
    try {
      origin = rules.check(request);
      reply =
        origin !== null && request.method === 'OPTIONS' ? preflight() : await answer(request, requestId);
    } catch (thrown) {
      reply = failed(thrown, requestId);
    }
    addHeaders(reply.headers, origin);
    if (wantsGzip(reply, request.header('accept-encoding'))) await compress(reply);
    if (request.method === 'HEAD') {
      // A stream would go on with nobody to read it.
      if (reply.body instanceof ReadableStream) void reply.body.cancel();
      reply.body = null;
    }
    return reply;
  };
  return {
    handle,
    context,
    rules,
    drain: () => draining.abort(),
    close: () => {
      draining.abort();
      traffic.close();
    },
  };
}

/** What every answer carries. */
function addHeaders(headers: Record<string, string>, origin: string | null): void {
  headers['x-content-type-options'] = 'nosniff';
  headers['x-frame-options'] = 'DENY';
  headers['referrer-policy'] = 'no-referrer';
  headers['cross-origin-resource-policy'] = origin === null ? 'same-origin' : 'cross-origin';
  headers['cache-control'] ??= 'no-store';
  headers['content-security-policy'] ??= "default-src 'none'; frame-ancestors 'none'";
  if (origin === null) return;
  headers['access-control-allow-origin'] = origin;
  headers['access-control-expose-headers'] = 'Retry-After';
  headers.vary = 'Origin';
}

function preflight(): ApiReply {
  const headers = {
    'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
    'access-control-allow-headers': 'Content-Type, X-API-Key',
    'access-control-max-age': '600',
  };
  return { status: 204, headers, body: null };
}
