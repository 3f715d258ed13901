import { describe, expect, it } from 'vitest';
import type { ApiError } from '../../src/server/api-error.js';
import { fromFetch } from '../../src/server/api-request.js';
import { readJsonBody } from '../../src/server/read-body.js';

function read(body: string | Uint8Array, maxBytes = 1_000_000): Promise<unknown> {
  const request = new Request('http://localhost/', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: body as string,
  });
  return readJsonBody(fromFetch(request, null), maxBytes);
}

const codeOf = (reading: Promise<unknown>): Promise<string> =>
  reading.then(
    () => 'read',
    (error: ApiError) => error.code,
  );

describe('a JSON body', () => {
  it('may be 32 levels deep, and no deeper; a bomb of 400,000 levels is refused as well', async () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(await codeOf(read(nested(32)))).toBe('read');
    expect(await codeOf(read(nested(33)))).toBe('VALIDATION_ERROR');
    expect(await codeOf(read(`{"a":${nested(32)}}`))).toBe('VALIDATION_ERROR');
    expect(await codeOf(read(nested(400_000)))).toBe('VALIDATION_ERROR');
  });

  it.each(['__proto__', 'constructor', 'prototype', '\\u005f_proto__'])(
    'has no key %s at any depth: 30 payloads, and nothing is polluted',
    async (key) => {
      for (const value of [
        '1',
        '{"polluted":1}',
        '[]',
        'null',
        '"x"',
        '{"prototype":{}}',
        '{"a":{"b":1}}',
        'true',
      ]) {
        for (const body of [`{"${key}":${value}}`, `{"a":[{"b":{"${key}":${value}}}]}`])
          expect(await codeOf(read(body))).toBe('VALIDATION_ERROR');
      }
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
      expect(await read(`{"a":"${key === '\\u005f_proto__' ? '__proto__' : key}"}`)).toMatchObject({});
    },
  );

  it('is UTF-8, and as long as it may be', async () => {
    expect(await codeOf(read(new Uint8Array([0x22, 0xff, 0x22])))).toBe('VALIDATION_ERROR');
    expect(await read('"ä"', 4)).toBe('ä');
    expect(await codeOf(read('"ä"', 3))).toBe('PAYLOAD_TOO_LARGE');
  });

  it('that is absent is undefined, and one that is no JSON is not repeated', async () => {
    expect(await read('')).toBeUndefined();
    const error = await read('{"password":hunter2').catch((thrown: ApiError) => thrown);
    expect(JSON.stringify((error as ApiError).details) + (error as ApiError).message).not.toContain(
      'hunter2',
    );
  });
});
