/** What every answer in JSON looks like. */
interface Envelope<Data> {
  readonly data: Data;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export const api: string = `${process.env.PROXYWHIRL_URL ?? 'http://127.0.0.1:8000'}/api/v1`;
const key = process.env.PROXYWHIRL_API_KEY;
/** Without a key the server has to listen on loopback. */
export const headers: Record<string, string> = key === undefined ? {} : { 'x-api-key': key };

/** One call of the API: its data, or an error with its code. */
export async function call<Data>(method: string, path: string, body?: unknown): Promise<Data> {
  const response = await fetch(`${api}${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status === 204) return undefined as Data;
  const { data, error } = (await response.json()) as Envelope<Data>;
  // 503 of /health and /ready has data as well.
  if (error !== null) throw new Error(`${response.status} ${error.code}: ${error.message}`);
  return data;
}
