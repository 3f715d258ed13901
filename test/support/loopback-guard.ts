/**
 * Setup file of every test: nothing in a test may leave this machine. A connection or a look-up elsewhere is
 * refused on the spot, and fails the test even where the code under test swallows the error.
 *
 * Unhandled rejections need nothing here: vitest fails the run for each of them.
 */
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { afterEach, expect } from 'vitest';

const violations: string[] = [];

/** True for 127.0.0.0/8, ::1 (IPv4-mapped as well), localhost, and names below localhost (RFC 6761). */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, '');
  const mapped = bare.replace(/^::ffff:/, '');
  if (net.isIPv4(mapped)) return mapped.startsWith('127.');
  return bare === '::1' || bare === 'localhost' || bare.endsWith('.localhost');
}

/** What was attempted since the last call; a test that provokes a refusal on purpose takes them off the list. */
export function takeViolations(): string[] {
  return violations.splice(0);
}

function refuse(what: string): Error {
  violations.push(what);
  return Object.assign(new Error(`Tests stay on loopback; refused: ${what}`), { code: 'ENETUNREACH' });
}

type LookupCallback = (error: Error | null, ...rest: unknown[]) => void;
type Lookup = (host: string, options: unknown, callback: LookupCallback) => void;
interface Target {
  host?: string | undefined;
  path?: string | undefined;
  lookup?: Lookup | undefined;
}

/** `connect` takes (options), (port, host?) or (path); net.connect hands the same over as one array. */
function targetOf([first, second]: readonly unknown[]): Target {
  if (typeof first === 'object' && first !== null) return first as Target;
  return typeof second === 'string' ? { host: second } : {};
}

/** A name that the caller resolves by itself is judged by the address that comes out. */
function guardedLookup(lookup: Lookup): Lookup {
  return (host, options, callback) =>
    lookup(host, options, (error, ...rest) => {
      const found = Array.isArray(rest[0])
        ? (rest[0] as { address: string }[]).map((a) => a.address)
        : [rest[0]];
      const bad = error ? undefined : found.find((address) => !isLoopback(String(address)));
      if (bad === undefined) callback(error, ...rest);
      else callback(refuse(`connect ${host} (${String(bad)})`));
    });
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]): net.Socket {
  const list = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  const target = targetOf(list);
  const host = target.host ?? 'localhost';
  if (target.path === undefined && target.lookup !== undefined && net.isIP(host) === 0) {
    // A copy: the options are the caller's, who may use them again.
    list[0] = { ...target, lookup: guardedLookup(target.lookup) };
  } else if (target.path === undefined && !isLoopback(host)) {
    const error = refuse(`connect ${host}`);
    queueMicrotask(() => this.destroy(error));
    return this;
  }
  return Reflect.apply(connect, this, args);
} as typeof connect;

/** Wraps the functions of `owner` whose first argument is the name to resolve. */
function guardNames(owner: object, onRefusal: (error: Error, args: unknown[]) => unknown): void {
  const table = owner as Record<string, (...args: unknown[]) => unknown>;
  for (const name of Object.keys(table).filter((key) => /^(lookup|resolve)/.test(key))) {
    const original = table[name];
    if (typeof original !== 'function' || name === 'lookupService') continue;
    table[name] = function (this: unknown, ...args: unknown[]): unknown {
      const host = String(args[0]);
      if (isLoopback(host) || (name === 'lookup' && net.isIP(host) !== 0))
        return Reflect.apply(original, this, args);
      return onRefusal(refuse(`${name} ${host}`), args);
    };
  }
}

guardNames(dns, (error, args) => {
  const callback = args.at(-1);
  if (typeof callback !== 'function') throw error;
  queueMicrotask(() => callback(error));
  return undefined;
});
guardNames(dns.promises, (error) => Promise.reject(error));
guardNames(dns.Resolver.prototype, (error, args) => {
  queueMicrotask(() => (args.at(-1) as (e: Error) => void)(error));
  return undefined;
});
guardNames(dns.promises.Resolver.prototype, (error) => Promise.reject(error));
// Named imports of node:dns would keep the originals.
syncBuiltinESMExports();

afterEach(() => {
  expect(takeViolations(), 'attempts to leave loopback').toEqual([]);
});
