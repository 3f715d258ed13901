import { spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProxyWhirl, proxywhirl } from '../../src/index.js';
import { type Lab, startLab } from '../../src/lab/index.js';
import { type ApiServer, serve } from '../../src/server/index.js';

const root = resolve(import.meta.dirname, '../..');
const key = 'canary-key-0123456789-abcdefghijklmnop';

let lab: Lab;
let spare: Lab;
let whirl: ProxyWhirl;
let server: ApiServer;
/** `GET /api/v1/health`, by the language of the example that asked. */
const asked = { ts: new Set<string>(), sh: new Set<string>() };
let language: keyof typeof asked = 'ts';

const onRequest = (message: unknown): void => {
  const { request } = message as { request: IncomingMessage };
  if (request.socket.localPort !== Number(new URL(server.url).port)) return;
  asked[language].add(`${request.method} ${request.url?.split('?')[0]}`);
};

beforeAll(async () => {
  lab = await startLab({ proxies: 3 });
  spare = await startLab({ proxies: 1 });
  whirl = proxywhirl({ proxies: [...lab.urls] });
  server = await serve({
    whirl,
    port: 0,
    keys: [{ name: 'examples', key }],
    allowPrivateTargets: true,
    allowPrivateProxies: true,
  });
  subscribe('http.server.request.start', onRequest);
});

afterAll(async () => {
  unsubscribe('http.server.request.start', onRequest);
  await server.close();
  await whirl.close();
  await lab.close();
  await spare.close();
});

function run(name: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { FORCE_COLOR: _, NO_COLOR: __, ...env } = process.env;
  const [command, ...args] = name.endsWith('.sh') ? ['sh'] : [process.execPath, '--import', 'tsx'];
  const child = spawn(String(command), [...args, `examples/api/${name}`], {
    cwd: root,
    env: {
      ...env,
      PROXYWHIRL_URL: server.url,
      PROXYWHIRL_API_KEY: key,
      TARGET_URL: `${lab.site.httpUrl}/ip`,
      NEW_PROXY: spare.urls[0],
    },
    timeout: 100_000,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

describe('examples/api, over a real port', () => {
  it.each([
    ['proxied-requests.ts', ['GET: 200', 'attempts: 1', 'POST: 200', 'the session used 1 proxy']],
    [
      'pool.ts',
      [
        'tagged "new": 1, the first is healthy',
        'tested: reachable',
        'changed: disabled',
        'seen: disabled',
        'left: 0',
      ],
    ],
    [
      'monitoring.ts',
      [
        'health: healthy, ready: true',
        'status: 3 of 3 proxies by round-robin',
        'event: selected',
        'event: settled',
      ],
    ],
    ['configuration.ts', ['before: round-robin, 30 s', 'after: random, 10 s, 2 retries']],
    ['proxied-requests.sh', ['"statusCode":200', '"attempts":1']],
    ['pool.sh', ['"status":"disabled"', '"status":"reachable"', '"tags":["spare"]', 'removed px_']],
    ['monitoring.sh', ['"ready":true', '# TYPE ', '"openapi":"3.1']],
    ['configuration.sh', ['"strategy":"random"', '"timeout":10']],
  ] as const)('A-51 %s does what it says', async (name, lines) => {
    language = name.endsWith('.sh') ? 'sh' : 'ts';
    const { code, stdout, stderr } = await run(name);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const line of lines) expect(stdout).toContain(line);
    expect(stdout).not.toContain(key);
  });

  it.each(['ts', 'sh'] as const)(
    'A-51 every operation of the OpenAPI document is in a %s example',
    async (of) => {
      const response = await fetch(`${server.url}/openapi.json`, { headers: { 'x-api-key': key } });
      const { paths } = (await response.json()) as { paths: Record<string, Record<string, unknown>> };
      const operations = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods)
          .filter((method) => /^(?:get|post|put|patch|delete)$/.test(method))
          .map((method) => ({ method: method.toUpperCase(), path })),
      );
      expect(operations.length).toBeGreaterThanOrEqual(15);
      const missing = operations.filter(({ method, path }) => {
        const full = `${method} ${path.startsWith('/api/') ? path : `/api/v1${path}`}`;
        const pattern = new RegExp(`^${full.replaceAll(/\{\w+\}/g, 'px_[0-9a-f]{16}')}$`);
        return ![...asked[of]].some((one) => pattern.test(one));
      });
      expect(missing).toEqual([]);
    },
  );
});
