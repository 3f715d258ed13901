import { isIP, type LookupFunction } from 'node:net';
import type { Timers } from '../core/clock.js';
import { AddressRefusedError } from '../transport/address-policy.js';

/** How long a look-up may take, in ms; one that is not done by then counts as no answer. */
const LOOKUP_MS = 5_000;

/**
 * All addresses of a name, by a look-up that refuses what it must not lead to; an address is its own. None where the
 * name does not resolve.
 * @throws AddressRefusedError
 */
export function resolveAll(host: string, lookup: LookupFunction, timers: Timers): Promise<readonly string[]> {
  if (isIP(host) !== 0) return Promise.resolve([host]);
  return new Promise((resolve, reject) => {
    const timer = timers.setTimeout(() => resolve([]), LOOKUP_MS);
    lookup(host, { all: true }, (error, found) => {
      timers.clearTimeout(timer);
      if (error instanceof AddressRefusedError) reject(error);
      else if (error) resolve([]);
      else resolve((found as { address: string }[]).map(({ address }) => address));
    });
  });
}
