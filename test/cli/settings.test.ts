import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { variables } from '../../src/cli/environment.js';
import { optionNames } from '../../src/options.js';
import { CommandHome } from '../support/command-line.js';

const secret = 'hunter2-canary';
const proxy = 'http://203.0.113.7:8000';

let home: CommandHome;
beforeEach(async () => {
  home = await CommandHome.create();
});
afterEach(async () => {
  await home[Symbol.asyncDispose]();
});

/** The strategy that `stats` has at the end. */
async function strategyOf(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout, stderr } = await home.call(['stats', '--json', '--no-cache', '--proxy', proxy, ...args], {
    env,
  });
  if (stdout === '') throw new Error(stderr);
  return (JSON.parse(stdout) as { strategy: string }).strategy;
}

describe('where settings come from', () => {
  it('flags win over the environment, this over the configuration, this over defaults', async () => {
    expect(await strategyOf([])).toBe('round-robin');
    await home.write('proxywhirl.config.json', '{ "strategy": "random" }');
    expect(await strategyOf([])).toBe('random');
    const env = { PROXYWHIRL_STRATEGY: 'least-used' };
    expect(await strategyOf([], env)).toBe('least-used');
    expect(await strategyOf(['--strategy', 'weighted'], env)).toBe('weighted');
    expect(await strategyOf(['--strategy', 'weighted', '--set', 'strategy=performance-based'], env)).toBe(
      'performance-based',
    );
  });

  it.each([
    ['proxywhirl.config.json', '{ "strategy": "random" }'],
    ['proxywhirl.config.js', 'export default { strategy: "random" };'],
    [
      'proxywhirl.config.ts',
      'import type { ProxyWhirlOptions } from "proxywhirl";\nconst options: ProxyWhirlOptions = { strategy: "random" };\nexport default options;',
    ],
  ])('reads %s', async (name, content) => {
    await home.write(name, content);
    expect(await strategyOf([])).toBe('random');
  });

  it('reads the file that --config or PROXYWHIRL_CONFIG names, and not the other one', async () => {
    await home.write('proxywhirl.config.json', '{ "strategy": "random" }');
    await home.write('other.json', '{ "strategy": "weighted" }');
    expect(await strategyOf(['--config', 'other.json'])).toBe('weighted');
    expect(await strategyOf([], { PROXYWHIRL_CONFIG: 'other.json' })).toBe('weighted');
  });

  it('keeps objects of a configuration as they are: a strategy of one’s own', async () => {
    await home.write(
      'proxywhirl.config.js',
      'class Mine { name = "mine"; choose(candidates) { return candidates.at(0); } }\nexport default { strategy: new Mine() };',
    );
    expect(await strategyOf([])).toBe('mine');
  });

  it('reads numbers, flags and lists from variables', async () => {
    const env = { PROXYWHIRL_PROXIES: '203.0.113.7:8000, 203.0.113.8:8000', PROXYWHIRL_CACHE: 'false' };
    const { stdout } = await home.call(['list', '--json'], { env });
    expect((JSON.parse(stdout) as { total: number }).total).toBe(2);
    const broken = await home.call(['list'], { env: { ...env, PROXYWHIRL_BREAKER_THRESHOLD: '-1' } });
    expect(broken.stderr).toMatch(/breaker\.threshold.*set by PROXYWHIRL_BREAKER_THRESHOLD/);
  });

  it('has a variable of its own for each option that can be written as text', () => {
    const options = [...variables().values()];
    expect(new Set(options).size).toBe(options.length);
    const missing = optionNames().filter((name) => !options.includes(name));
    expect(missing.sort()).toEqual(['clock', 'classify', 'random'].sort());
  });

  it('warns of a variable that is no setting, and not of those that Kubernetes sets', async () => {
    const env = {
      PROXYWHIRL_STRATEGIE: secret,
      PROXYWHIRL_PORT: 'tcp://10.0.0.1:8000',
      PROXYWHIRL_SERVICE_HOST: '10.0.0.1',
      PROXYWHIRL_PORT_8000_TCP_ADDR: '10.0.0.1',
    };
    const { code, stderr } = await home.call(['stats', '--no-cache', '--proxy', proxy], { env });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'warning: PROXYWHIRL_STRATEGIE is no setting and has no effect.\n',
    });
  });
});

describe('a configuration that is wrong', () => {
  it.each([
    [
      'JSON that is none',
      'proxywhirl.config.json',
      `{ "proxies": ["http://u:${secret}@h:1"],, }`,
      /well-formed.*48|well-formed.*character/,
    ],
    [
      'a module that is none',
      'proxywhirl.config.ts',
      `export default { proxies: ["${secret}"`,
      /not well-formed \(line 1/,
    ],
    [
      'a module that throws',
      'proxywhirl.config.js',
      `throw new TypeError("${secret}");`,
      /failed with TypeError/,
    ],
    [
      'a module that imports what is not there',
      'proxywhirl.config.js',
      `import "${secret}";`,
      /cannot be loaded/,
    ],
    ['a list', 'proxywhirl.config.json', `["${secret}"]`, /must export one object/],
    ['an unknown option', 'proxywhirl.config.json', `{ "${secret}": 1 }`, /is no option/],
    [
      'a value that breaks its rule',
      'proxywhirl.config.json',
      `{ "waitMs": "${secret}" }`,
      /waitMs.*set by proxywhirl\.config\.json/,
    ],
    [
      'a proxy that is none',
      'proxywhirl.config.json',
      `{ "proxies": ["http://u:${secret}@h:99999999"] }`,
      /G5/,
    ],
  ])('%s: ends with 2, says where, and repeats nothing of it', async (_, name, content, rule) => {
    // Without one, that there is no proxy is all that is said.
    const more = content.includes('proxies') ? [] : ['--proxy', proxy];
    await home.write(name, content);
    const { code, stdout, stderr } = await home.call(['list', '--no-cache', ...more]);
    expect(stderr).toMatch(rule);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toContain(secret);
  });

  it('is not looked for in parent folders, rc files or .env', async () => {
    await home.write('.proxywhirlrc', 'strategy=random');
    await home.write('.env', 'PROXYWHIRL_STRATEGY=random');
    await home.write('package.json', '{ "proxywhirl": { "strategy": "random" } }');
    expect(await strategyOf([])).toBe('round-robin');
  });
});
