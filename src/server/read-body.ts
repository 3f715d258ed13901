import { ApiError } from './api-error.js';
import type { ApiRequest } from './api-request.js';

/** Objects and arrays within each other; deeper ones have no use here, and cost whoever walks them. */
const MAX_DEPTH = 32;
/** They lead from an object to what all objects share. */
const dangerousKeys = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * The JSON body of a request; undefined when there is none.
 * @throws ApiError UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, VALIDATION_ERROR
 */
export async function readJsonBody(request: ApiRequest, maxBytes: number): Promise<unknown> {
  const type = request.header('content-type');
  const coding = request.header('content-encoding');
  if (type !== null && !/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type))
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE');
  if (coding !== null && coding.toLowerCase() !== 'identity') throw new ApiError('UNSUPPORTED_MEDIA_TYPE');
  if (Number(request.header('content-length')) > maxBytes) throw new ApiError('PAYLOAD_TOO_LARGE');
  const text = await readText(request, maxBytes);
  if (text === '') return undefined;
  if (type === null) throw new ApiError('UNSUPPORTED_MEDIA_TYPE');
  return parseJson(text);
}

/** @throws ApiError VALIDATION_ERROR, which repeats nothing of the text */
function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('', 'must be JSON');
  }
  checkShape(value);
  return value;
}

async function readText(request: ApiRequest, maxBytes: number): Promise<string> {
  const body = request.body();
  if (body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    // Leaving the loop cancels the rest.
    if (size > maxBytes) throw new ApiError('PAYLOAD_TOO_LARGE');
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw invalid('', 'must be UTF-8');
  }
}

/** Level by level: a recursive walk could be made to overflow the stack. */
function checkShape(root: unknown): void {
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth += 1) {
    const below: unknown[] = [];
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue;
      if (depth >= MAX_DEPTH) throw invalid('', `must not be nested deeper than ${MAX_DEPTH} levels`);
      if (Array.isArray(value)) for (const item of value) below.push(item);
      else
        for (const [key, item] of Object.entries(value)) {
          if (dangerousKeys.has(key)) throw invalid('', 'has a key that is not allowed');
          below.push(item);
        }
    }
    level = below;
  }
}

function invalid(path: string, rule: string): ApiError {
  return new ApiError('VALIDATION_ERROR', { details: [{ path: path || 'body', rule }] });
}
