/**
 * Makes a fresh clone ready for `npm test` and `npm run demo`: the packages of the lock file, then a Chromium
 * that can start; for the tests also curl. npm runs it before both, so it imports nothing but Node's own modules until the packages
 * are there, and it answers within a fraction of a second when nothing is missing.
 *
 *   --no-browser        packages only
 *   --optional-browser  a missing browser is reported, but is no failure: for `npm run demo`, whose quick run
 *                       needs none (npm hands the arguments of a script to that script only, never to its
 *                       `pre` script, so this file cannot see `--quick`)
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = join(root, 'node_modules');
const flags = new Set(process.argv.slice(2));

/** A missing piece: one line that names it and its fix. */
class Missing extends Error {}

const say = (/** @type {string} */ line) => process.stderr.write(`setup: ${line}\n`);
const readJson = (/** @type {string} */ file) => JSON.parse(readFileSync(file, 'utf8'));

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Missing(`Node ${process.versions.node} is too old; install Node 20.19 or newer`);
  }
}

/**
 * npm writes what it installed into node_modules/.package-lock.json as its very last step, so the comparison
 * sees an interrupted install, a changed lock file and a changed branch alike. Optional packages of other
 * platforms are in the lock file only.
 */
function packagesAreCurrent() {
  const hidden = join(modules, '.package-lock.json');
  if (!existsSync(hidden)) return false;
  const installed = readJson(hidden).packages;
  const wanted = readJson(join(root, 'package-lock.json')).packages;
  const missing = Object.entries(wanted).some(
    ([path, entry]) => path !== '' && !entry.optional && installed[path]?.version !== entry.version,
  );
  const foreign = Object.entries(installed).some(([path, entry]) => wanted[path]?.version !== entry.version);
  return !missing && !foreign;
}

function installPackages() {
  if (packagesAreCurrent()) return;
  say('installing the packages of package-lock.json (npm ci)');
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  // Inside an npm script this is the very npm that runs; npm.cmd cannot be spawned without a shell.
  const npm = process.env.npm_execpath;
  const run = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (run.status !== 0)
    throw new Missing('the packages could not be installed; run `npm ci` and read its error');
}

/** npm says nothing when the native part of an optional package does not compile. */
function reportSqlite() {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (existsSync(join(modules, 'better-sqlite3/build/Release/better_sqlite3.node'))) return;
  const without =
    major >= 22 ? "the cache uses Node's own SQLite" : 'the cache has no SQLite tier, and its tests fail';
  say(
    `better-sqlite3 was not compiled, so ${without}; run \`npm rebuild better-sqlite3\` and read its error`,
  );
}

/**
 * What `scripts/chromium.ts` will find must be able to start. There Playwright's own browser comes before the packaged
 * one, and one of the system last; asking Playwright costs the most time, so here it is asked only when it matters.
 */
async function ensureBrowser() {
  for (const name of ['PROXYWHIRL_CHROMIUM', 'PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH']) {
    const path = process.env[name];
    if (!path) continue;
    if (existsSync(path)) return;
    throw new Missing(`${name} names a file that does not exist; correct it or unset it`);
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    if (systemBrowsers.some((path) => existsSync(path)) || playwrightHasBrowser()) return;
    throw new Missing('no Chromium found; run `npx playwright install chromium`');
  }
  try {
    ensureLibraries(await unpackChromium());
  } catch (error) {
    if (!playwrightHasBrowser()) throw error;
  }
}

/**
 * The package ships its binary compressed and unpacks it into the temporary directory, in place: a reader in
 * another process would see half a file. So it is unpacked beside and then renamed.
 */
async function unpackChromium() {
  const { version } = readJson(join(modules, '@sparticuz/chromium/package.json'));
  const home = join(modules, '.cache', `chromium-${version}`);
  const binary = join(home, 'chromium');
  if (existsSync(binary)) return binary;
  say('unpacking Chromium (once, about 200 MB)');
  const partial = `${home}.${process.pid}`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const before = process.env.TMPDIR;
  process.env.TMPDIR = partial;
  try {
    const { default: chromium } = await import('@sparticuz/chromium');
    await chromium.executablePath();
    renameSync(partial, home);
  } catch (cause) {
    rmSync(partial, { recursive: true, force: true });
    // Another process that started at the same time may have been first.
    if (!existsSync(binary)) {
      throw new Missing('Chromium could not be unpacked; free 300 MB and run `npm run setup`', { cause });
    }
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
  return binary;
}

/** Debian's packages for the shared libraries that the binary asks for; all others come with libnss3. */
const debianPackages = new Map([
  ['libexpat.so.1', 'libexpat1'],
  ['libgcc_s.so.1', 'libgcc-s1'],
]);

function missingLibraries(/** @type {string} */ binary) {
  const { stdout, error } = spawnSync('ldd', [binary], { encoding: 'utf8' });
  if (error) return [];
  return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name ?? '');
}

function ensureLibraries(/** @type {string} */ binary) {
  const missing = missingLibraries(binary);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => debianPackages.get(name) ?? 'libnss3'))];
  const what = `Chromium lacks ${missing.join(', ')}`;
  installDebian(packages, what, ' (Fedora: nss), or set PROXYWHIRL_CHROMIUM to a browser');
  if (missingLibraries(binary).length > 0)
    throw new Missing(`${what} although ${packages.join(', ')} was installed`);
}

/** The tests of the relay and of the API speak to them as people do. */
function ensureCurl() {
  if (spawnSync('curl', ['--version']).error) installDebian(['curl'], 'curl is missing', '');
}

function installDebian(
  /** @type {string[]} */ packages,
  /** @type {string} */ what,
  /** @type {string} */ otherwise,
) {
  const names = packages.join(', ');
  if (!existsSync('/usr/bin/apt-get')) throw new Missing(`${what}; install ${names}${otherwise}`);
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  const fix = `\`apt-get update && apt-get ${install.join(' ')}\``;
  if (process.getuid?.() !== 0) throw new Missing(`${what}; run ${fix} as root${otherwise}`);
  say(`installing ${names} (apt-get)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    for (const args of [['update'], install]) {
      execFileSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 2] });
    }
  } catch (cause) {
    throw new Missing(`${what}, and apt-get failed; run ${fix}`, { cause });
  }
}

const systemBrowsers = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

function playwrightHasBrowser() {
  const { chromium } = createRequire(import.meta.url)('playwright');
  return existsSync(chromium.executablePath());
}

try {
  checkNode();
  installPackages();
  reportSqlite();
  // Whoever only looks at the demonstration needs none.
  if (flags.size === 0) ensureCurl();
  if (!flags.has('--no-browser')) {
    await ensureBrowser().catch((/** @type {unknown} */ error) => {
      if (!(error instanceof Missing) || !flags.has('--optional-browser')) throw error;
      say(`${error.message} (only the browser part needs it)`);
    });
  }
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  say(error.message);
  process.exitCode = 1;
}
