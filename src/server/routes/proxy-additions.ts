import { z } from '@hono/zod-openapi';
import { OPERATOR_SOURCE } from '../../core/adjustment.js';
import { parseProxy } from '../../core/parse.js';
import type { PooledProxy } from '../../core/pool.js';
import { createProxy, type Proxy } from '../../core/proxy.js';
import { ProxyWhirlError } from '../../errors.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import { type ApiRoutes, addRoute } from '../api-route.js';
import { proxyTestSchema, testProxies } from '../proxy-checks.js';
import { ProxyPolicy } from '../proxy-policy.js';
import { exampleProxy, geoSchema, type ProxyResource, proxySchema } from '../proxy-resource.js';

const MAX_BULK = 100;
/** Proxies that are tested by a request that names none. */
const MAX_TESTED = 1_000;

const id = z.string().min(1).max(64);
const tags = z.array(z.string().min(1).max(64)).max(32);

const newProxySchema = z
  .strictObject({
    url: z
      .string()
      .min(1)
      .max(2_048)
      .describe(
        'As `http://203.0.113.7:8000`, or any other line that a list may hold, credentials included.',
      ),
    username: z.string().max(256).optional().describe('Not with credentials in `url`.'),
    password: z.string().max(256).optional(),
    geo: geoSchema.optional(),
    tags: tags.optional(),
    cost: z.number().min(0).optional(),
    weight: z.number().min(0).max(1e12).optional(),
  })
  .openapi('NewProxy');
type NewProxy = z.output<typeof newProxySchema>;

const bulkSchema = z
  .strictObject({ proxies: z.array(newProxySchema).min(1).max(MAX_BULK) })
  .openapi('NewProxies');

const addedSchema = z
  .strictObject({ proxy: proxySchema, test: proxyTestSchema.nullable().describe('Null with `check=false`.') })
  .openapi('AddedProxy');
const allAddedSchema = z
  .strictObject({
    items: z.array(addedSchema),
    duplicates: z.array(z.string()).describe('Ids of those that the pool holds already.'),
  })
  .openapi('AddedProxies');

const exampleTest = {
  proxyId: exampleProxy.id,
  status: 'working',
  latencyMs: 182.5,
  error: null,
  testedAt: '2026-01-02T03:04:06.000Z',
} as const;

/** How the pool is looked at. */
interface PoolView {
  /** @throws ApiError PROXY_NOT_FOUND */
  find(proxyId: string): PooledProxy;
  resource(member: PooledProxy): ProxyResource;
}

/** what makes connections to where a client says. */
export function addProxyAdditions(api: ApiRoutes, context: ApiContext, { find, resource }: PoolView): void {
  const { whirl, rotator } = context;
  const { pool } = rotator;
  const policy = new ProxyPolicy(context);

  addRoute(
    api,
    context,
    {
      method: 'post',
      path: '/proxies',
      operationId: 'addProxies',
      tag: 'Pool Management',
      summary: `Add a proxy, or up to ${MAX_BULK}`,
      description:
        'All of them or none: nothing is added when one breaks a rule or may not be reached. Those that the pool holds ' +
        'already stay as they are. Each new one is tested, and stays whatever its test shows: its health knows.',
      scope: 'admin',
      status: 201,
      query: z.strictObject({
        check: z.enum(['true', 'false']).default('true').describe('Whether to test what was added.'),
      }),
      body: z.union([newProxySchema, bulkSchema]),
      data: z.union([addedSchema, allAddedSchema]),
      errors: ['TARGET_REFUSED', 'PROXY_EXISTS'],
      example: {
        query: { check: 'true' },
        body: {
          url: 'http://198.51.100.7:8000',
          username: 'user',
          password: 'secret',
          tags: ['residential'],
        },
        data: { proxy: exampleProxy, test: exampleTest },
      },
    },
    async ({ body, query: { check } }, { client }) => {
      const isBulk = 'proxies' in body;
      const given = isBulk ? body.proxies : [body];
      const proxies = given.map((fields, i) => proxyOf(fields, isBulk ? `body.proxies.${i}` : 'body'));
      await Promise.all(proxies.map((proxy) => policy.check(proxy)));
      // Synchronous: two clients cannot add the same one.
      const added = pool.add(...proxies);
      if (added.length === 0) throw new ApiError('PROXY_EXISTS', { details: { ids: idsOf(proxies) } });
      const isNew = new Set(idsOf(added));
      for (const [i, { weight }] of given.entries()) {
        const proxyId = proxies[i]?.id ?? '';
        if (weight !== undefined && isNew.has(proxyId)) pool.adjust(proxyId, { weight });
      }
      context.log('proxies-added', { key: client.key, ids: [...isNew].join(' ') });
      await whirl.flush();
      const tests = check === 'true' ? await testProxies(context, [...isNew], policy.lookup) : [];
      const byId = new Map(tests.map((test) => [test.proxyId, test]));
      const items = added.map((member) => ({
        proxy: resource(member),
        test: byId.get(member.id) ?? null,
      }));
      const [first] = items;
      if (!isBulk && first !== undefined) return first;
      return { items, duplicates: idsOf(proxies).filter((proxyId) => !isNew.has(proxyId)) };
    },
  );

  addRoute(
    api,
    context,
    {
      method: 'post',
      path: '/proxies/test',
      operationId: 'testProxies',
      tag: 'Pool Management',
      summary: `Test up to ${MAX_BULK} proxies now, or all`,
      description: `Their health is updated. All can be tested at once in a pool of up to ${MAX_TESTED}.`,
      scope: 'admin',
      body: z
        .strictObject({ proxy_ids: z.array(id).min(1).max(MAX_BULK).optional() })
        .optional()
        .openapi('ProxyTestOrder'),
      data: z.array(proxyTestSchema),
      errors: ['TARGET_REFUSED', 'PROXY_NOT_FOUND'],
      example: { body: { proxy_ids: [exampleProxy.id] }, data: [exampleTest] },
    },
    async ({ body }) => {
      const named = body?.proxy_ids;
      if (named === undefined && pool.size > MAX_TESTED) {
        const rule = `must be named: the pool holds more than ${MAX_TESTED}`;
        throw new ApiError('VALIDATION_ERROR', { details: [{ path: 'body.proxy_ids', rule }] });
      }
      const members = named === undefined ? pool.list() : [...new Set(named)].map(find);
      // Its name may lead elsewhere than when it was added.
      await Promise.all(
        members.flatMap(({ proxy }) => (proxy.source === OPERATOR_SOURCE ? [policy.check(proxy)] : [])),
      );
      return testProxies(context, idsOf(members), policy.lookup);
    },
  );
}

/** @throws ApiError VALIDATION_ERROR that says which one breaks a rule, and repeats no value */
function proxyOf(fields: NewProxy, path: string): Proxy {
  try {
    return readProxy(fields, path);
  } catch (error) {
    if (!(error instanceof ProxyWhirlError)) throw error;
    throw new ApiError('VALIDATION_ERROR', { details: [{ path, rule: error.message }], cause: error });
  }
}

function readProxy({ url, username, password, geo, tags: given, cost }: NewProxy, path: string): Proxy {
  const read = parseProxy(url);
  const isApart = username !== undefined || password !== undefined;
  if (isApart && (read.username !== null || read.password !== null)) {
    const rule = 'must not have credentials of its own beside username and password';
    throw new ApiError('VALIDATION_ERROR', { details: [{ path: `${path}.url`, rule }] });
  }
  const { protocol, host, port } = read;
  return createProxy({
    protocol,
    host,
    port,
    username: username ?? read.username,
    password: password ?? read.password,
    geo: geo ?? read.geo,
    tags: given ?? read.tags,
    cost: cost ?? read.cost,
    source: OPERATOR_SOURCE,
  });
}

function idsOf(all: readonly { readonly id: string }[]): string[] {
  return all.map((one) => one.id);
}
