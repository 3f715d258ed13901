import { stat } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PoolRow } from '../../src/cli/pool-table.js';
import { type Lab, startLab } from '../../src/lab/world.js';
import { parseProxyList } from '../../src/sources/formats.js';
import { CommandHome, heard } from '../support/command-line.js';

interface Pool {
  readonly total: number;
  readonly proxies: readonly PoolRow[];
}

const secret = 'canary-of-the-lab';
let lab: Lab;
let home: CommandHome;
beforeAll(async () => {
  lab = await startLab({
    proxies: [{ credentials: { username: 'me', password: secret } }, { kind: 'socks5' }, { fault: 'dead' }],
    site: { ban: { status: 403, addresses: [] } },
  });
});
afterAll(async () => {
  await lab?.close();
});
beforeEach(async () => {
  home = await CommandHome.create();
  await home.write('list.txt', `${lab.urls.join('\n')}\n`);
});
afterEach(async () => {
  await home[Symbol.asyncDispose]();
});

describe('init', () => {
  it('makes a key for the owner alone and a configuration that names it, and never touches what is there', async () => {
    expect(await home.json(['init'])).toEqual({
      made: ['proxywhirl.key', 'proxywhirl.config.json'],
      kept: [],
    });
    expect((await stat(home.path('proxywhirl.key'))).mode & 0o777).toBe(0o600);
    const key = await home.read('proxywhirl.key');
    await home.write('proxywhirl.config.json', '{ "strategy": "random" }');
    expect(await home.json(['init'])).toEqual({
      made: [],
      kept: ['proxywhirl.key', 'proxywhirl.config.json'],
    });
    expect(await home.read('proxywhirl.key')).toBe(key);
    expect(await home.read('proxywhirl.config.json')).toBe('{ "strategy": "random" }');
  });
});

describe('import, list, export', () => {
  it('with a key, what one command puts in, every later one has: credentials, tags and places', async () => {
    await home.run(['init']);
    await home.write(
      'more.jsonl',
      '{"url":"http://203.0.113.9:8000","tags":["paid"],"geo":{"countryCode":"DE"}}\n{"url":"http://203.0.113.8:8000"}\n',
    );
    expect(await home.run(['import', 'list.txt'])).toMatchObject({ code: 0, stdout: '' });
    expect(await home.json(['import', 'more.jsonl', '--name', 'vendor'])).toMatchObject({
      stored: 2,
      added: 2,
      size: 5,
    });
    const { total, proxies } = await home.json<Pool>(['list']);
    expect(total).toBe(5);
    expect(proxies.find(({ country }) => country === 'DE')).toMatchObject({
      tags: ['paid'],
      source: 'vendor',
    });
    expect((await home.json<Pool>(['list', '--country', 'de', '--tag', 'paid'])).total).toBe(1);
    expect((await home.json<Pool>(['list', '--health', 'open'])).total).toBe(0);

    expect((await home.run(['export', 'out.json', '--credentials'])).code).toBe(0);
    expect((await stat(home.path('out.json'))).mode & 0o777).toBe(0o600);
    const exported = parseProxyList(await home.read('out.json'));
    expect(exported.proxies.map(({ id }) => id).sort()).toEqual(proxies.map(({ proxyId }) => proxyId).sort());

    const bare = await home.run(['export', '--format', 'csv']);
    expect(parseProxyList(bare.stdout).proxies).toHaveLength(5);
    expect(bare.stdout + bare.stderr).not.toContain(secret);
    expect(bare.stderr).toMatch(/1 of them have credentials, which were left out/);
  });

  it('without a key, import says that credentials will be gone, and what to do; ends with 1', async () => {
    const { code, stderr } = await home.run(['import', 'list.txt']);
    expect(stderr).toMatch(/1 proxies have credentials, which are not kept without a key.*proxywhirl init/);
    expect(code).toBe(1);
    expect((await home.json<Pool>(['list'])).total).toBe(2);
  });

  it('names the lines that are no proxies, and takes the others; ends with 1', async () => {
    const input = `203.0.113.7:8000\nhttp://u:${secret}@203.0.113.7:99999\n203.0.113.8:8000\n`;
    const { code, stderr } = await home.run(['import', '-'], { input });
    expect(stderr).toMatch(/2 proxies were stored, 2 of them new[\s\S]*line 2: .*\(G5\)/);
    expect(stderr).not.toContain(secret);
    expect(code).toBe(1);
  });

  it('keeps imported proxies for as long as --ttl says', async () => {
    await home.run(['import', '-', '--ttl', '60'], { input: '203.0.113.7:8000' });
    expect((await home.json<Pool>(['list'])).total).toBe(1);
    expect((await home.call(['import', 'list.txt', '--ttl', '5'])).stderr).toMatch(/whole number from 60/);
  });

  it('escapes what a list could do to a terminal', async () => {
    await home.write('evil.jsonl', '{"url":"http://203.0.113.9:8000","tags":["\\u001b[2J\\u202eevil"]}\n');
    const { stdout } = await home.run(['list', '--no-cache', '--source', 'evil.jsonl']);
    expect(stdout).toContain('?[2J?evil');
    for (const character of ['\u001b', '\u202e']) expect(stdout).not.toContain(character);
  });
});

describe('fetch, stats, explain, warm', () => {
  it('fetches through the pool, and the next command knows how it went', async () => {
    await home.run(['import', '-'], { input: lab.urls.slice(1).join('\n') });
    const { code, stdout, stderr } = await home.run(['fetch', lab.site.httpUrl]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^<!doctype html>/);
    expect(stderr).toMatch(/^200 through socks5:\/\/127\.0\.0\.3:\d+ in \d+ ms, \d attempts, success$/m);
    expect(await home.json(['stats'])).toMatchObject({
      proxies: 2,
      succeeded: 1,
      successRate: expect.any(Number),
    });
    const table = await home.run(['stats']);
    expect(table.stdout).toMatch(/^proxies +2$/m);
  });

  it('sends method, headers and body, from the command line, a file or standard input', async () => {
    const pool = ['--no-cache', '--proxy', lab.urls[1] ?? ''];
    const echo = `${lab.site.httpUrl}/echo`;
    const answer = await home.json<{ status: number; body: string; proxy: { url: string } }>([
      'fetch',
      `${lab.site.httpUrl}/judge`,
      ...pool,
      '-H',
      'x-mine: 1',
    ]);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({ headers: { 'x-mine': '1' }, address: '127.0.0.3' });
    const seen: string[] = [];
    lab.site.on('request', ({ method }) => seen.push(method));
    await home.run(['fetch', echo, ...pool, '-d', 'a=1']);
    await home.run(['fetch', echo, ...pool, '-d', '@-', '-X', 'PUT'], { input: 'b=2' });
    expect(seen).toEqual(['POST', 'PUT']);
  });

  it('ends with 1 when nobody answers, and says why without a credential', async () => {
    const { code, stdout, stderr } = await home.run([
      'fetch',
      lab.site.httpUrl,
      '--no-cache',
      '--proxy',
      `http://me:${secret}@127.0.0.30:1`,
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/PW_FETCH_EXHAUSTED[\s\S]*px_\w+: proxy \(PW_PROXY_REFUSED\)/);
    expect(stderr).not.toContain(secret);
  });

  it('explains a choice: each proxy once, with the reason', async () => {
    const args = ['explain', lab.site.httpUrl, '--no-cache', '--source', 'list.txt'];
    const { chosen, proxies } = await home.json<{ chosen: string; proxies: { status: string }[] }>(args);
    expect(proxies.map(({ status }) => status).sort()).toEqual(['chosen', 'eligible', 'eligible']);
    expect(chosen).toMatch(/^px_/);
    const nobody = await home.run([...args, '--country', 'DE']);
    expect(nobody.code).toBe(1);
    expect(nobody.stdout).toMatch(/excluded +- +country/);
    expect(nobody.stderr).toContain('No proxy may be used');
  });

  it('warms the cache: sources are loaded, proxies checked, and both are there for the next command', async () => {
    const { code, stdout } = await home.run([
      'warm',
      '--source',
      'list.txt',
      '--url',
      lab.site.httpUrl,
      '--timeout',
      '5000',
    ]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/PW_PROXY_REFUSED/);
    const { proxies } = await home.json<Pool>(['list']);
    // The one with credentials is not kept without a key.
    expect(proxies.map(({ succeeded, failed }) => succeeded - failed).sort()).toEqual([-1, 1]);
  });

  it('says what to do about an empty pool', async () => {
    expect(await home.run(['list'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('proxywhirl import LIST'),
    });
    expect((await home.run(['fetch', lab.site.httpUrl])).stderr).toContain('PW_POOL_EMPTY');
  });
});

describe('bench and lab', () => {
  it('bench measures on this machine when no page is named', async () => {
    const { code, stdout } = await home.run(['bench', '--requests', '40', '--concurrency', '4', '--json']);
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({
      code: 0,
      requests: 40,
      failed: 0,
      attemptsPerRequest: 1,
    });
  });

  it('lab runs until Ctrl-C: its proxies can be used meanwhile; ends with 0', async () => {
    const { child, ended } = home.start(['lab', '--proxies', '2', '--json']);
    const { site, proxies } = JSON.parse(await heard(child.stdout, /\n\}\n$/)) as {
      site: { http: string };
      proxies: { url: string }[];
    };
    const got = await home.run(['fetch', site.http, '--no-cache', '--proxy', proxies[1]?.url ?? '']);
    expect(got.code).toBe(0);
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
  });
});
