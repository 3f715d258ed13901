import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright';
import { urlHost } from '../core/host.js';
import { isSocks } from '../core/protocol.js';
import type { Proxy } from '../core/proxy.js';
import { nodeTimers } from '../transport/node-timers.js';
import {
  acquireContext,
  type ClientContext,
  checkOptions,
  flag,
  type OptionRules,
  settings,
  wholeMs,
} from './client-context.js';
import { acquireOne, type ClientEngine, type EngineHost, engineOf } from './client-engine.js';
import { localeHint } from './locale-hint.js';
import { watchContext } from './playwright-watch.js';
import { bridgesOf } from './socks-bridges.js';

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
  /**
   * Gives the context the language, the time zone and the position of its proxy, as far as its `geo` says them and
   * `context` does not: a proxy in Germany speaks German (`locale`, with `Accept-Language`) at the time of Berlin.
   * @default true
   */
  readonly localeHints?: boolean | undefined;
  /** How long a proxy may leave a navigation without an answer, in ms. @default 30_000 */
  readonly silenceMs?: number | undefined;
}

const rules: OptionRules = { context: settings, localeHints: flag, silenceMs: wholeMs };
const SILENCE_MS = 30_000;

/**
 * Options for `chromium.launch()` that send the whole browser through one proxy of the pool, or that of a session. What
 * becomes of its pages is not seen; {@link newContext} sees it. A SOCKS proxy is reached by a bridge on loopback, an HTTP
 * proxy without credentials that closes with the engine.
 *
 * @example
 * const browser = await chromium.launch({ ...(await launchOptions(whirl)), headless: true });
 * @throws PoolEmptyError, NoCandidateError
 */
export async function launchOptions(
  host: EngineHost,
  options: ClientContext = {},
): Promise<{ proxy: BrowserProxy }> {
  checkOptions(options);
  const engine = engineOf(host);
  return { proxy: await browserProxy(engine, await choose(engine, options)) };
}

/**
 * A new context of the browser with a proxy of its own: the pool's choice, or that of a session. Each navigation of its
 * pages is an outcome of that proxy: by its answer, the browser's error, or a silence.
 *
 * @example
 * const context = await newContext(browser, whirl, { sessionId: 'cart-1', country: 'DE' });
 * @throws PoolEmptyError, NoCandidateError
 */
export async function newContext(
  browser: Browser,
  host: EngineHost,
  options: NewContextOptions = {},
): Promise<BrowserContext> {
  checkOptions(options, rules);
  const { context: own, localeHints = true, silenceMs = SILENCE_MS, ...context } = options;
  const engine = engineOf(host);
  const proxy = await choose(engine, context);
  const hints = localeHints ? localeHint(proxy.geo) : {};
  const made = await browser.newContext({ ...hints, ...own, proxy: await browserProxy(engine, proxy) });
  const faultOf = isSocks(proxy.protocol)
    ? (url: string, since: number) => bridgesOf(engine).faultOf(proxy.id, url, since)
    : () => undefined;
  watchContext(made, { engine, proxyId: proxy.id, context, silenceMs, faultOf, timers: nodeTimers });
  return made;
}

async function choose(engine: ClientEngine, context: ClientContext): Promise<Proxy> {
  const lease = await acquireOne(engine, acquireContext(context));
  // Each navigation has a lease of its own.
  lease.release();
  return lease.proxy;
}

/** Browsers ask no SOCKS proxy for a user name, and tell little of what goes wrong with one. */
async function browserProxy(engine: ClientEngine, proxy: Proxy): Promise<BrowserProxy> {
  if (isSocks(proxy.protocol)) return { server: await bridgesOf(engine).urlFor(proxy) };
  const { protocol, host, port, username, password } = proxy;
  return {
    server: `${protocol}://${urlHost(host)}:${port}`,
    ...(username === null ? {} : { username, password: password?.reveal() ?? '' }),
  };
}
