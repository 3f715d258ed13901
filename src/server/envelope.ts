import { z } from '@hono/zod-openapi';
import type { ApiError } from './api-error.js';
import { apiVersion } from './version.js';

/** What every answer tells of itself. */
export interface Meta {
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly requestId: string;
  /** Of the package. */
  readonly version: string;
}

/** What every JSON answer looks like. */
export type Envelope<Data> =
  | { readonly status: 'success'; readonly data: Data; readonly error: null; readonly meta: Meta }
  | { readonly status: 'error'; readonly data: null; readonly error: ErrorBody; readonly meta: Meta };

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly details: unknown;
}

const metaSchema = z
  .strictObject({ timestamp: z.iso.datetime(), requestId: z.uuid(), version: z.string() })
  .openapi('Meta', {
    example: {
      timestamp: '2026-01-02T03:04:05.678Z',
      requestId: '0b8c2b0e-7a43-4c0a-9d3e-2f5a1c6b7d80',
      version: apiVersion,
    },
  });

const errorBodySchema = z
  .strictObject({
    code: z.string().describe('Stable; compare this, not the message.'),
    message: z.string(),
    details: z.unknown().describe('JSON; null when there is nothing to add.'),
  })
  .openapi('Error');

export const failureSchema: z.ZodType = z
  .strictObject({ status: z.literal('error'), data: z.null(), error: errorBodySchema, meta: metaSchema })
  .openapi('Failure');

/** The schema of a successful answer with this data. */
export function successSchema(data: z.ZodType): z.ZodType {
  return z.strictObject({ status: z.literal('success'), data, error: z.null(), meta: metaSchema });
}

export function success<Data>(data: Data, meta: Meta): Envelope<Data> {
  return { status: 'success', data, error: null, meta };
}

export function failure({ code, message, details }: ApiError, meta: Meta): Envelope<never> {
  return { status: 'error', data: null, error: { code, message, details }, meta };
}
