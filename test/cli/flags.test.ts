import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, startLab } from '../../src/lab/world.js';
import { CommandHome, heard } from '../support/command-line.js';

let lab: Lab;
let home: CommandHome;
beforeAll(async () => {
  lab = await startLab({ proxies: [{}, { latencyMs: 1_500 }, { fault: 'dead' }] });
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

/** Three proxies that nobody connects to, told apart by what a wish can name. */
const tagged = [
  { url: 'http://203.0.113.1:80', country: 'DE', tags: ['fast', 'home'] },
  { url: 'http://203.0.113.2:80', country: 'DE', tags: ['fast'] },
  { url: 'http://203.0.113.3:80', country: 'FR', tags: ['home'] },
];

async function pool(): Promise<readonly string[]> {
  await home.write('pool.jsonl', tagged.map((line) => JSON.stringify(line)).join('\n'));
  return ['--no-cache', '--source', home.path('pool.jsonl')];
}

/** Last parts of the addresses. */
const numbers = (proxies: readonly { readonly url: string }[]): number[] =>
  proxies.map(({ url }) => Number(/\.(\d+):/.exec(url)?.[1])).sort();

describe('flags that choose among the proxies', () => {
  it.each([
    [
      ['--country', 'de'],
      [1, 2],
    ],
    [
      ['--tag', 'home'],
      [1, 3],
    ],
    [['--health', 'open'], []],
  ])('list %j', async (flags, left) => {
    const { stdout } = await home.call(['list', '--json', ...(await pool()), ...flags]);
    expect(numbers(JSON.parse(stdout).proxies)).toEqual(left);
  });

  it.each([
    [
      ['--country', 'DE'],
      [1, 2],
    ],
    [['--tag', 'fast', '--tag', 'home'], [1]],
  ])('explain %j', async (flags, left) => {
    const { stdout } = await home.call(['explain', '--json', ...(await pool()), ...flags]);
    const { proxies } = JSON.parse(stdout) as { proxies: { url: string; status: string }[] };
    expect(numbers(proxies.filter(({ status }) => status !== 'excluded'))).toEqual(left);
  });

  it.each([['explain'], ['fetch']])('%s --session takes the session’s own', async (command) => {
    const { stderr } = await home.call([
      command,
      'http://example.com/',
      ...(await pool()),
      '--session',
      'a b',
    ]);
    expect(stderr).toContain('PW_SESSION_INVALID');
  });

  it.each([
    [['--country', 'SE'], 'country'],
    [['--tag', 'none'], 'tag'],
  ])('fetch %j', async (flags, why) => {
    const { code, stderr } = await home.call(['fetch', 'http://example.com/', ...(await pool()), ...flags]);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`PW_NO_CANDIDATE.*${why}`));
  });
});

describe('flags of fetch', () => {
  it('--deadline ends it', async () => {
    const slow = ['--no-cache', '--proxy', lab.urls[1] ?? ''];
    const { code, stderr } = await home.call(['fetch', lab.site.httpUrl, ...slow, '--deadline', '200']);
    expect(code).toBe(1);
    expect(stderr).toContain('PW_FETCH_DEADLINE');
  });

  it('--attempts is how many proxies are tried', async () => {
    const dead = ['--no-cache', ...[31, 32, 33].flatMap((n) => ['--proxy', `http://127.0.0.${n}:1`])];
    for (const attempts of [1, 2]) {
      const { stderr } = await home.call([
        ...['fetch', lab.site.httpUrl, ...dead],
        ...['--attempts', String(attempts)],
      ]);
      expect(stderr.match(/PW_PROXY_REFUSED/g)).toHaveLength(attempts);
    }
  });

  it('--output writes the body into a file, and nothing to stdout', async () => {
    const { stdout } = await home.call([
      ...['fetch', `${lab.site.httpUrl}/judge`, '--no-cache', '--proxy', lab.urls[0] ?? ''],
      ...['--output', 'body.json'],
    ]);
    expect(stdout).toBe('');
    expect(JSON.parse(await home.read('body.json'))).toHaveProperty('address', '127.0.0.2');
  });
});

describe('flags of check', () => {
  const check = async (...flags: string[]) => {
    const { stdout } = await home.call(['check', '-', '--json', ...flags], { input: lab.urls[0] ?? '' });
    return JSON.parse(stdout).results[0] as Record<string, unknown>;
  };

  it('--expect-status is the status that the page must have', async () => {
    const url = ['--url', `${lab.site.httpUrl}/judge`];
    expect(await check(...url, '--expect-status', '200')).toMatchObject({ ok: true });
    expect(await check(...url, '--expect-status', '204')).toMatchObject({ ok: false, error: 'CHECK_STATUS' });
  });

  it('--judge-url is another page, and tells anonymity; --own-address is what a transparent proxy gives away', async () => {
    const url = ['--url', lab.site.httpUrl];
    expect(await check(...url)).toMatchObject({ ok: true, anonymity: null });
    const elite = [...url, '--judge-url', `${lab.site.httpUrl}/judge`];
    expect(await check(...elite)).toMatchObject({ exitAddress: '127.0.0.2', anonymity: 'elite' });
    const seen = { address: '198.51.100.9', headers: { 'x-forwarded-for': '198.51.100.20' } };
    const judge = createServer((_, response) => response.end(JSON.stringify(seen)));
    judge.listen(0, '127.0.0.1');
    await once(judge, 'listening');
    const shown = [...url, '--judge-url', `http://127.0.0.1:${(judge.address() as AddressInfo).port}/`];
    expect(await check(...shown)).toMatchObject({ anonymity: null });
    expect(await check(...shown, '--own-address', '198.51.100.20')).toMatchObject({
      anonymity: 'transparent',
    });
    judge.closeAllConnections();
    judge.close();
  });
});

describe('flags that say where things are', () => {
  it('--cache-dir and --key-file: the pool is there with its credentials, and nowhere else', async () => {
    await home.call(['init']);
    await home.write('proxywhirl.config.json', '{}');
    const there = ['--cache-dir', 'there', '--key-file', 'proxywhirl.key'];
    const input = 'http://user:word@203.0.113.7:8000';
    expect((await home.run(['import', '-', '--name', 'vendor', ...there], { input })).code).toBe(0);
    const { stdout } = await home.run(['export', '--credentials', ...there]);
    expect(stdout.trim()).toBe(input);
    const named = { total: 1, proxies: [{ source: 'vendor' }] };
    expect(await home.json(['list', ...there])).toMatchObject(named);
    expect(await home.json(['list'])).toMatchObject({ total: 0 });
  });
});

describe('flags of lab', () => {
  it('--banned adds a proxy that the site has banned', async () => {
    const { child, ended } = home.start(['lab', '--proxies', '1', '--banned', '--seed', '7', '--json']);
    const { site, proxies } = JSON.parse(await heard(child.stdout, /\n\}\n$/)) as {
      site: { http: string };
      proxies: { name: string; url: string }[];
    };
    expect(proxies.map(({ name }) => name)).toEqual([expect.any(String), 'banned']);
    const got = await home.call(['fetch', site.http, '--no-cache', '--proxy', proxies[1]?.url ?? '']);
    expect(got).toMatchObject({ code: 1, stderr: expect.stringContaining('banned') });
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
  });
});

describe('what cannot be meant', () => {
  it.each(['no url', 'ftp://example.com/', 'http://me:hunter2-canary@example.com/'])(
    'explain %s ends with 2, and repeats nothing',
    async (url) => {
      const { code, stdout, stderr } = await home.call(['explain', url, ...(await pool())]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).not.toContain('canary');
    },
  );
});
