import type { Socket } from 'node:net';
import { passSlowly } from './drip.js';
import { type FrontHost, resetAfterData } from './front.js';
import { interceptTunnel } from './intercept.js';
import type { ProxyFault } from './proxy-fault.js';

/** Joins client and target, committing those faults that strike inside a tunnel. */
export function spliceTunnel(client: Socket, upstream: Socket, fault: ProxyFault, host: FrontHost): void {
  client.setNoDelay(true);
  // A half that ends leaves the other direction open (half-close), a half that closes takes the other with it.
  client.once('close', () => upstream.destroy());
  const follow = (): void => client.destroySoon();
  if (fault.kind === 'intercept') {
    interceptTunnel(client, upstream);
    return;
  }
  client.pipe(upstream);
  if (fault.kind === 'drip' && fault.part === 'body') {
    const write = (byte: Uint8Array): void => void client.write(byte);
    void passSlowly(upstream, client, fault.everyMs ?? 50, write, () => client.end());
    return;
  }
  upstream.once('close', follow);

  const limit = cutAfter(fault);
  if (limit === null) {
    upstream.pipe(client);
    return;
  }
  const byReset = fault.kind === 'reset' || (fault.kind === 'truncate' && fault.reset === true);
  const cut = (): void => {
    if (byReset) resetAfterData(host, client);
    else client.destroySoon();
    upstream.off('close', follow).destroy();
  };
  let left = limit;
  upstream.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, left);
    left -= part.length;
    const last = left === 0;
    if (last) upstream.pause();
    if (part.length === 0) return cut();
    // The cut waits until the last byte went out: a truncation that also loses what came before is another fault.
    const roomy = client.write(part, () => (last ? cut() : undefined));
    if (!roomy && !last) {
      upstream.pause();
      client.once('drain', () => upstream.resume());
    }
  });
  upstream.once('end', () => client.end());
}

function cutAfter(fault: ProxyFault): number | null {
  if (fault.kind === 'truncate') return fault.afterBytes ?? 4096;
  return fault.kind === 'reset' && fault.at === 'response' ? 0 : null;
}
