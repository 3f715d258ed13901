import { z } from '@hono/zod-openapi';
import type { ApiContext } from '../api-context.js';
import { type ApiRoutes, addRoute } from '../api-route.js';
import { EventHub, eventTypes } from '../event-hub.js';

const typesRule = `must be a list, by commas, of ${eventTypes.join(', ')}`;

/** What the engine does, as it does it. */
export function addEventRoutes(api: ApiRoutes, context: ApiContext): void {
  const hub = new EventHub(context);

  addRoute(
    api,
    context,
    {
      method: 'get',
      path: '/events',
      operationId: 'followEvents',
      tag: 'Monitoring',
      summary: 'What the engine does, as server-sent events',
      description:
        'Selections, outcomes, breakers, cooldowns, sessions (as hashes), strategy swaps, and changes of the pool. ' +
        'A client that reads too slowly misses events, and is told how many by an event `dropped`.',
      scope: 'read',
      query: z.strictObject({
        type: z
          .string()
          .max(256)
          .transform((text) => text.split(','))
          .refine((types) => types.every((type) => (eventTypes as readonly string[]).includes(type)), {
            error: typesRule,
          })
          .optional()
          .openapi({ type: 'string', description: 'Only these, by commas. Default all.' }),
        proxyId: z.string().min(1).max(64).optional().describe('Only what is about this proxy.'),
      }),
      content: {
        'text/event-stream': {
          schema: z.string(),
          example:
            'id: 1\nevent: selected\ndata: {"timestamp":"2026-01-02T03:04:05.678Z","proxyId":"px_0123456789abcdef",' +
            '"strategy":"round-robin","reason":"strategy","host":"example.com","session":null}\n\n',
        },
      },
      errors: ['TOO_MANY_STREAMS', 'SHUTTING_DOWN'],
      example: { query: { type: 'selected,settled' } },
    },
    ({ query: { type, proxyId } }, { signal }) => {
      const filter = { types: type === undefined ? null : new Set(type), proxyId: proxyId ?? null };
      return new Response(hub.follow(filter, signal), {
        headers: {
          'content-type': 'text/event-stream; charset=utf-8',
          // A proxy in front must not gather them.
          'x-accel-buffering': 'no',
        },
      });
    },
  );
}
