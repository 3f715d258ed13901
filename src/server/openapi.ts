import { OpenAPIHono } from '@hono/zod-openapi';
import { apiVersion } from './version.js';

/** What the schemas of all routes are registered with. */
export type ApiRegistry = OpenAPIHono['openAPIRegistry'];

/** The part of an OpenAPI 3.1 document that is ours to read. */
export interface ApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>;
  readonly [key: string]: unknown;
}

/** One route in the document. */
export interface ApiOperation {
  readonly operationId: string;
  readonly parameters?: readonly { name: string; in: 'path' | 'query'; example?: unknown }[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly 'x-scope': string | null;
  [extension: `x-${string}`]: unknown;
}

const title = 'ProxyWhirl API';

const description = [
  'Proxied requests, and the pool behind them. Every JSON answer is an envelope of `status`, `data`, `error` and',
  '`meta`; compare `error.code`, not the message. Unknown fields and parameters are refused. A route that is limited',
  'answers 429 with `Retry-After`.',
].join(' ');

const tags = [
  { name: 'Proxied Requests', description: 'Requests that go through the pool.' },
  { name: 'Pool Management', description: 'The proxies, and what is known of them.' },
  { name: 'Monitoring', description: 'Health, figures and events.' },
  { name: 'Configuration', description: 'What is in force.' },
];

/** The app that all routes are registered with; it serves nothing. */
export function newRegistry(): { readonly registry: ApiRegistry; document(basePath: string): ApiDocument } {
  const app = new OpenAPIHono();
  const { openAPIRegistry: registry } = app;
  registry.registerComponent('securitySchemes', 'apiKey', {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description:
      'Needed where the server was given keys. `x-scope` of an operation is the scope that its key needs.',
  });
  return {
    registry,
    document: (basePath) => {
      const document = app.getOpenAPI31Document({
        openapi: '3.1.0',
        info: {
          title,
          version: apiVersion,
          description,
          license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
        },
        servers: [{ url: basePath }],
        tags,
      }) as unknown as ApiDocument;
      for (const operations of Object.values(document.paths))
        for (const operation of Object.values(operations)) showExamples(operation);
      return document;
    },
  };
}

/** The example of a route names its parameters; readers look for them at each parameter. */
function showExamples(operation: ApiOperation): void {
  const example = operation['x-example'] as Readonly<Record<'params' | 'query', Record<string, unknown>>>;
  for (const parameter of operation.parameters ?? []) {
    const value = example[parameter.in === 'path' ? 'params' : 'query'][parameter.name];
    if (value !== undefined) parameter.example = value;
  }
  delete operation['x-example'];
}
