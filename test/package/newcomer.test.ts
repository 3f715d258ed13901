/**
 * A newcomer's path: the package in an empty folder, and nothing but the commands of README.md. `npx` finds the command
 * where npm puts it; everything is loopback.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, startLab } from '../../src/lab/world.js';
import { heard } from '../support/command-line.js';
import { PackedPackage } from '../support/packed-package.js';

const exec = promisify(execFile);
let pack: PackedPackage;
let lab: Lab;
let folder: string;
let child: ChildProcess | null = null;

beforeAll(async () => {
  pack = await PackedPackage.create();
  // What npm installs as well where it can be built.
  await symlink(
    resolve('node_modules/better-sqlite3'),
    join(pack.project, 'node_modules/better-sqlite3'),
    'junction',
  );
  folder = join(pack.project, 'newcomer');
  await mkdir(folder);
  lab = await startLab({ proxies: [{ credentials: { username: 'me', password: 'canary-of-the-lab' } }, {}] });
  await writeFile(join(folder, 'proxies.txt'), lab.urls.join('\n'));
});
afterAll(async () => {
  child?.kill('SIGKILL');
  await lab?.close();
  await pack?.[Symbol.asyncDispose]();
});

const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(?:PROXYWHIRL_|NODE_OPTIONS|NODE_ENV|VITEST|npm_)/.test(name),
  ),
);
const npx = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  exec('npx', ['--no-install', 'proxywhirl', ...args], { cwd: folder, env });

describe('the installed command', () => {
  it('init, import, check, serve, and one curl through it', async () => {
    await npx('init');
    expect((await stat(join(folder, 'proxywhirl.key'))).mode & 0o777).toBe(0o600);
    expect((await npx('import', 'proxies.txt')).stderr).toContain('2 proxies were stored, 2 of them new');
    const checked = await npx('check', 'proxies.txt', '--url', lab.site.httpUrl);
    expect(checked.stderr).toContain('2 of 2 work');

    // Not npx: it would stand between the signal and the command.
    const command = join(pack.project, 'node_modules/.bin/proxywhirl');
    const served = spawn(command, ['serve', '--port', '0', '--relay', '0', '--json'], { cwd: folder, env });
    child = served;
    const { api, relay } = JSON.parse(await heard(served.stdout, /\n\}\n$/)) as {
      api: string;
      relay: string;
    };
    const health = await exec('curl', ['--silent', '--fail', `${api}/api/v1/health`]);
    expect(JSON.parse(health.stdout)).toMatchObject({ data: { status: 'healthy' } });
    const fetched = await exec('curl', [
      '--silent',
      '--fail',
      '--noproxy',
      '',
      '--proxy',
      relay,
      lab.site.httpUrl,
    ]);
    expect(fetched.stdout).toContain('Lab site');
    expect(lab.proxies.map(({ stats }) => stats.requests).reduce((sum, count) => sum + count, 0)).toBe(3);
    const ended = new Promise((done) => served.once('close', done));
    served.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('answers --help from the tarball', async () => {
    expect((await npx('--help')).stdout).toContain('Usage: proxywhirl');
  });
});
