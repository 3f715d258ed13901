import type { SeenReply } from './case.js';

/** Headers of one connection, of one moment, or made by the client; nobody is judged by them. */
const passing: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
]);
const maxBody = 4_096;

export interface RawReply {
  readonly status: number;
  readonly headers: Iterable<readonly [string, unknown]>;
  readonly url: string;
  readonly finalUrl?: string | undefined;
  readonly body?: string | undefined;
}

export function toReply(raw: RawReply, clean: (text: string) => string): SeenReply {
  const headers: Record<string, string> = {};
  for (const [name, value] of raw.headers) {
    if (typeof value === 'string' && !passing.has(name.toLowerCase()))
      headers[name.toLowerCase()] = clean(value);
  }
  const { finalUrl } = raw;
  return {
    status: raw.status,
    headers: Object.fromEntries(Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1))),
    ...(finalUrl !== undefined && finalUrl !== raw.url && { finalUrl: clean(finalUrl) }),
    ...(raw.body !== undefined && raw.body !== '' && { body: clean(raw.body).slice(0, maxBody) }),
  };
}
