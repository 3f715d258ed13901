import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { variables } from '../../src/cli/environment.js';
import { exitCode } from '../../src/cli/exit-code.js';
import { CommandHome } from '../support/command-line.js';
import { readManifest } from '../support/packed-package.js';

const commands = [
  'init',
  'import',
  'export',
  'check',
  'warm',
  'list',
  'stats',
  'explain',
  'fetch',
  'bench',
  'serve',
  'lab',
];
const secret = 'hunter2-canary';

let home: CommandHome;
beforeAll(async () => {
  home = await CommandHome.create();
});
afterAll(async () => {
  await home?.[Symbol.asyncDispose]();
});

describe('help', () => {
  it('names every command, and what the exit codes and the order of settings are', async () => {
    const { code, stdout, stderr } = await home.call(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(stdout).toMatch(/Exit codes: 0 .*1 .*2 [\s\S]*130 Ctrl-C/);
    expect(stdout).toContain('flags win over PROXYWHIRL_*');
  });

  it.each(commands)('of %s has examples and --json', async (name) => {
    const { code, stdout } = await home.call([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^  \\$ proxywhirl ${name}`, 'm'));
    expect(stdout).toContain('--json');
  });

  it('is what docs/cli.md says: every command, and every exit code', async () => {
    const page = await readFile('docs/cli.md', 'utf8');
    const documented = [...page.matchAll(/^\| `proxywhirl (\w+)/gm)].map(([, name]) => name);
    expect(documented.sort()).toEqual([...commands].sort());
    const codes = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(exitCode));
    for (const [variable, option] of variables())
      if (option.startsWith('serve.')) expect(page).toContain(`\`${variable}\``);
  });

  it('says the version of the package', async () => {
    expect((await home.run(['--version'])).stdout).toBe(`${(await readManifest()).version}\n`);
  });
});

describe('wrong usage ends with 2, says the rule on stderr, and repeats no value', () => {
  const url = `http://user:${secret}@203.0.113.7:8000`;
  it.each<[string, string[], RegExp]>([
    ['no such command', [url], /unknown command/],
    ['no such flag', ['list', `--proxies=${url}`], /unknown option/],
    ['a flag that is glued to a secret', ['list', `--${secret}`], /unknown option/],
    ['a number that is none', ['serve', '--port', url], /whole number from 0 to 65535/],
    ['a choice that is none', ['list', '--health', url], /Allowed choices are closed, open/],
    ['an argument too much', ['list', url], /too many arguments/],
    ['an argument too few', ['check'], /missing required argument/],
    ['a proxy in the place of a list', ['check', url, '--url', 'http://127.0.0.1/'], /LIST is a file/],
    [
      'a list that is not there',
      ['check', 'absent.txt', '--url', 'http://127.0.0.1/'],
      /absent\.txt.*ENOENT/,
    ],
    ['a folder for a list', ['import', '.'], /is a folder/],
    ['a proxy that is none', ['list', '--no-cache', '--proxy', `${secret}@@`], /proxies/],
    ['no proxies at all', ['list', '--no-cache'], /There are no proxies/],
    ['a strategy that is none', ['list', '--strategy', 'fastest', '--proxy', url], /known: .*round-robin/],
    [
      'an option that is none',
      ['list', '--set', 'braker.threshold=3', '--proxy', url],
      /braker.*is no option.*--set/,
    ],
    [
      'a value that breaks its rule',
      ['list', '--set', 'breaker.threshold=-3'],
      /breaker\.threshold.*set by --set/,
    ],
    ['an assignment that is none', ['list', '--set', secret], /name=value/],
    ['a header that is none', ['fetch', 'http://127.0.0.1/', '--proxy', url, '-H', secret], /name: value/],
    [
      'a check URL with credentials',
      ['check', 'x', '--url', url],
      /health\.check\.url must be .*without credentials.*--url/,
    ],
    ['a list of unknown kind', ['export', 'out.xlsx'], /\.txt, \.json, \.jsonl or \.csv/],
    [
      'listening for everybody without a key',
      ['serve', '--host', '0.0.0.0', '--port', '0'],
      /serve\.keys are needed/,
    ],
    ['a configuration that is not there', ['list', '--config', 'absent.json'], /absent\.json does not exist/],
  ])('%s', async (_, args, rule) => {
    const { code, stdout, stderr } = await home.call(args);
    expect(stderr).toMatch(rule);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toContain(secret);
    expect(stderr).toMatch(/^proxywhirl: /);
  });

  it('a check without a page says that there is no default, and why', async () => {
    const { code, stderr } = await home.call(['check', '-'], { input: '203.0.113.7:8000' });
    expect(code).toBe(2);
    expect(stderr).toMatch(/--url URL.*There is no default.*third party/);
  });
});
