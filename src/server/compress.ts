import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { ApiReply } from './api-request.js';

/** Smaller ones fit into a packet or two anyway. */
const MIN_BYTES = 1_024;
const compressible = /^(?:text\/|application\/json)/;
/** `gzip`, not forbidden by a quality of 0. */
const takesGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i;

const pack = promisify(gzip);

/** Whether a client gets this answer compressed; streams are as they are. */
export function wantsGzip({ headers, body }: ApiReply, accepted: string | null): boolean {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return false;
  if (body.length < MIN_BYTES || !compressible.test(headers['content-type'] ?? '')) return false;
  headers.vary = headers.vary === undefined ? 'Accept-Encoding' : `${headers.vary}, Accept-Encoding`;
  return accepted !== null && takesGzip.test(accepted);
}

export async function compress(reply: ApiReply): Promise<void> {
  const packed = await pack(reply.body as string | Uint8Array);
  reply.body = packed;
  reply.headers['content-encoding'] = 'gzip';
  reply.headers['content-length'] = String(packed.byteLength);
}
