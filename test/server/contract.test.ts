import { createConfig, lintFromString } from '@redocly/openapi-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiDocument } from '../../src/server/openapi.js';
import { exampleProxy } from '../../src/server/proxy-resource.js';
import { expectDocumented, type Operation, operationsOf, readDocument, send } from './api-contract.js';
import { type ApiWorld, startApi } from './api-world.js';

const keys = {
  reader: { name: 'reader', key: 'r'.repeat(32), scopes: ['read'] },
  requester: { name: 'requester', key: 'q'.repeat(40), scopes: ['request'] },
  admin: { name: 'admin', key: 'a'.repeat(64), scopes: ['admin'] },
} as const;
/** What each key may do, by scope of the route. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  read: ['reader', 'admin'],
  request: ['requester', 'admin'],
  admin: ['admin'],
};

let world: ApiWorld;
let document: ApiDocument;
let operations: Operation[];

/** Deleting comes last: the other examples are about the same proxy. */
const order = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

beforeAll(async () => {
  world = await startApi({
    lab: { proxies: 3 },
    api: {
      keys: Object.values(keys),
      rateLimits: { perMinute: 100_000, requestsPerMinute: 100_000, failedAuthPerMinute: 100_000 },
      maxBodyBytes: 4_096,
    },
  });
  // The last one is what the example of POST /proxies adds.
  const [first, , last] = world.whirl.rotator.pool.list();
  world.whirl.rotator.pool.remove(last?.id ?? '');
  const examples: [string, string][] = [
    [exampleProxy.id, first?.id ?? ''],
    ['https://example.com/', `${world.lab.site.httpUrl}/ip`],
    ['http://198.51.100.7:8000', world.lab.proxies[2]?.url ?? ''],
  ];
  const inLab = (text: string): string =>
    examples.reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
  document = JSON.parse(inLab(JSON.stringify(await readDocument(world.app))));
  operations = operationsOf(document).sort((a, b) => order.indexOf(a.method) - order.indexOf(b.method));
});
afterAll(() => world[Symbol.asyncDispose]());

describe('A-06 the OpenAPI document', () => {
  it('passes a public linter with 0 errors and 0 warnings, which finds a fault that is put in', async () => {
    const config = await createConfig({ extends: ['recommended'] });
    const lint = async (source: string): Promise<string[]> =>
      (await lintFromString({ source, config })).map(({ ruleId, message }) => `${ruleId}: ${message}`);
    const text = await (await world.app(new Request('http://localhost/openapi.json'))).text();
    expect(await lint(text)).toEqual([]);
    expect(await lint(text.replace('"uptimeSeconds":12.5', '"uptimeSeconds":"long"'))).not.toEqual([]);
    expect(await lint(text.replaceAll('"summary"', '"sumary"'))).not.toEqual([]);
  });

  it('is 3.1, names the API and the four parts, and is the same at the root and below the base path', async () => {
    expect(document).toMatchObject({
      openapi: '3.1.0',
      info: { title: 'ProxyWhirl API' },
      servers: [{ url: '/api/v1' }],
      tags: [
        { name: 'Proxied Requests' },
        { name: 'Pool Management' },
        { name: 'Monitoring' },
        { name: 'Configuration' },
      ],
    });
    const [root, below] = await Promise.all(
      ['/openapi.json', '/api/v1/openapi.json'].map(async (path) =>
        (await world.app(new Request(`http://localhost${path}`))).text(),
      ),
    );
    expect(below).toBe(root);
  });

  it('has a page that loads nothing from elsewhere, and is not sent again when it has not changed', async () => {
    const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      world.app(new Request(`http://localhost${path}`, { headers }));
    const page = await get('/docs');
    const sources = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(
      (match) => match[1] ?? '',
    );
    expect(sources).toEqual(['docs/swagger-ui.css', 'docs/swagger-ui-bundle.js', 'docs/page.js']);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe/);
    for (const path of ['/docs', '/openapi.json', ...sources.map((source) => `/api/v1/${source}`)]) {
      const full = await get(path);
      const etag = full.headers.get('etag') ?? '';
      const again = await get(path, { 'if-none-match': etag });
      expect([path, full.status, again.status, await again.text()]).toEqual([path, 200, 304, '']);
      expect(full.headers.get('cache-control')).toBe('no-cache');
    }
  });

  it('names every route of section A once', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual([
      'DELETE /proxies/{id}',
      'GET /config',
      'GET /events',
      'GET /health',
      'GET /metrics',
      'GET /proxies',
      'GET /proxies/{id}',
      'GET /ready',
      'GET /stats',
      'GET /status',
      'PATCH /proxies/{id}',
      'POST /proxies',
      'POST /proxies/test',
      'POST /request',
      'PUT /config',
    ]);
  });
});

describe('A-01 A-02 the contract, from the document', () => {
  it('unauthenticated: the same 401 for a missing and a wrong key on every route with a scope', async () => {
    const answers = new Set<string>();
    for (const operation of operations.filter(({ scope }) => scope !== null)) {
      for (const key of [null, 'x', 'w'.repeat(32), 'w'.repeat(64)]) {
        const got = await send(world.app, operation, { key });
        expectDocumented(document, operation, got);
        expect(got.status, operation.name).toBe(401);
        answers.add(got.text.replace(/"meta":.*/, ''));
      }
    }
    expect([...answers]).toHaveLength(1);
  });

  it('A-05 the matrix of keys, scopes and routes: who has the scope gets in, all others get 403', async () => {
    const matrix: string[] = [];
    for (const operation of operations) {
      for (const [name, { key }] of Object.entries(keys)) {
        // A query that no route knows: whoever gets in is told so, and nothing is done.
        const got = await send(world.app, operation, { key, query: 'nonsense=1' });
        expectDocumented(document, operation, got);
        const mayPass = operation.scope === null || allowed[operation.scope]?.includes(name);
        expect([operation.name, name, got.status]).toEqual([operation.name, name, mayPass ? 400 : 403]);
        matrix.push(`${operation.name} ${name}`);
      }
    }
    expect(matrix).toHaveLength(operations.length * 3);
  });

  it('invalid: 400 VALIDATION_ERROR everywhere, with the path and the rule, and never the value', async () => {
    const key = keys.admin.key;
    const canary = 'canary-3f1c';
    const bodies = [
      '{',
      'null',
      '[]',
      '"text"',
      `{"${canary} ":1}`,
      `{"nonsense":"${canary}"}`,
      '{"__proto__":{"polluted":1}}',
      '{"constructor":{"prototype":{"polluted":1}}}',
      `${'['.repeat(40)}${']'.repeat(40)}`,
    ];
    for (const operation of operations) {
      const wrongs = [
        { key, query: `nonsense=${canary}` },
        { key, query: '__proto__=1' },
        ...(operation.body === null ? [] : bodies.map((body) => ({ key, body }))),
      ];
      for (const sent of wrongs) {
        const got = await send(world.app, operation, sent);
        expectDocumented(document, operation, got);
        expect([operation.name, JSON.stringify(sent), got.status, got.code]).toEqual([
          operation.name,
          JSON.stringify(sent),
          400,
          'VALIDATION_ERROR',
        ]);
        expect(got.text).not.toContain(canary);
        expect(JSON.parse(got.text).error.details).toEqual(
          expect.arrayContaining([{ path: expect.any(String), rule: expect.any(String) }]),
        );
      }
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('not JSON: 415 for other types, for compressed bodies and for none at all', async () => {
    for (const operation of operations.filter(({ body }) => body !== null)) {
      for (const headers of [
        { 'content-type': 'text/plain' },
        { 'content-type': 'application/x-www-form-urlencoded' },
        { 'content-type': 'multipart/form-data; boundary=x' },
        { 'content-type': 'application/json; charset=utf-16' },
        { 'content-type': 'application/jsonp' },
        { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      ]) {
        const got = await send(world.app, operation, { key: keys.admin.key, headers, body: '{}' });
        expectDocumented(document, operation, got);
        expect([operation.name, headers, got.code]).toEqual([
          operation.name,
          headers,
          'UNSUPPORTED_MEDIA_TYPE',
        ]);
      }
    }
  });

  it('oversized: 413, whether the length is announced or not', async () => {
    const big = JSON.stringify({ nonsense: 'x'.repeat(5_000) });
    for (const operation of operations.filter(({ body }) => body !== null)) {
      for (const headers of [{}, { 'content-length': String(big.length) }]) {
        const got = await send(world.app, operation, { key: keys.admin.key, body: big, headers });
        expectDocumented(document, operation, got);
        expect([operation.name, got.status, got.code]).toEqual([operation.name, 413, 'PAYLOAD_TOO_LARGE']);
      }
    }
  });

  it('valid: every example is answered as documented', async () => {
    const answered: string[] = [];
    for (const operation of operations) {
      const got = await send(world.app, operation, { key: keys.admin.key });
      expectDocumented(document, operation, got);
      const [documented] = Object.keys(operation.responses).filter((status) => status < '300');
      expect([operation.name, String(got.status)]).toEqual([operation.name, documented]);
      const example = operation.responses[got.status]?.content?.['application/json']?.example;
      if (got.type === 'application/json')
        expect(fields(JSON.parse(got.text)), operation.name).toEqual(fields(example));
      answered.push(operation.name);
    }
    expect(answered).toHaveLength(operations.length);
  });
});

/** Names of the fields down to the envelope's data, which an example has to show. */
function fields(answer: unknown): unknown {
  const { data, ...rest } = answer as { data: object };
  return [Object.keys(rest), Array.isArray(data) ? Object.keys(data[0] ?? {}) : Object.keys(data)];
}
