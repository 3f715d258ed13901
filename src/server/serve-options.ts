import { isIP } from 'node:net';
import { type OptionIssue, OptionsError } from '../errors.js';
import { type ApiOptions, type ResolvedApiOptions, resolveApiOptions } from './api-options.js';

/** Options of `serve()`: those of `createApp()`, and where and how to listen. Unknown keys are an error. */
export interface ServeOptions extends ApiOptions {
  /** An IP address, or `localhost`. Beyond loopback, `keys` are needed. @default '127.0.0.1' */
  readonly host?: string;
  /** 0 = a free one. @default 8000 */
  readonly port?: number;
  /** Clients that are connected at the same time; further ones are closed at once. @default 1000 */
  readonly maxConnections?: number;
  /** What a client may take for the head of a request, in ms. @default 10000 */
  readonly headersTimeoutMs?: number;
  /** What a client may take for a whole request with its body, or take nothing of its answer, in ms. @default 30000 */
  readonly requestTimeoutMs?: number;
  /** What `close()` leaves to requests under way, in ms. @default 10000 */
  readonly drainMs?: number;
}

/** Where and how to listen. */
export type ListenOptions = Required<Omit<ServeOptions, keyof ApiOptions>>;

/** In force where an option is left out. */
export const listenDefaults: ListenOptions = Object.freeze({
  host: '127.0.0.1',
  port: 8_000,
  maxConnections: 1_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  drainMs: 10_000,
});

/** Node fires a longer timer at once. */
const LONGEST_MS = 2 ** 31 - 1;

const ranges: Readonly<Record<Exclude<keyof ListenOptions, 'host'>, readonly [least: number, most: number]>> =
  {
    port: [0, 65_535],
    maxConnections: [1, 1_000_000],
    headersTimeoutMs: [1, LONGEST_MS],
    requestTimeoutMs: [1, LONGEST_MS],
    drainMs: [0, LONGEST_MS],
  };

/** @throws OptionsError when an option is unknown or breaks its rule, and for listening beyond loopback without keys */
export function resolveServeOptions(given: ServeOptions): { listen: ListenOptions; api: ResolvedApiOptions } {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  const isListen = ([name]: readonly [string, unknown]): boolean => Object.hasOwn(listenDefaults, name);
  const listen: ListenOptions = { ...listenDefaults, ...Object.fromEntries(entries.filter(isListen)) };
  const api = resolveApiOptions(Object.fromEntries(entries.filter((entry) => !isListen(entry))));
  const issues: OptionIssue[] = [];
  const { host } = listen;
  if (host !== 'localhost' && (typeof host !== 'string' || isIP(host) === 0))
    issues.push({ path: 'host', rule: 'must be an IP address or "localhost"' });
  for (const [path, [least, most]] of Object.entries(ranges)) {
    const value = listen[path as keyof typeof ranges];
    if (!Number.isInteger(value) || value < least || value > most)
      issues.push({ path, rule: `must be a whole number from ${least} to ${most}` });
  }
  if (issues.length === 0 && api.keys.length === 0 && !isLoopbackHost(host)) {
    const rule = 'are needed to listen beyond loopback; make one by `openssl rand -hex 32`';
    issues.push({ path: 'keys', rule });
  }
  if (issues.length > 0) throw new OptionsError(issues);
  return { listen: Object.freeze(listen), api };
}

/** Whether nobody but this machine can reach a listener of this address. */
function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
