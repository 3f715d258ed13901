import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright';
import { urlHost } from '../core/host.js';
import type { ProxyProtocol } from '../core/protocol.js';
import type { Proxy } from '../core/proxy.js';
import { OptionsError } from '../errors.js';
import { nodeTimers } from '../transport/node-timers.js';
import {
  acquireContext,
  type ClientContext,
  checkOptions,
  type OptionRules,
  settings,
  wholeMs,
} from './client-context.js';
import { acquireOne, type ClientEngine, type EngineHost, engineOf } from './client-engine.js';
import { watchContext } from './playwright-watch.js';

export type { ClientContext } from './client-context.js';
export type { EngineHost } from './client-engine.js';

/** A proxy as Playwright's `launch()` and `newContext()` take it; the password is in the clear. */
export interface BrowserProxy {
  readonly server: string;
  readonly username?: string;
  readonly password?: string;
}

/** Options of {@link newContext}. */
export interface NewContextOptions extends ClientContext {
  /** For Playwright: everything but the proxy. @default {} */
  readonly context?: Omit<BrowserContextOptions, 'proxy'> | undefined;
  /** How long a proxy may leave a navigation without an answer, in ms. @default 30_000 */
  readonly silenceMs?: number | undefined;
}

const rules: OptionRules = { context: settings, silenceMs: wholeMs };
const SILENCE_MS = 30_000;

/**
 * Options for `chromium.launch()` that send the whole browser through one proxy of the pool, or that of a session. What
 * becomes of its pages is not seen; {@link newContext} sees it.
 *
 * @example
 * const browser = await chromium.launch({ ...(await launchOptions(whirl)), headless: true });
 * @throws PoolEmptyError, NoCandidateError; OptionsError where the pool has nothing but proxies that browsers cannot use
 */
export async function launchOptions(
  host: EngineHost,
  options: ClientContext = {},
): Promise<{ proxy: BrowserProxy }> {
  checkOptions(options);
  return { proxy: browserProxy(await choose(engineOf(host), options)) };
}

/**
 * A new context of the browser with a proxy of its own: the pool's choice, or that of a session. Each navigation of its
 * pages is an outcome of that proxy: by its answer, the browser's error, or a silence.
 *
 * @example
 * const context = await newContext(browser, whirl, { sessionId: 'cart-1', context: { locale: 'de-DE' } });
 * @throws PoolEmptyError, NoCandidateError; OptionsError where the pool has nothing but proxies that browsers cannot use
 */
export async function newContext(
  browser: Browser,
  host: EngineHost,
  options: NewContextOptions = {},
): Promise<BrowserContext> {
  checkOptions(options, rules);
  const { context: own, silenceMs = SILENCE_MS, ...context } = options;
  const engine = engineOf(host);
  const proxy = await choose(engine, context);
  const made = await browser.newContext({ ...own, proxy: browserProxy(proxy) });
  watchContext(made, { engine, proxyId: proxy.id, context, silenceMs, timers: nodeTimers });
  return made;
}

/** Browsers ask no SOCKS proxy for a user name; they would be refused, and the proxy blamed for it. */
function isUsable({ protocol, username }: Proxy): boolean {
  return username === null || !protocol.startsWith('socks');
}

async function choose(engine: ClientEngine, context: ClientContext): Promise<Proxy> {
  const members = engine.rotator.pool.list();
  const exclude = members.filter(({ proxy }) => !isUsable(proxy)).map(({ id }) => id);
  if (exclude.length > 0 && exclude.length === members.length) {
    const rule =
      'are all SOCKS with credentials, which no browser can use; proxywhirl/relay brings them there';
    throw new OptionsError([{ path: 'proxies', rule }]);
  }
  const asked = acquireContext(context);
  const lease = await acquireOne(engine, exclude.length === 0 ? asked : { ...asked, exclude });
  // Each navigation has a lease of its own.
  lease.release();
  return lease.proxy;
}

/** Names that browsers know; they leave look-ups to SOCKS proxies in any case. */
const schemes: Readonly<Record<ProxyProtocol, string>> = {
  http: 'http',
  https: 'https',
  socks4: 'socks4',
  socks4a: 'socks4',
  socks5: 'socks5',
  socks5h: 'socks5',
};

function browserProxy({ protocol, host, port, username, password }: Proxy): BrowserProxy {
  return {
    server: `${schemes[protocol]}://${urlHost(host)}:${port}`,
    ...(username === null ? {} : { username, password: password?.reveal() ?? '' }),
  };
}
