/**
 * Finds a Chromium for the browser tests, the demo and the benchmarks, and says how to launch it. What it looks for,
 * in this order: the environment, Playwright's own, the one inside @sparticuz/chromium, one of the system.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What `chromium.launch()` of Playwright (or `launchOptions` of Crawlee) needs besides a proxy. */
export interface ChromiumLaunch {
  readonly executablePath: string;
  readonly args: string[];
}

/** One place to look; resolves with null when there is none there. */
export type ChromiumPlace = () => Promise<string | null>;

/** Quiet flags: no request that no page asked for, and loopback targets through the proxy like all others. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--proxy-bypass-list=<-loopback>',
];

const variables = ['PROXYWHIRL_CHROMIUM', 'PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH'];
const modules = fileURLToPath(new URL('../node_modules', import.meta.url));

/**
 * Rejects with an error that names the fix when there is no Chromium, or when a variable of the environment names a
 * file that is not there: falling back silently would test another browser than the one that was asked for.
 */
export async function findChromium(
  env: Readonly<Record<string, string | undefined>> = process.env,
  places: readonly ChromiumPlace[] = [playwrightsOwn, packaged, ofTheSystem],
): Promise<ChromiumLaunch> {
  for (const name of variables) {
    const executablePath = env[name];
    if (!executablePath) continue;
    if (existsSync(executablePath)) return { executablePath, args: [...args] };
    throw new Error(`${name} names a file that does not exist; correct it or unset it`);
  }
  for (const place of places) {
    const executablePath = await place();
    if (executablePath !== null) return { executablePath, args: [...args] };
  }
  throw new Error(
    'No Chromium found; run `npx playwright install chromium`, or set PROXYWHIRL_CHROMIUM to one',
  );
}

async function playwrightsOwn(): Promise<string | null> {
  const { chromium } = await import('playwright');
  const path = chromium.executablePath();
  return existsSync(path) ? path : null;
}

/**
 * The package ships its binary compressed and unpacks it in place, into the temporary directory: a reader in another
 * process would see half a file. So it is unpacked once, beside its place, and then renamed. `npm run setup` does
 * the same to the same folder.
 */
async function packaged(): Promise<string | null> {
  const manifest = join(modules, '@sparticuz/chromium/package.json');
  if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync(manifest)) return null;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const home = join(modules, '.cache', `chromium-${version}`);
  const binary = join(home, 'chromium');
  if (existsSync(binary)) return binary;
  const partial = `${home}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const before = process.env.TMPDIR;
  process.env.TMPDIR = partial;
  try {
    const { default: chromium } = await import('@sparticuz/chromium');
    await chromium.executablePath();
    renameSync(partial, home);
  } catch (cause) {
    rmSync(partial, { recursive: true, force: true });
    // Another process may have been first: a folder is not renamed over one that is not empty.
    if (!existsSync(binary)) {
      throw new Error('Chromium could not be unpacked; free 300 MB in node_modules/.cache', { cause });
    }
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
  return binary;
}

const systemPaths = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

async function ofTheSystem(): Promise<string | null> {
  return systemPaths.find((path) => existsSync(path)) ?? null;
}
