import type { ProxyProtocol } from './protocol.js';

/** What makes two proxies the same one. Vendors put the session into either credential, so both belong to it. */
export interface ProxyIdentity {
  readonly protocol: ProxyProtocol;
  readonly host: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
}

/**
 * `px_` and 16 hex digits: a 64-bit hash of the full identity, the same on every machine and in every version.
 * Each part carries its length, so that no character of a credential can shift a border between two parts.
 *
 * The hash spreads well (two lanes that feed each other, so the whole state is permuted by each character),
 * but it is no cryptographic one: an id hides a strong password, not a guessable one.
 */
export function proxyId(identity: ProxyIdentity): string {
  const { protocol, host, port, username, password } = identity;
  return `px_${hash64(`${part(protocol)}${part(host)}${port};${part(username)}${part(password)}`)}`;
}

function part(text: string | null): string {
  return text === null ? '-' : `${text.length}:${text}`;
}

/** 64 bits as 16 hex digits; spreads well, and is no cryptographic hash. */
export function hash64(text: string): string {
  let a = 0x9e3779b9 | 0;
  let b = 0x6a09e667 | 0;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x2c1b3c6d);
    a = (a << 13) | (a >>> 19);
    b = Math.imul(b ^ a, 0x297a2d39);
    b = (b << 17) | (b >>> 15);
  }
  a = mix(a ^ text.length);
  b = mix(b ^ a);
  a = mix(a ^ b);
  return hex(a) + hex(b);
}

/** The 32-bit finaliser of MurmurHash3: each input bit flips each output bit about half of the time. */
function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
