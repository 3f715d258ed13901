/** round-robin: one after the other, in the order of the list. `npx tsx examples/strategies/01-round-robin.ts` */
import { createRotator } from 'proxywhirl';
import { startLab } from 'proxywhirl/lab';
import { namesOf, visit } from './support/visit.js';

await using lab = await startLab({ proxies: 3 });
const rotator = createRotator({ proxies: lab.urls, strategy: 'round-robin' });
const nameOf = namesOf(lab);

async function order(requests: number): Promise<string> {
  const names: string[] = [];
  for (let i = 0; i < requests; i++) {
    const lease = rotator.acquire({ url: lab.site.httpUrl });
    names.push(nameOf(lease.proxy));
    await visit(lease, lab.site.httpUrl);
  }
  return names.join(' -> ');
}

console.log('all three:      ', await order(6));

const [, second] = rotator.pool.list();
if (second !== undefined) rotator.pool.drain(second.id);
console.log('proxy-2 drained:', await order(4));

if (second !== undefined) rotator.pool.drain(second.id, false);
console.log('and back:       ', await order(4));
