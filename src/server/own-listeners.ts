import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { OwnListener } from './api-context.js';

/** Addresses that lead to this machine wherever one is: loopback, and the unspecified one, which connects to it. */
const always = ['127.0.0.0/8', '0.0.0.0/32', '::1/128', '::/128'];

/** Whether a connection to an IP address and a port would come back to this process. */
export function isOwnListener(address: string, port: number, listeners: readonly OwnListener[]): boolean {
  const family = isIP(address);
  if (family === 0 || !listeners.some((listener) => listener.port === port)) return false;
  const own = new BlockList();
  for (const text of always) {
    const [base = '', bits] = text.split('/');
    own.addSubnet(base, Number(bits), base.includes(':') ? 'ipv6' : 'ipv4');
  }
  // Asked for each time: a machine gets other addresses while it runs.
  const here = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  for (const { address: text } of [...here, ...listeners]) {
    const bare = text.split('%')[0] ?? text;
    const kind = isIP(bare);
    if (kind !== 0) own.addAddress(bare, kind === 6 ? 'ipv6' : 'ipv4');
  }
  return own.check(address, family === 6 ? 'ipv6' : 'ipv4');
}
