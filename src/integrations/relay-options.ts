import { isIP } from 'node:net';
import { type OptionIssue, OptionsError, type ProxyWhirlError } from '../errors.js';

/** What clients of a relay must know. */
export interface RelayCredentials {
  /** Without a colon: Basic could not carry it. */
  readonly username: string;
  readonly password: string;
}

/** Options of `startRelay()`. Unknown keys are an error. */
export interface RelayOptions {
  /** Address to listen on: an IP address, or `localhost`. Beyond loopback, `credentials` are needed. @default '127.0.0.1' */
  readonly host?: string;
  /** Port to listen on; 0 = a free one. @default 0 */
  readonly port?: number;
  /** Asked of every client; null = none. @default null */
  readonly credentials?: RelayCredentials | null;
  /** Ports that CONNECT and SOCKS may lead to: numbers, and ranges with both ends. @default [80, 443, [1024, 65535]] */
  readonly connectPorts?: readonly (number | readonly [from: number, to: number])[];
  /** Clients that are connected at the same time; further ones are closed at once. @default 1000 */
  readonly maxConnections?: number;
  /** Proxies that one request may try, 1 to 10. Those that refuse the connection do not count. @default 3 */
  readonly attempts?: number;
  /** From a request to the first byte of its answer, or to the tunnel, all attempts together, in ms. @default 30000 */
  readonly deadlineMs?: number;
  /** What a client may take for the head of a request, or for the SOCKS handshake, in ms. @default 10000 */
  readonly headersTimeoutMs?: number;
  /** What a client may take for a whole request with its body, in ms; 0 = for ever. @default 30000 */
  readonly requestTimeoutMs?: number;
  /** Silence in both directions after which a tunnel or a body is cut, in ms. @default 300000 */
  readonly idleMs?: number;
  /** What `close()` leaves to those who are served, in ms. @default 10000 */
  readonly drainMs?: number;
  /** Who may sign the certificates of https proxies, as PEM; null = who Node trusts. @default null */
  readonly proxyCa?: string | null;
  /** Told of proxies that would lead back to the relay: they were taken out of the pool. @default none */
  readonly onRefused?: ((error: ProxyWhirlError) => void) | null;
}

/** {@link RelayOptions} with its rules kept and its defaults filled in. */
export type ResolvedRelayOptions = Required<RelayOptions>;

/** In force where an option is left out. */
export const relayDefaults: ResolvedRelayOptions = Object.freeze({
  host: '127.0.0.1',
  port: 0,
  credentials: null,
  connectPorts: [80, 443, [1024, 65_535]] as const,
  maxConnections: 1_000,
  attempts: 3,
  deadlineMs: 30_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleMs: 300_000,
  drainMs: 10_000,
  proxyCa: null,
  onRefused: null,
});

/** Node fires a longer timer at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Says what is wrong, and never repeats a value: it may be a credential in the wrong place. */
type Rule = (value: unknown) => string | null;

const rules: Readonly<Record<keyof RelayOptions, Rule>> = {
  host: (value) =>
    value === 'localhost' || (typeof value === 'string' && isIP(value) !== 0)
      ? null
      : 'must be an IP address or "localhost"',
  port: whole(0, 65_535),
  credentials: (value) => (value === null || isCredentials(value) ? null : credentialsRule),
  connectPorts: (value) =>
    Array.isArray(value) && value.every(isPortRange)
      ? null
      : 'must be an array of ports and [from, to] pairs',
  maxConnections: whole(1, 1_000_000),
  attempts: whole(1, 10),
  deadlineMs: whole(1, LONGEST_MS),
  headersTimeoutMs: whole(1, LONGEST_MS),
  requestTimeoutMs: whole(0, LONGEST_MS),
  idleMs: whole(1, LONGEST_MS),
  drainMs: whole(0, LONGEST_MS),
  proxyCa: (value) => (value === null || typeof value === 'string' ? null : 'must be a PEM text, or null'),
  onRefused: (value) =>
    value === null || typeof value === 'function' ? null : 'must be a function, or null',
};

const credentialsRule =
  'must be { username, password }, texts of 1 to 255 bytes, the name without a colon or a control character';

/** @throws OptionsError that names every option that is unknown or breaks its rule */
export function resolveRelayOptions(given: RelayOptions): ResolvedRelayOptions {
  const issues: OptionIssue[] = [];
  for (const [path, value] of Object.entries(given)) {
    if (!Object.hasOwn(rules, path)) issues.push({ path, rule: 'is no option of the relay' });
    else if (value !== undefined) {
      const rule = rules[path as keyof RelayOptions](value);
      if (rule !== null) issues.push({ path, rule });
    }
  }
  if (issues.length > 0) throw new OptionsError(issues);
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  const options: ResolvedRelayOptions = { ...relayDefaults, ...Object.fromEntries(present) };
  if (options.credentials === null && !isLoopbackHost(options.host))
    throw new OptionsError([
      { path: 'credentials', rule: 'are needed to listen beyond loopback: it would be an open proxy' },
    ]);
  return Object.freeze(options);
}

/** Whether nobody but this machine can reach a listener of this address. */
function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Whether the option `connectPorts` allows this one. */
export function allowsPort(ports: ResolvedRelayOptions['connectPorts'], port: number): boolean {
  return ports.some((range) =>
    typeof range === 'number' ? range === port : port >= range[0] && port <= range[1],
  );
}

function whole(least: number, most: number): Rule {
  return (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? null
      : `must be a whole number from ${least} to ${most}`;
}

function isPortRange(value: unknown): boolean {
  const isPort = (port: unknown): boolean => Number.isInteger(port) && whole(1, 65_535)(port) === null;
  return isPort(value) || (Array.isArray(value) && value.length === 2 && value.every(isPort));
}

function isCredentials(value: unknown): value is RelayCredentials {
  if (typeof value !== 'object' || value === null) return false;
  const { username, password, ...rest } = value as Record<string, unknown>;
  if (Object.keys(rest).length > 0) return false;
  const fits = (text: unknown): text is string =>
    typeof text === 'string' && text !== '' && Buffer.byteLength(text) <= 255;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return fits(username) && fits(password) && !/[:\u0000-\u001f\u007f]/.test(username);
}
