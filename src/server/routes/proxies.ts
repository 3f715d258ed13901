import { z } from '@hono/zod-openapi';
import { findCountry } from '../../core/geo.js';
import type { PooledProxy } from '../../core/pool.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import { type ApiRoutes, addRoute } from '../api-route.js';
import {
  exampleProxy,
  type ProxyResource,
  protocolSchema,
  proxyResource,
  proxySchema,
  proxyStatusSchema,
  statusOf,
} from '../proxy-resource.js';
import { ProxyTimes } from '../proxy-times.js';
import { addProxyAdditions } from './proxy-additions.js';

const id = z.string().min(1).max(64);
const tag = z.string().min(1).max(64);
const whole = (most: number): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> =>
  z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be a whole number of 1 or more')
    .refine((text) => Number(text) <= most, { error: `must be ${most} or less` })
    .transform(Number);

const listQuery = z.strictObject({
  page: whole(999_999_999).default(1).openapi({ type: 'integer', minimum: 1 }),
  page_size: whole(500).default(50).openapi({ type: 'integer', minimum: 1, maximum: 500 }),
  status: proxyStatusSchema.optional(),
  country: z
    .string()
    .refine((code) => findCountry(code) !== undefined, { error: 'must be an ISO 3166-1 alpha-2 code' })
    .optional(),
  protocol: protocolSchema.optional(),
  tag: tag.optional(),
});

const pageSchema = z
  .strictObject({
    items: z.array(proxySchema),
    total: z.int().min(0).describe('Those that pass the filters, on all pages.'),
    page: z.int().min(1),
    page_size: z.int().min(1),
    has_next: z.boolean(),
    has_prev: z.boolean(),
  })
  .openapi('ProxyPage');

const changeSchema = z
  .strictObject({
    disabled: z
      .boolean()
      .optional()
      .describe('Out until it is enabled again, whatever checks and sources say; outlasts a restart.'),
    drain: z.boolean().optional().describe('Nothing new goes to it, requests in flight end; for this run.'),
    weight: z
      .number()
      .min(0)
      .max(1e12)
      .nullable()
      .optional()
      .describe(
        'For the strategy `weighted`, in place of whatever it goes by; 0 = never, null = none any more.',
      ),
    tags: z.array(tag).max(32).optional().describe('In place of those it has.'),
  })
  .refine((change) => Object.keys(change).length > 0, { error: 'must name something to change' })
  .openapi('ProxyChange');

/** the pool. Every change is kept before it is answered. */
export function addProxyRoutes(api: ApiRoutes, context: ApiContext): void {
  const { whirl, rotator, clock } = context;
  const { pool } = rotator;
  const times = new ProxyTimes(context);
  const resource = (member: PooledProxy): ProxyResource => proxyResource(member, times, clock.now());
  const find = (proxyId: string): PooledProxy => {
    const member = pool.get(proxyId);
    if (member === undefined) throw new ApiError('PROXY_NOT_FOUND');
    return member;
  };
  const params = z.strictObject({ id });
  addProxyAdditions(api, context, { find, resource });

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/proxies',
      operationId: 'listProxies',
      tag: 'Pool Management',
      summary: 'The proxies of the pool, in pages',
      scope: 'read',
      query: listQuery,
      data: pageSchema,
      example: {
        query: { page: 1, page_size: 50 },
        data: { items: [exampleProxy], total: 1, page: 1, page_size: 50, has_next: false, has_prev: false },
      },
    },
    ({ query: { page, page_size, status, country, protocol, tag: wanted } }) => {
      const code = country === undefined ? undefined : findCountry(country);
      const found = pool.list(
        (member) =>
          (status === undefined || statusOf(member) === status) &&
          (code === undefined || member.proxy.geo?.countryCode === code) &&
          (protocol === undefined || member.proxy.protocol === protocol) &&
          (wanted === undefined || member.proxy.tags.includes(wanted)),
      );
      const from = (page - 1) * page_size;
      return {
        items: found.slice(from, from + page_size).map(resource),
        total: found.length,
        page,
        page_size,
        has_next: from + page_size < found.length,
        has_prev: page > 1,
      };
    },
  );

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/proxies/{id}',
      operationId: 'getProxy',
      tag: 'Pool Management',
      summary: 'One proxy',
      scope: 'read',
      params,
      data: proxySchema,
      errors: ['PROXY_NOT_FOUND'],
      example: { params: { id: exampleProxy.id }, data: exampleProxy },
    },
    ({ params: { id: proxyId } }) => resource(find(proxyId)),
  );

  addRoute(
    api,
    context,
    {
      method: 'patch',
      path: '/proxies/{id}',
      operationId: 'changeProxy',
      tag: 'Pool Management',
      summary: 'Disable, drain, weigh or tag a proxy',
      scope: 'admin',
      params,
      body: changeSchema,
      data: proxySchema,
      errors: ['PROXY_NOT_FOUND'],
      example: {
        params: { id: exampleProxy.id },
        body: { disabled: false, tags: ['residential'] },
        data: exampleProxy,
      },
    },
    async ({ params: { id: proxyId }, body: { drain, ...change } }, { client }) => {
      find(proxyId);
      if (Object.keys(change).length > 0) pool.adjust(proxyId, change);
      if (drain !== undefined) pool.drain(proxyId, drain);
      context.log('proxy-changed', { key: client.key, id: proxyId });
      await whirl.flush();
      return resource(find(proxyId));
    },
  );

  addRoute(
    api,
    context,
    {
      method: 'delete',
      path: '/proxies/{id}',
      operationId: 'removeProxy',
      tag: 'Pool Management',
      summary: 'Take a proxy out',
      description:
        'Requests in flight end. One that the options or a source name comes back with the next start or load: ' +
        'disable it instead.',
      scope: 'admin',
      status: 204,
      params,
      errors: ['PROXY_NOT_FOUND'],
      example: { params: { id: exampleProxy.id } },
    },
    async ({ params: { id: proxyId } }, { client }) => {
      if (!pool.remove(proxyId)) throw new ApiError('PROXY_NOT_FOUND');
      context.log('proxy-removed', { key: client.key, id: proxyId });
      await whirl.flush();
      return new Response(null, { status: 204 });
    },
  );
}
