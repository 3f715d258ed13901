import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { findCountry } from '../../core/geo.js';
import { type FetchAttempt, FetchError } from '../../transport/fetch-error.js';
import { httpUrl } from '../../transport/fetch-init.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiClient } from '../api-guard.js';
import { configLimits } from '../api-options.js';
import { type ApiRoutes, addRoute } from '../api-route.js';
import { BodyRoom } from '../body-room.js';
import { encodeBody } from '../body-text.js';
import { answerHeaders, headersSchema } from '../header-policy.js';
import { TargetPolicy } from '../target-policy.js';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
/** Waiting for the head of an answer, and silence within it, in ms; more where the caller allows more. */
const PATIENCE_MS = 15_000;

const orderSchema = z
  .strictObject({
    url: z
      .string()
      .max(8_192)
      .refine((text) => httpUrl(text) !== null, {
        error: 'must be an absolute URL of http or https, without credentials',
      })
      .describe('Absolute, http or https, without credentials. Only public addresses may be reached.'),
    method: z.enum(methods).default('GET'),
    headers: headersSchema
      .optional()
      .describe(
        'At most 100 and 16 kB; none of the connection (Host, Content-Length, Proxy-*, ...), none twice.',
      ),
    body: z.string().nullable().optional().describe('Not for GET and HEAD.'),
    bodyEncoding: z.enum(['text', 'base64']).default('text').describe('How `body` is written here.'),
    timeout: configLimits.timeout.optional().describe('Seconds for everything: all proxies, and the body.'),
    sessionId: z
      .string()
      .regex(/^[A-Za-z0-9._~-]{1,128}$/, 'must be 1 to 128 letters, digits and . _ ~ -')
      .optional()
      .describe('All requests of a session use one proxy, until it fails.'),
    country: z
      .string()
      .refine((code) => findCountry(code) !== undefined, { error: 'must be an ISO 3166-1 alpha-2 code' })
      .optional()
      .describe('Of the proxy: ISO 3166-1 alpha-2.'),
    followRedirects: z
      .boolean()
      .default(false)
      .describe('Up to 5, each checked like the URL; credentials go to no other origin.'),
  })
  .refine(({ method, body }) => body == null || (method !== 'GET' && method !== 'HEAD'), {
    error: 'is not for GET and HEAD',
    path: ['body'],
  })
  .refine(({ bodyEncoding, body }) => body == null || bodyEncoding === 'text' || isBase64(body), {
    error: 'must be base64',
    path: ['body'],
  })
  .openapi('ProxiedRequest');

const answerSchema = z
  .strictObject({
    statusCode: z.int().describe('Whatever the target answered.'),
    headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
    body: z.string(),
    bodyEncoding: z.enum(['text', 'base64']).describe('`text` where the body is UTF-8, else `base64`.'),
    proxyUsed: z.strictObject({ id: z.string(), url: z.string() }).describe('The proxy that brought it.'),
    attempts: z.int().min(1).describe('Requests that were sent, this answer included.'),
    elapsedMs: z.number().min(0),
    url: z.string().describe('Where it came from, after redirects.'),
  })
  .openapi('ProxiedAnswer');

/** one request through the pool. */
export function addRequestRoutes(api: ApiRoutes, context: ApiContext): void {
  const { whirl, options, config, clock } = context;
  const policy = new TargetPolicy(context);
  const room = new BodyRoom();

  addRoute(
    api,
    context,
    {
      method: 'post',
      path: '/request',
      operationId: 'sendRequest',
      tag: 'Proxied Requests',
      summary: 'Send one request through the pool',
      description:
        'Several proxies are tried within one deadline. What is not sure to be harmless twice (POST, PATCH) reaches the ' +
        'target once at most. Nothing ever goes without a proxy.',
      scope: 'request',
      limit: 'request',
      body: orderSchema,
      data: answerSchema,
      errors: [
        'TARGET_REFUSED',
        'PROXY_FAILOVER_EXHAUSTED',
        'RESPONSE_TOO_LARGE',
        'PROXY_POOL_EMPTY',
        'BUSY',
        'SHUTTING_DOWN',
        'REQUEST_TIMEOUT',
        'TARGET_UNREACHABLE',
      ],
      example: {
        body: { url: 'https://example.com/', method: 'GET', headers: { accept: 'text/html' }, timeout: 20 },
        data: {
          statusCode: 200,
          headers: { 'content-type': 'text/html; charset=utf-8' },
          body: '<!doctype html><title>Example Domain</title>',
          bodyEncoding: 'text',
          proxyUsed: { id: 'px_0123456789abcdef', url: 'http://198.51.100.7:8000' },
          attempts: 1,
          elapsedMs: 182.5,
          url: 'https://example.com/',
        },
      },
    },
    async ({ body: order }, { client, signal, whenAnswered }) => {
      const startedAt = clock.now();
      const url = new URL(order.url);
      const addresses = new Map<string, string | null>();
      const check = async (target: URL): Promise<void> => {
        addresses.set(target.host, await policy.check(target));
      };
      await check(url);
      const { method, headers = {}, sessionId, country, followRedirects } = order;
      const deadlineMs = Math.max(1, Math.round((order.timeout ?? config.timeout) * 1_000));
      const patienceMs = Math.ceil(Math.max(PATIENCE_MS, deadlineMs / 2));
      try {
        const response = await whirl.fetch(url, {
          method,
          headers,
          body: order.body == null ? null : Buffer.from(order.body, bufferEncodings[order.bodyEncoding]),
          redirect: followRedirects ? 'follow' : 'manual',
          onRedirect: check,
          addressOf: (target, proxy) => policy.addressOf(target, proxy, addresses.get(target.host) ?? null),
          deadlineMs,
          attempts: config.maxRetries + 1,
          maxBytes: options.maxResponseBytes,
          phases: { firstByteMs: patienceMs, idleMs: patienceMs },
          sessionId: sessionId === undefined ? undefined : sessionOf(client, sessionId),
          country,
          signal,
        });
        const bytes = await room.gather(response.body, whenAnswered);
        return {
          statusCode: response.status,
          headers: answerHeaders(response.headers),
          ...encodeBody(bytes),
          proxyUsed: { ...response.proxy },
          attempts: response.attempts.length,
          elapsedMs: clock.now() - startedAt,
          url: response.url,
        };
      } catch (error) {
        throw withAttempts(error);
      }
    },
  );
}

/** A session of one key is none of another's; without keys, everybody shares what they name. */
function sessionOf({ key }: ApiClient, sessionId: string): string {
  // A name holds no slash, and both together may be longer than an id.
  return key === null ? sessionId : createHash('sha256').update(`${key}/${sessionId}`).digest('base64url');
}

const bufferEncodings = { text: 'utf8', base64: 'base64' } as const;

function isBase64(text: string): boolean {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
}

/** Adds to an error of the engine what was tried: ids and verdicts, nothing that a proxy or a target said. */
function withAttempts(error: unknown): unknown {
  if (!(error instanceof FetchError) || error.attempts.length === 0) return error;
  const { attempts } = error;
  const code = apiCode(error);
  if (code === null) return error;
  return new ApiError(code, { details: { attempts }, cause: error });
}

/** Whether the proxy worked, and said that it could not reach the target. */
function saysUnreachable({ verdict, code }: FetchAttempt): boolean {
  return verdict === 'target' || (verdict === 'ambiguous' && code === 'PW_PROXY_CONNECT_STATUS');
}

function apiCode({ code, attempts }: FetchError): ApiError['code'] | null {
  switch (code) {
    case 'PW_FETCH_EXHAUSTED':
      return attempts.every(saysUnreachable) ? 'TARGET_UNREACHABLE' : 'PROXY_FAILOVER_EXHAUSTED';
    case 'PW_FETCH_DEADLINE':
      return 'REQUEST_TIMEOUT';
    case 'PW_FETCH_BODY_LIMIT':
      return 'RESPONSE_TOO_LARGE';
    case 'PW_FETCH_INVALID':
      return null;
    default:
      return code;
  }
}
