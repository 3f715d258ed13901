import { lookup as systemLookup } from 'node:dns';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import type { TunnelAttempt } from './tunnel-attempt.js';
import { faultOfError, faultOfLookup } from './tunnel-fault.js';

/** An address to dial, with its family as Node counts it. */
export interface DialAddress {
  readonly address: string;
  readonly family: number;
}

/** A name, whose it is, and how it is to be resolved. */
export interface NameQuestion {
  readonly host: string;
  readonly whose: 'proxy' | 'target';
  /** 4 for protocols that know no other. */
  readonly family?: 4;
  readonly limitMs: number;
  readonly lookup?: LookupFunction | undefined;
}

/** Addresses of a name, IPv4 first; an address stays as it is and costs no look-up. */
export async function resolveName(attempt: TunnelAttempt, question: NameQuestion): Promise<DialAddress[]> {
  const { host, whose, family, limitMs, lookup = systemLookup as LookupFunction } = question;
  const literal = isIP(host);
  if (literal !== 0) return [{ address: host, family: literal }];
  return attempt.run<DialAddress[]>('dns', limitMs, ({ done, fail }) => {
    lookup(host, { all: true, family: family ?? 0 }, (error, answer, only) => {
      // Some resolvers say undefined where Node says null.
      if (error) return fail(faultOfLookup(whose, error));
      const list = typeof answer === 'string' ? [{ address: answer, family: only ?? isIP(answer) }] : answer;
      const usable = list.filter((entry) => family === undefined || entry.family === family);
      // Proxies listen on IPv4 far more often than machines have IPv6 that leads anywhere.
      usable.sort((a, b) => a.family - b.family);
      if (usable.length > 0) done(usable);
      else fail(faultOfLookup(whose, { code: 'ENOTFOUND' }));
    });
    return () => {};
  });
}

/** These fail before a packet leaves, so that the next address is still the first connection. */
const noRoute: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETUNREACH']);

/**
 * One TCP connection, to the first address that has a route. Not happy eyeballs (Node's default for names): several
 * connections per attempt would count as several at a proxy that allows so many.
 */
export async function dialProxy(
  attempt: TunnelAttempt,
  addresses: readonly DialAddress[],
  port: number,
  limitMs: number,
): Promise<Socket> {
  return attempt.run<Socket>('connect', limitMs, ({ done, fail }) => {
    let at = 0;
    let stop = (): void => {};
    const tryNext = (): void => {
      const to = addresses[at++];
      if (to === undefined) return;
      const { address: host, family } = to;
      const socket = connect({ host, family, port, autoSelectFamily: false, noDelay: true });
      attempt.adopt(socket);
      // Stays for good: whoever is not listening yet, or not any more, must not lose the process over a reset.
      socket.on('error', ignore);
      const onConnect = (): void => {
        attempt.connected(socket);
        done(socket);
      };
      const onError = (error: NodeJS.ErrnoException): void => {
        stop();
        if (noRoute.has(error.code ?? '') && at < addresses.length) tryNext();
        else fail(faultOfError('connect', error));
      };
      socket.once('connect', onConnect).once('error', onError);
      stop = () => socket.off('connect', onConnect).off('error', onError);
    };
    tryNext();
    return () => stop();
  });
}

function ignore(): void {}
