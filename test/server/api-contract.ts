import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { z } from 'zod';
import type { ApiApp } from '../../src/server/app.js';
import type { ApiDocument, ApiOperation } from '../../src/server/openapi.js';

type Json = Readonly<Record<string, unknown>>;

interface Media {
  readonly schema: Json;
  readonly example?: unknown;
}

interface DocumentedResponse {
  readonly content?: Readonly<Record<string, Media>>;
  readonly 'x-codes'?: readonly string[];
}

/** An operation of the OpenAPI document, with what the tests read of it. */
export interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly scope: string | null;
  readonly parameters: NonNullable<ApiOperation['parameters']>;
  readonly body: { readonly required: boolean; readonly example: unknown } | null;
  readonly responses: Readonly<Record<string, DocumentedResponse>>;
}

/** One request, as raw as a client could send it. */
export interface Sent {
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string;
}

export interface Got {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly headers: Headers;
  readonly code: string | null;
}

/** The document that the app serves. */
export async function readDocument(app: ApiApp): Promise<ApiDocument> {
  const response = await app(new Request('http://localhost/openapi.json'));
  expect(response.status).toBe(200);
  return (await response.json()) as ApiDocument;
}

export function operationsOf(document: ApiDocument): Operation[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const body = operation.requestBody as { required: boolean; content: Record<string, Media> } | undefined;
      return {
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        scope: operation['x-scope'],
        parameters: operation.parameters ?? [],
        body:
          body === undefined
            ? null
            : { required: body.required, example: body.content['application/json']?.example },
        responses: operation.responses as Readonly<Record<string, DocumentedResponse>>,
      };
    }),
  );
}

/** Sends an operation with its example, except where `sent` says otherwise. */
export async function send(app: ApiApp, operation: Operation, sent: Sent = {}): Promise<Got> {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const example = operation.parameters.find((parameter) => parameter.name === name)?.example;
    return encodeURIComponent(sent.params?.[name] ?? String(example));
  });
  const query = new URLSearchParams(
    operation.parameters
      .filter((parameter) => parameter.in === 'query' && parameter.example !== undefined)
      .map(({ name, example }) => [name, String(example)]),
  );
  const search = sent.query ?? query.toString();
  const body = sent.body ?? (operation.body === null ? undefined : JSON.stringify(operation.body.example));
  const leaving = new AbortController();
  const response = await app(
    new Request(`http://localhost/api/v1${path}${search === '' ? '' : `?${search}`}`, {
      method: operation.method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(sent.key == null ? {} : { 'x-api-key': sent.key }),
        ...sent.headers,
      },
      ...(body === undefined ? {} : { body: body as string }),
      signal: leaving.signal,
    }),
  );
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('text/event-stream')) {
    // It never ends by itself.
    leaving.abort();
    await response.body?.cancel();
    return { status: response.status, type, text: '', headers: response.headers, code: null };
  }
  const bytes = Buffer.from(await response.arrayBuffer());
  const packed = response.headers.get('content-encoding') === 'gzip';
  const text = (packed ? gunzipSync(bytes) : bytes).toString();
  const code = type === 'application/json' ? (JSON.parse(text).error?.code ?? null) : null;
  return { status: response.status, type, text, headers: response.headers, code };
}

/** Fails unless the answer is one that the document describes, to the byte: no field more, and none of another type. */
export function expectDocumented(document: ApiDocument, operation: Operation, got: Got): void {
  const response = operation.responses[got.status];
  expect(response, `${operation.name} answered ${got.status}: ${got.text}`).toBeDefined();
  if (response?.content === undefined) {
    expect([got.text, got.type]).toEqual(['', '']);
    return;
  }
  const media = got.type.split(';')[0] ?? '';
  const described = response.content[media];
  expect(described, `${operation.name} answered with ${got.type}`).toBeDefined();
  if (described === undefined || media !== 'application/json') return;
  const value: unknown = JSON.parse(got.text);
  expect(JSON.stringify(value)).toBe(got.text);
  const result = schemaOf(document, described.schema).safeParse(value);
  expect(result.error?.issues ?? [], `${operation.name} ${got.status}: ${got.text}`).toEqual([]);
  if (got.code !== null) expect(response['x-codes'], operation.name).toContain(got.code);
}

const compiled = new WeakMap<object, z.ZodType>();

function schemaOf(document: ApiDocument, schema: Json): z.ZodType {
  let type = compiled.get(schema);
  if (type === undefined) {
    const { schemas } = document.components as { schemas: Json };
    const text = JSON.stringify({ ...schema, $defs: schemas });
    type = z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')));
    compiled.set(schema, type);
  }
  return type;
}
