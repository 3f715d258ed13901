import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, startLab } from '../../src/lab/world.js';
import { CommandHome, heard, type Running } from '../support/command-line.js';

const key = 'k'.repeat(32);
let lab: Lab;
let home: CommandHome;
beforeAll(async () => {
  lab = await startLab({ proxies: [{}, { latencyMs: 1_500 }] });
});
afterAll(async () => {
  await lab?.close();
});
beforeEach(async () => {
  home = await CommandHome.create();
});
afterEach(async () => {
  await home[Symbol.asyncDispose]();
});

interface Served extends Running {
  readonly api: string;
  readonly relay: string | null;
}

async function serve(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Served> {
  const running = home.start(['serve', '--port', '0', '--json', ...args], { env });
  const { api, relay } = JSON.parse(await heard(running.child.stdout, /\n\}\n$/)) as Pick<
    Served,
    'api' | 'relay'
  >;
  return { ...running, api, relay };
}

describe('serve', () => {
  it('serves the API and the relay over one pool, and ends with 0 after SIGTERM, the cache written', async () => {
    await home.write('list.txt', lab.urls[0] ?? '');
    await home.run(['import', 'list.txt']);
    const { child, ended, api, relay } = await serve(['--relay', '0']);
    const health = await request(`${api}/api/v1/health`);
    expect(health.statusCode).toBe(200);
    expect(await health.body.json()).toMatchObject({ data: { status: 'healthy' } });
    // A client that knows a proxy at an address, as curl does.
    const through = await viaProxy(relay ?? '', lab.site.httpUrl);
    expect(through).toMatch(/^HTTP\/1\.1 200 /);
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(stderr).toContain('Ending');
    expect(await home.json(['stats'])).toMatchObject({ proxies: 1, succeeded: 1 });
  });

  it('row 44: lets what is under way finish, and takes nobody new', async () => {
    const { child, ended, api, relay } = await serve([
      '--relay',
      '0',
      '--no-cache',
      '--proxy',
      lab.urls[1] ?? '',
    ]);
    const arrived = once(lab.proxies[1] ?? child, 'request');
    const answer = viaProxy(relay ?? '', lab.site.httpUrl);
    await arrived;
    child.kill('SIGTERM');
    await heard(child.stderr, /Ending/);
    expect(await answer).toMatch(/^HTTP\/1\.1 200 /);
    expect((await ended).code).toBe(0);
    await expect(request(`${api}/api/v1/health`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('row 44: ends at once at the second signal', async () => {
    const { child, ended, relay } = await serve(['--relay', '0', '--no-cache', '--proxy', lab.urls[1] ?? '']);
    const arrived = once(lab.proxies[1] ?? child, 'request');
    const answer = viaProxy(relay ?? '', lab.site.httpUrl);
    await arrived;
    child.kill('SIGTERM');
    await heard(child.stderr, /Ending/);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(143);
    expect(await answer).not.toMatch(/^HTTP\/1\.1 200 /);
  });

  it('beyond loopback it takes keys from the environment or the configuration, and asks for them', async () => {
    const pool = ['--host', '0.0.0.0', '--no-cache', '--proxy', lab.urls[0] ?? ''];
    const { child, ended, api } = await serve(pool, { PROXYWHIRL_API_KEYS: `ops=${key}` });
    const url = `http://127.0.0.1:${new URL(api).port}/api/v1/stats`;
    expect((await request(url)).statusCode).toBe(401);
    expect((await request(url, { headers: { 'x-api-key': key } })).statusCode).toBe(200);
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain(key);
  });

  it('has settings of its own in the configuration: host, port, keys with scopes, the relay', async () => {
    await home.write(
      'proxywhirl.config.json',
      JSON.stringify({
        proxies: [lab.urls[0]],
        cache: false,
        serve: { keys: [{ name: 'reader', key, scopes: ['read'] }], relay: { port: 0 } },
      }),
    );
    const { child, ended, api, relay } = await serve([]);
    expect(relay).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const config = {
      method: 'PUT',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: '{}',
    } as const;
    expect((await request(`${api}/api/v1/config`, config)).statusCode).toBe(403);
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
  });

  it.each([
    ['an unknown setting', { hots: 'x' }, /serve\.hots is no option/],
    ['a setting that breaks its rule', { port: -1 }, /serve\.port must be a whole number/],
    ['an unknown setting of the relay', { port: 0, relay: { prot: 1 } }, /serve\.relay\.prot/],
    ['a key that is too short', { keys: ['short-canary'] }, /serve\.keys\.0\.key must be 32 to 256/],
    ['keys that are no list', { keys: { a: 'short-canary' } }, /serve\.keys must be a list/],
  ])('%s in it ends with 2', async (_, section, rule) => {
    await home.write(
      'proxywhirl.config.json',
      JSON.stringify({ proxies: [lab.urls[0]], cache: false, serve: section }),
    );
    const { code, stderr } = await home.run(['serve']);
    expect(stderr).toMatch(rule);
    expect(stderr).not.toContain('canary');
    expect(code).toBe(2);
  });
});

describe('serve keeps what PUT /config is asked to keep', () => {
  interface Config {
    readonly strategy: string;
    readonly timeout: number;
  }
  const kept = '.cache/proxywhirl/config.json';

  /** Serves, sends one change, and says what is in force; ends it. */
  async function configOf(
    args: readonly string[],
    change: object | null,
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly data: Config; readonly status: number; readonly stderr: string }> {
    const { child, ended, api } = await serve(['--proxy', lab.urls[0] ?? '', ...args], env);
    const url = `${api}/api/v1/config`;
    const { statusCode: status } = await request(
      url,
      change === null
        ? {}
        : { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(change) },
    ).then(async (answer) => {
      await answer.body.dump();
      return answer;
    });
    const { data } = (await (await request(url)).body.json()) as { data: Config };
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    return { data, status, stderr };
  }

  it('A-41 a restart keeps it; a flag and a variable win over it, and it wins over the configuration', async () => {
    await home.write(
      'proxywhirl.config.json',
      JSON.stringify({ strategy: 'weighted', serve: { timeout: 11, maxRetries: 1 } }),
    );
    const change = { strategy: 'random', timeout: 12, persist: true };
    expect(await configOf([], change)).toMatchObject({ status: 200 });
    expect(JSON.parse(await home.read(kept))).toEqual({ strategy: 'random', timeout: 12 });
    expect((await stat(home.path(kept))).mode & 0o777).toBe(0o600);
    const again = await configOf([], { maxRetries: 4, persist: true });
    expect(again.data).toMatchObject({ strategy: 'random', timeout: 12, maxRetries: 4 });
    expect(JSON.parse(await home.read(kept))).toEqual({ strategy: 'random', timeout: 12, maxRetries: 4 });
    const flag = await configOf(['--strategy', 'least-used', '--set', 'serve.timeout=13'], null);
    expect(flag.data).toMatchObject({ strategy: 'least-used', timeout: 13, maxRetries: 4 });
    const variable = await configOf([], null, { PROXYWHIRL_STRATEGY: 'round-robin' });
    expect(variable.data).toMatchObject({ strategy: 'round-robin', timeout: 12 });
  });

  it.each([
    ['no JSON', '{"timeout": 12'],
    ['a value that breaks its rule', '{"timeout": 301}'],
    ['a strategy that nobody knows', '{"strategy":"nope"}'],
    ['more than may be kept', '{"keys":[],"timeout":12}'],
  ])('A-41 %s in it is a warning, has no effect, and is left alone', async (_what, text) => {
    await mkdir(dirname(home.path(kept)), { recursive: true });
    await home.write(kept, text);
    const { data, status, stderr } = await configOf([], { timeout: 14, persist: true });
    expect(stderr).toMatch(/warning: .*config\.json/);
    expect([data.strategy, data.timeout, status]).toEqual(['round-robin', 30, 409]);
    expect(await home.read(kept)).toBe(text);
  });

  it('A-41 without the cache nothing is kept, and it says so', async () => {
    expect(await configOf(['--no-cache'], { timeout: 14, persist: true })).toMatchObject({ status: 409 });
  });
});

describe('serve whose readers leave', () => {
  it('goes on without its log', async () => {
    const { child, ended, api } = await serve(['--no-cache', '--proxy', lab.urls[0] ?? '']);
    // Its reader leaves, as `2>&1 | head` does.
    ended.catch(() => {});
    child.stderr.destroy();
    const left = once(child, 'exit');
    const change = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"timeout":9}' };
    for (let i = 0; i < 3; i++)
      expect((await request(`${api}/api/v1/config`, change as never)).statusCode).toBe(200);
    child.kill('SIGTERM');
    expect(await left).toEqual([0, null]);
  });

  it('--quiet writes no line for each change', async () => {
    for (const [flags, lines] of [
      [[], 1],
      [['--quiet'], 0],
    ] as const) {
      const { child, ended, api } = await serve(['--no-cache', '--proxy', lab.urls[0] ?? '', ...flags]);
      await request(`${api}/api/v1/config`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: '{"timeout":9}',
      });
      child.kill('SIGTERM');
      expect((await ended).stderr.match(/"event":"config"/g) ?? []).toHaveLength(lines);
    }
  });
});

/** The answer to a GET as a client of a forward proxy sends it. */
async function viaProxy(proxy: string, url: string): Promise<string> {
  const { hostname, port } = new URL(proxy);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {
    // Cut off: the answer is what came before.
  });
  socket.write(`GET ${url}/ HTTP/1.1\r\nhost: ${new URL(url).host}\r\nconnection: close\r\n\r\n`);
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  await once(socket, 'close');
  return answer;
}
