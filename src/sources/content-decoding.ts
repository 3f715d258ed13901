import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { SourceError } from './source-error.js';

/** The encodings that are asked for; a body comes with one of them at most. */
export const acceptedEncodings = 'gzip, br';

export interface DecodingLimits {
  readonly maxBytes: number;
  readonly maxDecodedBytes: number;
}

/**
 * The body as it was before it was encoded. Bytes are counted before and after: a few kB of gzip can hold gigabytes,
 * and a chain of encodings can hold that many times over.
 * @throws SourceError `encoding`, and while it is read `too-large`
 */
export function decodeContent(
  source: string,
  encoding: string | undefined,
  body: AsyncIterable<Uint8Array>,
  { maxBytes, maxDecodedBytes }: DecodingLimits,
): AsyncIterable<Uint8Array> {
  const wire = counted(source, body, maxBytes, 'on the wire');
  const name = (encoding ?? '').trim().toLowerCase();
  if (name === '' || name === 'identity') return counted(source, wire, maxDecodedBytes, 'in all');
  const decoder =
    name === 'gzip' || name === 'x-gzip' ? createGunzip() : name === 'br' ? createBrotliDecompress() : null;
  if (decoder === null)
    throw new SourceError(source, 'encoding', 'its content encoding is neither gzip nor br, or a chain');
  // Its errors come to whoever reads the decoder.
  pipeline(wire, decoder).catch(() => {});
  return counted(source, decoder, maxDecodedBytes, 'when decoded');
}

async function* counted(
  source: string,
  chunks: AsyncIterable<Uint8Array>,
  most: number,
  where: string,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > most) throw new SourceError(source, 'too-large', `more than ${most} bytes ${where}`);
    yield chunk;
  }
}
