import { z } from '@hono/zod-openapi';
import type { ApiCall, ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import { type ConfigChange, configLimits } from '../api-options.js';
import { type ApiRoutes, addRoute } from '../api-route.js';

const { timeout, maxRetries, perMinute } = configLimits;

const configSchema = z
  .strictObject({
    strategy: z.string(),
    timeout: timeout.describe('Seconds; of a `POST /request` that names none.'),
    maxRetries: maxRetries.describe(
      'Further proxies that a `POST /request` may try; ten proxies at most in all.',
    ),
    rateLimits: z.strictObject({ perMinute, requestsPerMinute: perMinute }),
    auth: z.strictObject({ required: z.boolean(), keys: z.int().min(0) }),
    corsOrigins: z.array(z.string()),
  })
  .openapi('Config');

const changeSchema = z
  .strictObject({
    strategy: z.string().min(1).max(64).optional().describe('Name of a strategy that the engine knows.'),
    timeout: timeout.optional(),
    maxRetries: maxRetries.optional(),
    rateLimits: z
      .strictObject({ perMinute: perMinute.optional(), requestsPerMinute: perMinute.optional() })
      .optional(),
    persist: z.boolean().default(false).describe('Keep the configuration for the next start.'),
  })
  .openapi('ConfigChange');

/**
 * A change that was kept as JSON.
 * @throws ZodError
 */
export function readConfigChange(value: unknown): ConfigChange {
  return changeSchema.omit({ persist: true }).parse(value);
}

const example = {
  strategy: 'round-robin',
  timeout: 30,
  maxRetries: 2,
  rateLimits: { perMinute: 100, requestsPerMinute: 50 },
  auth: { required: true, keys: 1 },
  corsOrigins: [],
};

/** the configuration that is in force. */
export function addConfigRoutes(api: ApiRoutes, context: ApiContext): void {
  const { config, options } = context;
  /** The change before: each is kept or taken back before the next one begins. */
  let last: Promise<unknown> = Promise.resolve();
  const view = (): z.input<typeof configSchema> => ({
    ...config.view(),
    auth: { required: options.keys.length > 0, keys: options.keys.length },
    corsOrigins: [...options.origins],
  });

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/config',
      operationId: 'getConfig',
      tag: 'Configuration',
      summary: 'The configuration that is in force, without secrets',
      scope: 'read',
      data: configSchema,
      example: { data: example },
    },
    view,
  );

  addRoute(
    api,
    context,
    {
      method: 'put',
      path: '/config',
      operationId: 'putConfig',
      tag: 'Configuration',
      summary: 'Change some of the configuration',
      description:
        'All or nothing, in force for the next request. Keys, hosts, origins and what may be reached are set where the server is started, and cannot be changed here.',
      scope: 'admin',
      body: changeSchema,
      data: configSchema,
      errors: ['CONFIG_NOT_STORED'],
      example: { body: { timeout: 45, maxRetries: 3 }, data: { ...example, timeout: 45, maxRetries: 3 } },
    },
    ({ body }, call) => {
      const changing = last.then(() => change(body, call));
      last = changing.catch(() => {});
      return changing;
    },
  );

  async function change(
    { persist, ...wanted }: z.output<typeof changeSchema>,
    { client, requestId }: ApiCall,
  ): Promise<z.input<typeof configSchema>> {
    const { saveConfig } = options;
    if (persist && saveConfig === null) throw new ApiError('CONFIG_NOT_STORED');
    const before = config.view();
    const takeBack = config.change(wanted);
    try {
      if (persist) await saveConfig?.(config.view(), config.changed);
    } catch (error) {
      takeBack();
      throw error;
    }
    const who = { key: client.key, address: client.address };
    context.log('config', { requestId, ...who, before, after: config.view(), persisted: persist });
    return view();
  }
}
