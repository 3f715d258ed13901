import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { validate } from 'dockerfile-utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Lab, startLab } from '../../src/lab/world.js';
import { CommandHome, heard } from '../support/command-line.js';
import { readManifest } from '../support/packed-package.js';

interface Service {
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly read_only: boolean;
}

const text = await readFile('Dockerfile', 'utf8');
/** Lines that go on with a backslash are one; comments are none. */
const instructions = text
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .flatMap((line) => {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    return name === undefined || rest === undefined ? [] : [{ name, rest }];
  });
const all = (name: string): string[] => instructions.flatMap((one) => (one.name === name ? [one.rest] : []));
const last = (name: string): string => all(name).at(-1) ?? '';
const list = (json: string): string[] => JSON.parse(json) as string[];
const health = list(last('HEALTHCHECK').replace(/^.* CMD /, ''));
const compose = parse(await readFile('compose.yaml', 'utf8')) as {
  readonly services: { readonly proxywhirl: Service };
  readonly volumes: Readonly<Record<string, unknown>>;
};
const service = compose.services.proxywhirl;
const ignored = (await readFile('.dockerignore', 'utf8')).split('\n').filter((line) => /^[^#]/.test(line));

let home: CommandHome;
let lab: Lab;
beforeAll(async () => {
  home = await CommandHome.create();
  lab = await startLab({ proxies: 1 });
});
afterAll(async () => {
  await home?.[Symbol.asyncDispose]();
  await lab?.close();
});

describe('the Dockerfile', () => {
  it('A-50 satisfies a linter', () => {
    expect(validate(text)).toEqual([]);
  });

  it('A-50 copies what exists, and what .dockerignore lets through', () => {
    const sources = all('COPY')
      .filter((rest) => !rest.startsWith('--from'))
      .flatMap((rest) => rest.split(' ').slice(0, -1));
    expect(sources.length).toBeGreaterThan(5);
    expect(sources.filter((source) => !existsSync(source))).toEqual([]);
    expect(ignored[0]).toBe('*');
    expect(new Set(ignored.slice(1))).toEqual(new Set(sources.map((source) => `!${source}`)));
  });

  it('A-50 copies from stages what they make', async () => {
    const made = all('COPY').filter((rest) => rest.startsWith('--from'));
    expect(made).toEqual([
      '--from=modules /modules/node_modules /app/node_modules',
      '--from=build /build/dist /app/dist',
    ]);
    const stages = all('FROM').map((rest) => rest.split(' AS ')[1]);
    expect(stages).toEqual(['build', 'modules', undefined]);
    const { scripts } = await readManifest();
    const called = /node (scripts\/\S+)/g;
    for (const [, script] of (scripts.build ?? '').matchAll(called)) expect(text).toContain(`COPY ${script}`);
  });

  it('A-50 runs the command of the package as another user than root, who owns the one folder that is written', async () => {
    const { bin } = await readManifest();
    expect(list(last('ENTRYPOINT'))).toEqual(['node', `/app/${bin.proxywhirl}`]);
    expect(last('USER')).toBe('node');
    expect(text).toContain('chown node:node /data');
    expect(last('VOLUME')).toBe('/data');
    expect(all('ENV').find((rest) => rest.startsWith('PROXYWHIRL_CACHE_DIR'))).toBe(
      'PROXYWHIRL_CACHE_DIR=/data/cache',
    );
  });

  it('A-50 has one port: exposed, listened at, asked for its health, and published', () => {
    expect(last('EXPOSE')).toBe('8000');
    expect(list(last('CMD')).slice(-2)).toEqual(['--port', '8000']);
    expect(health.at(-1)).toContain('http://127.0.0.1:8000/api/v1/health');
    expect(service.ports).toEqual(['127.0.0.1:8000:8000']);
  });
});

describe('compose.yaml', () => {
  it('A-50 keeps the data in a volume, the root read-only, and asks for the health as the image does', () => {
    expect(service.volumes).toEqual(['data:/data']);
    expect(compose.volumes).toHaveProperty('data');
    expect(service.read_only).toBe(true);
    expect(service.healthcheck.test).toEqual(['CMD', ...health]);
  });

  it('sets variables that exist, and insists on a key', async () => {
    expect(service.environment.PROXYWHIRL_API_KEYS).toMatch(/:\?/);
    const env = Object.fromEntries(Object.keys(service.environment).map((name) => [name, '']));
    const named = await home.call(['list', '--no-cache', '--proxy', '203.0.113.7:80'], {
      env: { ...env, PROXYWHIRL_HOSTS: 'proxywhirl', PROXYWHIRL_SOURCES: '' },
    });
    expect(named).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('what the image runs', () => {
  it('A-50 row 44: starts with its variables, is healthy, writes into its folder only, and drains on SIGTERM', async () => {
    await home.write('list.txt', lab.urls.join('\n'));
    const args = list(last('CMD')).map((arg) => (arg === '8000' ? '0' : arg));
    const { child, ended } = home.start([...args, '--json'], {
      env: {
        PROXYWHIRL_CACHE_DIR: home.path('cache'),
        PROXYWHIRL_API_KEYS: 'k'.repeat(32),
        PROXYWHIRL_HOSTS: 'proxywhirl',
        PROXYWHIRL_SOURCES: home.path('list.txt'),
      },
    });
    const { api } = JSON.parse(await heard(child.stdout, /\n\}\n$/)) as { api: string };
    const [, ...probe] = health.map((arg) => arg.replace(':8000', `:${new URL(api).port}`));
    await promisify(execFile)(process.execPath, probe);
    child.kill(last('STOPSIGNAL') as NodeJS.Signals);
    expect((await ended).code).toBe(0);
    await expect(promisify(execFile)(process.execPath, probe)).rejects.toMatchObject({ code: 1 });
    expect(existsSync(home.path('cache/cache.db'))).toBe(true);
    expect(existsSync(home.path('.cache'))).toBe(false);
  });
});
