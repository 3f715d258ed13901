/** How bytes stand in JSON. */
export type BodyEncoding = 'text' | 'base64';

/** Bytes as text where they are UTF-8, else as base64: nothing is lost either way. */
export function encodeBody(bytes: Uint8Array): { body: string; bodyEncoding: BodyEncoding } {
  try {
    const body = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { body, bodyEncoding: 'text' };
  } catch {
    const { buffer, byteOffset, byteLength } = bytes;
    return { body: Buffer.from(buffer, byteOffset, byteLength).toString('base64'), bodyEncoding: 'base64' };
  }
}
