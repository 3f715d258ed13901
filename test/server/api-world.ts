import type { LookupFunction } from 'node:net';
import { type ProxyWhirl, type ProxyWhirlOptions, proxywhirl } from '../../src/index.js';
import { type Lab, type LabOptions, startLab } from '../../src/lab/index.js';
import type { ApiOptions } from '../../src/server/api-options.js';
import { type ApiApp, createApp } from '../../src/server/app.js';

/** An answer of the API, and what is in its envelope. */
export interface ApiAnswer<Data = never> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly data: Data;
  readonly error: { readonly code: string; readonly message: string; readonly details: unknown };
}

/** A lab, an engine over its proxies, and the API over the engine, without a port. */
export interface ApiWorld extends AsyncDisposable {
  readonly lab: Lab;
  readonly whirl: ProxyWhirl;
  readonly app: ApiApp;
  call<Data = never>(method: string, path: string, body?: unknown): Promise<ApiAnswer<Data>>;
}

export interface ApiWorldOptions {
  readonly lab?: LabOptions;
  readonly engine?: Partial<ProxyWhirlOptions>;
  readonly api?: ApiOptions;
}

/** Says of every name that it is this address. */
export function namesAre(...addresses: readonly string[]): LookupFunction {
  return (_host, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
}

/** Everything is allowed that a lab needs, and limits are out of the way, unless a test says otherwise. */
export async function startApi({ lab, engine, api }: ApiWorldOptions = {}): Promise<ApiWorld> {
  const world = await startLab({ proxies: 3, ...lab });
  const whirl = proxywhirl({ proxies: [...world.urls], ...engine });
  const app = createApp({
    whirl,
    allowPrivateTargets: true,
    allowPrivateProxies: true,
    rateLimits: { perMinute: 100_000, requestsPerMinute: 100_000 },
    ...api,
  });
  return {
    lab: world,
    whirl,
    app,
    call: (method, path, body) => callApi(app, method, path, body),
    async [Symbol.asyncDispose]() {
      app.close();
      await whirl.close();
      await world.close();
    },
  };
}

export async function callApi<Data = never>(
  app: ApiApp,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer<Data>> {
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const request = new Request(`http://localhost/api/v1${path}`, {
    method,
    ...json,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
  });
  const response = await app(request);
  const text = await response.text();
  const envelope = text === '' ? {} : JSON.parse(text);
  return {
    status: response.status,
    headers: response.headers,
    text,
    data: envelope.data,
    error: envelope.error,
  };
}
