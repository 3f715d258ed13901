import { LogLevel, log } from 'crawlee';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { proxywhirl } from '../../src/index.js';
import { type Lab, type ProxyFaultKind, type ProxySpec, startLab } from '../../src/lab/index.js';
import { kindsWithFault } from '../../src/lab/proxy-fault.js';
import { crawleeClients } from './crawlee-clients.js';
import { otherClients } from './other-clients.js';
import { type WatchedSite, watchSite } from './watched-site.js';

const LIMIT_MS = 1_000;
const faults = Object.keys(kindsWithFault) as ProxyFaultKind[];

/** Each fault that the lab has, and those of SOCKS at which a client could think of doing without. */
const proxies: readonly ProxySpec[] = [
  ...faults.map(
    (fault): ProxySpec => ({ kind: kindsWithFault[fault].includes('http') ? 'http' : 'https', fault }),
  ),
  ...(['dead', 'hang', 'reset', 'auth', 'garbage'] as const).map(
    (fault) => ({ kind: 'socks5', fault }) as const,
  ),
];

let lab: Lab;
let site: WatchedSite;
let browser: Browser;
const clients = [...crawleeClients, ...otherClients(() => browser)];

beforeAll(async () => {
  log.setLevel(LogLevel.OFF);
  lab = await startLab({ proxies });
  site = await watchSite(lab.site);
  const found = inject('chromium');
  if (found === null) throw new Error('No Chromium: run `npm run setup`');
  const args = [...found.args, '--ignore-certificate-errors'];
  browser = await chromium.launch({ executablePath: found.executablePath, args, headless: true });
});

afterAll(async () => {
  await browser?.close();
  await site?.[Symbol.asyncDispose]();
  await lab?.close();
});

describe('C-05 nobody goes direct, whatever the proxies do', () => {
  it.each(clients.map((client) => [client.name, client] as const))('%s', async (_, client) => {
    const before = site.callers.length;
    // A browser for each proxy is expensive: there, every other page is by the other scheme.
    for (const round of client.launchesPerProxy === true ? [0] : [0, 1]) {
      await using whirl = proxywhirl({
        proxies: lab.urls,
        freeRetries: 0,
        breaker: { threshold: 1_000 },
      });
      const used = new Set<string>();
      whirl.rotator.on('selected', ({ proxyId }) => used.add(proxyId));
      const bases = [site.httpUrl, site.httpsUrl];
      const urls = proxies.map((_spec, n) => `${bases[(n + round) % 2]}/ip?n=${n}`);
      await client.visit({ whirl, urls, session: null, limitMs: LIMIT_MS });
      expect(used.size).toBe(proxies.length);
    }
    const callers = site.callers.slice(before);
    // Some faults let a request through: without any there would be nothing to see.
    expect(callers.length).toBeGreaterThan(0);
    const own = new Set(lab.proxies.map(({ address }) => address));
    expect(callers.filter((caller) => !own.has(caller))).toEqual([]);
  });
});
