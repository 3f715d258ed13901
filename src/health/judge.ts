import { isIPv4 } from 'node:net';
import { canonicalIpv6 } from '../core/ip.js';

/**
 * What a target learns about who is behind a proxy: `transparent` shows our address, `anonymous` shows that there is
 * a proxy, `elite` shows neither.
 */
export type Anonymity = 'transparent' | 'anonymous' | 'elite';

export interface Judgement {
  /** The address that the proxy's requests come from. */
  readonly exitAddress: string | null;
  /** Null where it cannot be told. */
  readonly anonymity: Anonymity | null;
}

export const noJudgement: Judgement = Object.freeze({ exitAddress: null, anonymity: null });

/** Headers that proxies add: RFC 9110 (Via), RFC 7239 (Forwarded), and what is in use besides. */
const proxyHeader =
  /^(?:via|forwarded|x-forwarded(?:-.+)?|x-real-ip|(?:x-|true-)?client-ip|x-cluster-client-ip|x-originating-ip|x-remote-(?:ip|addr)|(?:x-)?proxy-.+)$/;

/**
 * Reads what a judge echoes: `{ "address": "203.0.113.7", "headers": { "via": "1.1 squid", ... } }`, the address of its
 * client and the headers as they came in, a repeated one as a list. Either may be absent. The judge must be reached
 * without a gateway of its own that adds such headers.
 *
 * Nothing else of the answer is kept: over plain http the proxy may have written all of it.
 *
 * @param ownAddress ours as targets see it without a proxy. Without it nobody is called transparent, and headers that
 * carry an address that may be ours leave the question open.
 */
export function readJudgement(body: string, ownAddress?: string): Judgement {
  const { address, headers } = parsed(body);
  const exitAddress = typeof address === 'string' ? canonical(address) : null;
  if (typeof headers !== 'object' || headers === null) return { exitAddress, anonymity: null };
  const added = Object.entries(headers).filter(([name]) => proxyHeader.test(name.toLowerCase()));
  if (added.length === 0) return { exitAddress, anonymity: 'elite' };
  const shown = added.flatMap(([, value]) => [value].flat().flatMap((one) => addressesIn(String(one))));
  if (ownAddress === undefined) {
    const mayBeOurs = shown.some((one) => one !== exitAddress);
    return { exitAddress, anonymity: mayBeOurs ? null : 'anonymous' };
  }
  const own = canonical(ownAddress) ?? ownAddress;
  return { exitAddress, anonymity: shown.includes(own) ? 'transparent' : 'anonymous' };
}

function parsed(body: string): { readonly address?: unknown; readonly headers?: unknown } {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** `203.0.113.7, [2001:db8::1]:4711`, `for="203.0.113.7";proto=http` -> the addresses. */
function addressesIn(value: string): string[] {
  return value.split(/[\s,;="]+/).flatMap((token) => {
    const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(token)?.[1] ?? /^([\d.]+):\d+$/.exec(token)?.[1] ?? token;
    return canonical(bare) ?? [];
  });
}

/** One spelling for each address; null for what is none. */
function canonical(text: string): string | null {
  const bare = text.replace(/^::ffff:(?=\d+\.)/i, '');
  return isIPv4(bare) ? bare : (canonicalIpv6(bare) ?? null);
}
