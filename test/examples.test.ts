import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StrategyUnknownError } from '../src/errors.js';
import { createRotator } from '../src/index.js';
import { thrownBy } from './support/thrown-by.js';

const root = resolve(import.meta.dirname, '..');
const folder = 'examples/strategies';

/** Example -> lines of its output, by a text that is in one line, or a pattern. */
const expected: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  '01-round-robin.ts': [
    'all three:       proxy-1 -> proxy-2 -> proxy-3 -> proxy-1 -> proxy-2 -> proxy-3',
    'proxy-2 drained: proxy-1 -> proxy-3 -> proxy-1 -> proxy-3',
    'and back:        proxy-1 -> proxy-2 -> proxy-3 -> proxy-1',
  ],
  '02-random.ts': [
    // 1000 each, and 5 standard deviations of 27 on either side.
    /203\.0\.113\.1 │ (8[7-9]|9|10|11[0-3])\d+ /,
    /203\.0\.113\.4 │ (8[7-9]|9|10|11[0-3])\d+ /,
    /^seed 1 again:.*\(the same\)$/m,
  ],
  '03-weighted.ts': [
    'Weights 3 : 1 : 0',
    /big\.example +│ '7[3-7] %'/,
    /small\.example +│ '2[3-7] %'/,
    /retired\.example +│ '0 %'/,
    /big\.example +│ '(4[7-9]|5[0-3]) %'/,
    /retired\.example +│ '1[4-9] %'/,
  ],
  '04-least-used.ts': [
    'Six in flight over three proxies, most at once on one of them: 2',
    'Most requests first: fast, medium, slow',
  ],
  '05-performance-based.ts': [
    'round-robin, asked most often: all alike',
    'performance-based, asked most often: fast',
    'Mean latency is lower than with round-robin.',
  ],
  '06-session.ts': [
    'event: bound, nowhere -> proxy-1',
    'checkout-17: proxy-1, verdict success',
    'checkout-17: proxy-1, verdict proxy',
    'event: moved, proxy-1 -> proxy-2',
    'Sessions: profile-4 4x, checkout-17 8x',
    'After close: 1',
  ],
  '07-geo-targeted.ts': [
    /says nothing.*'Vienna, AT'/,
    /'country DE' .*'Munich, DE'/,
    /in turn' .*'Frankfurt, DE'/,
    /region hesse' .*'Frankfurt, DE'/,
    /city Austin.*'Austin, US'/,
    /noMatch error' .*'PW_NO_CANDIDATE'/,
    'country JP, noMatch any: Munich, DE',
    'all weight on the US: Austin, US',
  ],
  '08-composite.ts': [
    'German: de-home-1 de-home-2 de-rack de-home-1',
    'German homes: de-home-1 de-home-2 de-home-1 de-home-2',
    'German homes below 5: de-home-2 de-rack de-home-2 de-rack',
    'filters[0].tags: is missing',
  ],
  '09-your-own.ts': [
    'event: round-robin -> cheapest',
    '203.0.113.2, cost 1',
    'event: shaky failed (lost my notes), round-robin served',
    'The strategy "stubborn" chose somebody where there is nobody.',
  ],
  '10-explain.ts': [
    'strategy performance-based, reason strategy',
    /'quick\.example' .*'chosen' .*50 /,
    /'steady\.example' .*'eligible' .*12\.5 /,
    /'banned\.example' .*'excluded' .*'cooldown'/,
    /'broken\.example' .*'excluded' .*'breaker'/,
    /'drained\.example' .*'excluded' .*'drained'/,
    /'abroad\.example' .*'excluded' .*'country'/,
    'acquire() with the same context takes the proxy that was explained',
  ],
  '11-snapshot.ts': [
    /Today.*'fast' │ 6 +│ 6 +│ 'a latency'/s,
    /Today.*'dead' │ 5 +│ 0 +│ 'no latency' │ 'open'/s,
    /Today.*'new' +│ 0 /s,
    'checkout-17 is still with fast',
  ],
};

const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts'));

describe('examples', () => {
  it('health-check.ts finds out which proxies of the lab work, and why the others do not', async () => {
    const { code, stdout, stderr } = await run('examples/health-check.ts');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^13\/13 px_[0-9a-f]{16} (works|fails)$/m);
    for (let n = 1; n <= 5; n++)
      expect(stdout).toMatch(new RegExp(`'good-${n}' +│ true +│ '\\d+' +│ 'elite'`));
    expect(stdout).toMatch(/'portal' +│ false .* 'CHECK_TOKEN'/);
    expect(stdout).toMatch(/'dead-1' +│ false .* 'PW_PROXY_REFUSED'/);
    expect(stdout).toMatch(/'wrong-password' +│ false .* 'PW_PROXY_AUTH'/);
    expect(stdout).toMatch(/'hanging-2' +│ false .* 'PW_FETCH_DEADLINE'/);
    expect(stdout).toContain('5 of 13 work');
    const down = [...stdout.matchAll(/^down: ([a-z]+)/gm)].map((match) => match[1]);
    expect(down.sort()).toEqual([
      'dead',
      'dead',
      'dead',
      'hanging',
      'hanging',
      'portal',
      'resetting',
      'wrong',
    ]);
  });
});

describe('examples/sources.ts', () => {
  it('C-08 follows a list and a file, and starts the second run without asking', async () => {
    const { code, stdout, stderr } = await run('examples/sources.ts');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const line of [
      'server: { added: 3, removed: 0, kept: 0, rejected: 1 }',
      'file: { added: 1, removed: 0, kept: 0, rejected: 0 }',
      'status 200 pool 4',
      'server: { added: 0, removed: 1, kept: 2, rejected: 0 }',
      'The source "server" gave no list of proxies: it is empty.',
      'file: { added: 1, removed: 0, kept: 1, rejected: 0 }',
      'exported 4',
      'pool 4 times asked 0',
    ])
      expect(stdout).toContain(line);
  });
});

describe('examples/scheduled-crawl.ts', () => {
  it('C-08 starts each run with what the run before learned', async () => {
    const { code, stdout, stderr } = await run('examples/scheduled-crawl.ts', 60_000);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('run 1 knows 0 of 6 proxies at its start');
    for (const n of [2, 3]) {
      expect(stdout).toContain(`run ${n} knows 6 of 6 proxies at its start`);
      expect(stdout).toContain(`run ${n}: 30 pages, 30 attempts, 0 of them through bad proxies`);
    }
    expect(stdout).toMatch(/'dead-1' +│ 2 +│ 0 +│ '-' +│ 'open'/);
    expect(stdout).toMatch(/'wrong-password' +│ 2 +│ 0 +│ '-' +│ 'auth-failed'/);
  });
});

describe('examples/clients', () => {
  it.each([
    ['undici.ts', ['20 of 20 pages', 'the session came from 1 address', 'fetch: 200', 'direct: 0']],
    [
      'got-scraping.ts',
      [
        '30 requests from 3 addresses, kept connections: true',
        'the session came from 1 address',
        'a stream of more than 2,000 bytes',
        'direct: 0',
      ],
    ],
    [
      'playwright.ts',
      [
        'context 1: status 200',
        'context 2: status 200',
        'context 3: no page',
        'failed: 1 of 3 proxies',
        'direct: 0',
      ],
    ],
  ])('C-09 %s runs by itself and goes through the pool alone', async (name, lines) => {
    const { code, stdout, stderr } = await run(join('examples/clients', name));
    expect({ code, stderr, lines: stdout.trim().split('\n') }).toEqual({ code: 0, stderr: '', lines });
  });
});

describe('examples/strategies', () => {
  it.concurrent.for(names)('R-50 %s runs by itself and shows what it says', async (name, { expect }) => {
    const { code, stdout, stderr } = await inTurn(() => run(join(folder, name)));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(expected[name], 'what it has to show').toBeDefined();
    for (const line of expected[name] ?? []) {
      if (typeof line === 'string') expect(stdout).toContain(line);
      else expect(stdout).toMatch(line);
    }
  });

  it('R-50 each strategy that has a name has an example, and so do sessions, composition and a plugin', () => {
    const topics = names.map((name) => name.replace(/^\d+-|\.ts$/g, ''));
    expect(topics).toEqual(expect.arrayContaining([...builtIn(), 'your-own', 'explain', 'snapshot']));
    expect(Object.keys(expected)).toEqual(names);
  });

  it('R-50 each strategy that has a name has a page, and the chooser leads to all pages', () => {
    const pages = readdirSync(join(root, 'docs/strategies'));
    expect(pages).toEqual(expect.arrayContaining([...builtIn(), 'your-own'].map((name) => `${name}.md`)));
    const chooser = readFileSync(join(root, 'docs/strategies.md'), 'utf8');
    expect(pages.filter((page) => !chooser.includes(`(strategies/${page})`))).toEqual([]);
  });
});

/** The names that a new engine knows. */
function builtIn(): string[] {
  const error = thrownBy(() => createRotator().setStrategy('no such strategy'));
  if (!(error instanceof StrategyUnknownError)) throw error;
  return error.data.known as string[];
}

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, timeout = 20_000): Promise<Run> {
  // Colours would be in the way, and Node warns where both variables are set.
  const { FORCE_COLOR: _, NO_COLOR: __, ...env } = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', file], { cwd: root, env, timeout });
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

/** Each process starts a compiler: more than three side by side would slow each other down to the time limit. */
const LANES = 3;
const lanes: Promise<unknown>[] = Array.from({ length: LANES }, () => Promise.resolve());
let turn = 0;

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const lane = turn++ % LANES;
  const result = (lanes[lane] ?? Promise.resolve()).then(work);
  lanes[lane] = result.catch(() => {});
  return result;
}
