import { readFile, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckedRow } from '../../src/cli/check-table.js';
import { startFaultProxy } from '../../src/lab/fault-proxy.js';
import { startTargetSite } from '../../src/lab/target-site.js';
import { type Lab, startLab } from '../../src/lab/world.js';
import { CommandHome, heard } from '../support/command-line.js';

interface Report {
  readonly results: readonly CheckedRow[];
  readonly summary: {
    readonly checked: number;
    readonly working: number;
    readonly failed: number;
    readonly rejected: number;
    readonly interrupted: boolean;
    readonly errors: Readonly<Record<string, number>>;
  };
}

const secret = 'canary-of-the-lab';
let home: CommandHome;
let lab: Lab;
let check: string[];
beforeAll(async () => {
  home = await CommandHome.create();
  lab = await startLab({
    proxies: [
      { name: 'slow', latencyMs: 400 },
      { name: 'fast', credentials: { username: 'me', password: secret } },
      { name: 'dead', fault: 'dead' },
      { name: 'refused', credentials: { username: 'me', password: secret }, wrongPassword: true },
      { name: 'portal', fault: { kind: 'portal', redirect: false } },
    ],
  });
  check = ['--url', `${lab.site.httpUrl}/judge`, '--judge', '--token', '"address"'];
  await home.write('all.txt', `${lab.urls.join('\n')}\n# a comment\nno proxy at all:${secret}\n`);
  await home.write('good.txt', lab.urls.slice(0, 2).join('\n'));
});
afterAll(async () => {
  await home?.[Symbol.asyncDispose]();
  await lab?.close();
});

describe('check LIST', () => {
  it('shows who works, how fast, what they give away, and why the others do not; ends with 1', async () => {
    const { code, stdout, stderr } = await home.run(['check', 'all.txt', ...check]);
    const [head, ...rows] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(head).toEqual(['proxy', 'works', 'latency ms', 'anonymity', 'exit address', 'country', 'error']);
    const shown = new Map(
      rows.map(([url = '', works, , anonymity, , , error]) => [new URL(url).port, [works, anonymity, error]]),
    );
    const port = (name: string): string => String(lab.proxy(name).port);
    expect(shown).toEqual(
      new Map([
        [port('fast'), ['yes', 'elite', '-']],
        [port('slow'), ['yes', 'elite', '-']],
        [port('portal'), ['no', '-', 'CHECK_TOKEN']],
        [port('refused'), ['no', '-', 'PW_PROXY_AUTH']],
        [port('dead'), ['no', '-', 'PW_PROXY_REFUSED']],
      ]),
    );
    // Those that work come first, the fastest before all.
    expect(rows.slice(0, 2).map(([url = '']) => new URL(url).port)).toEqual([port('fast'), port('slow')]);
    expect(stderr).toMatch(/^2 of 5 work, median latency [\d.]+ ms \(/m);
    expect(stderr).toMatch(/^Lines that are no proxies: 1\n {2}line 7: .*\(G\d+\)$/m);
    expect(code).toBe(1);
    expect(stdout + stderr).not.toContain(secret);
  });

  it('ends with 0 when all work, and takes a list from standard input', async () => {
    const list = await home.read('good.txt');
    const { code, stdout } = await home.run(['check', '-', ...check, '--json'], {
      input: `${list}\n${list}`,
    });
    const { results, summary } = JSON.parse(stdout) as Report;
    expect(code).toBe(0);
    // Each proxy once, however often the list names it.
    expect(summary).toMatchObject({
      checked: 2,
      working: 2,
      failed: 0,
      rejected: 0,
      interrupted: false,
      errors: {},
    });
    expect(results.map(({ ok, status }) => ({ ok, status }))).toEqual([
      { ok: true, status: 200 },
      { ok: true, status: 200 },
    ]);
    expect(results.map(({ exitAddress }) => exitAddress).sort()).toEqual(['127.0.0.2', '127.0.0.3']);
    expect(stdout).not.toContain(secret);
  });

  it('finds nothing in an empty list: ends with 1, and the document is valid', async () => {
    const { code, stdout } = await home.run(['check', '-', ...check, '--json']);
    expect({ code, ...(JSON.parse(stdout) as Report) }).toMatchObject({
      code: 1,
      results: [],
      summary: { checked: 0 },
    });
  });

  it('writes those that work as a list that can be used, for its owner alone', async () => {
    await home.run(['check', 'all.txt', ...check, '--output', 'working.jsonl']);
    expect((await stat(home.path('working.jsonl'))).mode & 0o777).toBe(0o600);
    const { code, stdout } = await home.run(['check', 'working.jsonl', ...check, '--json']);
    expect({ code, ...(JSON.parse(stdout) as Report).summary }).toMatchObject({ code: 0, checked: 2 });
  });

  it('takes the page, its token and the time of a check from the configuration; a flag wins', async () => {
    await home.write(
      'check.json',
      JSON.stringify({
        health: { check: { url: `${lab.site.httpUrl}/judge`, token: 'nowhere' }, timeoutMs: 5_000 },
      }),
    );
    const config = ['check', 'good.txt', '--config', 'check.json'];
    expect(await home.json(config)).toMatchObject({ summary: { errors: { CHECK_TOKEN: 2 } } });
    expect(await home.json([...config, '--token', '"address"'])).toMatchObject({ summary: { working: 2 } });
    const variable = { env: { PROXYWHIRL_HEALTH_CHECK_EXPECT_STATUS: '204' } };
    expect(await home.json([...config, '--token', '"address"'], variable)).toMatchObject({
      summary: { errors: { CHECK_STATUS: 2 } },
    });
    expect(await home.json([...config, '--token', '"address"', '--timeout', '200'])).toMatchObject({
      summary: { working: 1, errors: { PW_FETCH_DEADLINE: 1 } },
    });
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'stopped by %s it leaves what it found, and a valid document; ends with %d',
    async (signal, exit) => {
      await using hanging = await startFaultProxy({ fault: 'hang', address: '127.0.0.20' });
      const hangers = Array.from(
        { length: 50 },
        (_, i) => `http://u${i}:${secret}@127.0.0.20:${hanging.port}`,
      );
      await home.write('stuck.txt', [...lab.urls.slice(0, 2), ...hangers].join('\n'));
      const { child, ended } = home.start([
        'check',
        'stuck.txt',
        ...check,
        '--concurrency',
        '10',
        '--json',
        '--output',
        'found.txt',
      ]);
      await heard(child.stdout, /"proxyId"[\s\S]*"proxyId"/);
      child.kill(signal);
      const { code, stdout, stderr } = await ended;
      const { results, summary } = JSON.parse(stdout) as Report;
      expect(summary).toMatchObject({ checked: 2, working: 2, interrupted: true });
      expect(results).toHaveLength(2);
      expect((await readFile(home.path('found.txt'), 'utf8')).trim().split('\n')).toHaveLength(2);
      expect(stderr).toContain('2 of 2 work');
      expect(code).toBe(exit);
    },
  );

  it('has no more than --concurrency checks under way, over a list of hundreds', async () => {
    await using site = await startTargetSite();
    // One listener for the addresses of 127/8, so that each line is a proxy of its own.
    await using many = await startFaultProxy({ address: '0.0.0.0', latencyMs: 20 });
    const lines = Array.from({ length: 600 }, (_, i) => {
      const at = `127.1.${Math.floor(i / 200)}.${(i % 200) + 1}`;
      return i % 2 === 0 ? `http://${at}:${many.port}` : `http://${at}:1`;
    });
    await home.write('many.txt', lines.join('\n'));
    let most = 0;
    many.on('request', () => {
      most = Math.max(most, many.stats.openSockets);
    });
    const report = await home.json<Report>([
      'check',
      'many.txt',
      '--url',
      site.httpUrl,
      '--concurrency',
      '20',
    ]);
    expect(report.summary).toMatchObject({ checked: 600, working: 300, errors: { PW_PROXY_REFUSED: 300 } });
    expect(new Set(report.results.map(({ url }) => url)).size).toBe(600);
    // A client and a target socket for each of the twenty, and those that are about to close.
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(80);
  });
});
