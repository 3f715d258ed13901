import { createRoute, z } from '@hono/zod-openapi';
import type { ApiCall, ApiContext } from './api-context.js';
import { ApiError, type ApiErrorCode, apiErrors } from './api-error.js';
import type { Scope } from './api-options.js';
import { type ApiReply, type ApiRequest, jsonType, replyOf } from './api-request.js';
import { failureSchema, success, successSchema } from './envelope.js';
import type { ApiRegistry } from './openapi.js';
import { readJsonBody } from './read-body.js';
import { apiVersion } from './version.js';

/** The four parts of the reference page. */
export type ApiTag = 'Proxied Requests' | 'Pool Management' | 'Monitoring' | 'Configuration';

/** A route, ready to run. */
export type RunRoute = (
  request: ApiRequest,
  params: Readonly<Record<string, string>>,
  requestId: string,
) => Promise<ApiReply>;

/** Where routes are added. */
export interface ApiRoutes {
  /** What the OpenAPI document is made of. */
  readonly registry: ApiRegistry;
  add(method: string, path: string, run: RunRoute): void;
}

/**
 * A route: everything that validates it, documents it and guards it. Parameters, query and body are strict objects: an
 * unknown key is a 400 VALIDATION_ERROR. All schemas are of `@hono/zod-openapi`'s `z`.
 */
export interface RouteSpec<
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  D extends z.ZodType,
> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Below the base path, as `/proxies/{id}`. */
  readonly path: string;
  /** Unique; name of the operation in the OpenAPI document. */
  readonly operationId: string;
  readonly tag: ApiTag;
  readonly summary: string;
  readonly description?: string;
  /** What a key needs; null = none, and no key either. */
  readonly scope: Scope | null;
  /** Which rate limit counts it. @default 'general' */
  readonly limit?: 'general' | 'request';
  readonly params?: P;
  readonly query?: Q;
  /** Of the JSON body; one that is `.optional()` need not come at all. */
  readonly body?: B;
  /** Status of a success. @default 200 */
  readonly status?: 200 | 201 | 204;
  /** Other statuses with the same data, and when they come. */
  readonly alsoWith?: Readonly<Record<number, string>>;
  /** What `data` of the envelope holds; absent for 204 and for `content`. */
  readonly data?: D;
  /**
   * Other forms of the answer, which are no envelope: media type and schema. The handler returns a Response
   * or a {@link TextReply}.
   */
  readonly content?: Readonly<Record<string, { schema: z.ZodType; example?: unknown }>>;
  /** Errors beyond those that every route has. */
  readonly errors?: readonly ApiErrorCode[];
  /** One valid request and the data of its answer; a test sends it. */
  readonly example: {
    readonly params?: Readonly<Record<string, string>>;
    readonly query?: Readonly<Record<string, string | number | boolean>>;
    readonly body?: unknown;
    readonly data?: unknown;
  };
}

/** An answer with another status than the route's own, or with headers. */
export class Reply<Data> {
  readonly status: number;
  readonly data: Data;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, data: Data, headers: Readonly<Record<string, string>> = {}) {
    this.status = status;
    this.data = data;
    this.headers = headers;
  }
}

/** An answer that is a text and no envelope. */
export class TextReply {
  readonly type: string;
  readonly text: string;

  constructor(type: string, text: string) {
    this.type = type;
    this.text = text;
  }
}

/** What a handler gets, checked and converted by the schemas of its route. */
export interface RouteInput<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly body: z.output<B>;
}

type Answer<Data> = Data | Reply<Data> | TextReply | Response;

/**
 * Adds a route: guarded, validated, answered in the envelope, and in the OpenAPI document. The handler returns the
 * data; it throws an {@link ApiError}, or any error of the engine.
 */
export function addRoute<
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
  D extends z.ZodType = z.ZodUndefined,
>(
  api: ApiRoutes,
  context: ApiContext,
  spec: RouteSpec<P, Q, B, D>,
  handler: (input: RouteInput<P, Q, B>, call: ApiCall) => Answer<z.input<D>> | Promise<Answer<z.input<D>>>,
): void {
  const { method, path, scope, params, query, body, status = 200, limit = 'general' } = spec;
  const { guard, options } = context;
  const takesBody = method !== 'get';
  api.registry.registerPath(documented(spec));
  const bodySchema = body ?? z.undefined();
  api.add(method.toUpperCase(), path, async (request, given, requestId) => {
    const client = guard.admit(request, scope, limit);
    const input = {
      params: params === undefined ? undefined : parsePart('path', params, given),
      query: readQuery(query, request.query),
      body: takesBody
        ? parsePart('body', bodySchema, await readJsonBody(request, options.maxBodyBytes))
        : undefined,
    } as RouteInput<P, Q, B>;
    const answering = handler(input, {
      requestId,
      client,
      header: (name) => request.header(name),
      get signal() {
        return request.signal();
      },
      whenAnswered: (run) => request.whenAnswered(run),
    });
    const answer = answering instanceof Promise ? await answering : answering;
    if (answer instanceof Response)
      return { status: answer.status, headers: Object.fromEntries(answer.headers), body: answer.body };
    if (answer instanceof TextReply) return replyOf(200, answer.type, answer.text);
    if (!(answer instanceof Reply)) return jsonReply(status, answer, requestId);
    return jsonReply(answer.status, answer.data, requestId, answer.headers);
  });

  function jsonReply(
    code: number,
    data: unknown,
    requestId: string,
    headers?: Readonly<Record<string, string>>,
  ): ApiReply {
    if (code === 204) return { status: 204, headers: { ...headers }, body: null };
    return replyOf(code, jsonType, JSON.stringify(success(data, guard.meta(requestId))), headers);
  }
}

function readQuery(schema: z.ZodType | undefined, text: string): unknown {
  if (text === '' && schema === undefined) return undefined;
  const given: Record<string, unknown> = Object.create(null);
  for (const [key, value] of new URLSearchParams(text)) {
    const before = given[key];
    given[key] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  return parsePart('query', schema ?? noQuery, given);
}

const noQuery = z.strictObject({});

/** @throws ApiError VALIDATION_ERROR that names paths and rules, and never repeats a value */
function parsePart(part: string, schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((issue) => {
    const path = [part, ...issue.path.map(String)].join('.').slice(0, 128);
    // A key that is no name may be a credential in the wrong place.
    if (issue.code !== 'unrecognized_keys') return [{ path, rule: issue.message }];
    return issue.keys.map((key) => ({
      path: /^[\w-]{1,64}$/.test(key) ? `${path}.${key}` : path,
      rule: 'is not known here',
    }));
  });
  throw new ApiError('VALIDATION_ERROR', { details: issues.slice(0, 20) });
}

const everyRoute = [
  'VALIDATION_ERROR',
  'HOST_REFUSED',
  'ORIGIN_REFUSED',
  'RATE_LIMITED',
  'INTERNAL',
] as const;

/** The route as the OpenAPI document tells of it. */
function documented(
  spec: RouteSpec<z.ZodType, z.ZodType, z.ZodType, z.ZodType>,
): Parameters<ApiRegistry['registerPath']>[0] {
  const { params, query, body, status = 200, data, content, scope, example } = spec;
  const codes = new Set<ApiErrorCode>([...everyRoute, ...(spec.errors ?? [])]);
  if (scope !== null) for (const code of ['UNAUTHORIZED', 'FORBIDDEN'] as const) codes.add(code);
  if (spec.method !== 'get')
    for (const code of ['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) codes.add(code);
  const responses: Record<string, object> = {
    [status]: succeeded(spec.summary, data, content, example.data),
  };
  for (const [other, when] of Object.entries(spec.alsoWith ?? {}))
    responses[other] = succeeded(when, data, undefined, undefined);
  for (const code of codes) addFailure(responses, code);
  return createRoute({
    method: spec.method,
    path: spec.path,
    operationId: spec.operationId,
    tags: [spec.tag],
    summary: spec.summary,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    security: scope === null ? [] : [{ apiKey: [] }],
    'x-scope': scope,
    request: {
      ...(params === undefined ? {} : { params: params as z.ZodObject }),
      ...(query === undefined ? {} : { query: query as z.ZodObject }),
      ...(body === undefined
        ? {}
        : {
            body: {
              required: !body.safeParse(undefined).success,
              content: {
                'application/json': {
                  schema: body,
                  ...(example.body === undefined ? {} : { example: example.body }),
                },
              },
            },
          }),
    },
    responses: responses as never,
    'x-example': { params: example.params ?? {}, query: example.query ?? {} },
  });
}

function succeeded(
  description: string,
  data: z.ZodType | undefined,
  content: RouteSpec<z.ZodType, z.ZodType, z.ZodType, z.ZodType>['content'],
  example: unknown,
): object {
  if (data === undefined) return { description, ...(content === undefined ? {} : { content }) };
  return {
    description,
    content: {
      ...content,
      'application/json': {
        schema: successSchema(data),
        ...(example === undefined
          ? {}
          : { example: { status: 'success', data: example, error: null, meta: exampleMeta } }),
      },
    },
  };
}

const exampleMeta = {
  timestamp: '2026-01-02T03:04:05.678Z',
  requestId: '0b8c2b0e-7a43-4c0a-9d3e-2f5a1c6b7d80',
  version: apiVersion,
};

/** Codes of one status share its entry. */
function addFailure(responses: Record<string, object>, code: ApiErrorCode): void {
  const { status, message } = apiErrors[code];
  const line = `\`${code}\`: ${message}`;
  const before = responses[status] as { description: string; content?: object } | undefined;
  if (before !== undefined && 'x-codes' in before) {
    before.description += ` ${line}`;
    (before['x-codes'] as string[]).push(code);
    return;
  }
  const failure = { schema: failureSchema };
  responses[status] =
    before === undefined
      ? { description: line, 'x-codes': [code], content: { 'application/json': failure } }
      : before;
}
