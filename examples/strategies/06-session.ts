/** Sessions stay with their proxy, and move when it fails. `npx tsx examples/strategies/06-session.ts` */
import { createRotator } from 'proxywhirl';
import { startLab } from 'proxywhirl/lab';
import { namesOf, visit } from './support/visit.js';

await using lab = await startLab({ proxies: 3 });
const rotator = createRotator({ proxies: lab.urls, strategy: { name: 'session', inner: 'round-robin' } });
const nameOf = namesOf(lab);
const url = lab.site.httpUrl;

rotator.on('session', ({ reason, proxyId, previousProxyId }) => {
  const [to, from] = [proxyId, previousProxyId].map((id) => {
    const member = id === null ? undefined : rotator.pool.get(id);
    return member === undefined ? 'nowhere' : nameOf(member.proxy);
  });
  console.log(`  event: ${reason}, ${from} -> ${to}`);
});

const checkout = rotator.session('checkout-17');
const profile = rotator.session('profile-4');

async function step(title: string): Promise<void> {
  console.log(title);
  for (const session of [checkout, profile, checkout]) {
    const lease = session.acquire({ url });
    console.log(`  ${session.id}: ${nameOf(lease.proxy)}, verdict ${await visit(lease, url)}`);
  }
}

await step('Both sessions begin:');
await step('They stay:');
await lab.proxy('proxy-1').behave({ fault: 'dead' });
await step('proxy-1 dies: the request that finds out is lost, the session is not:');
await lab.proxy('proxy-1').behave({ fault: 'none' });
await step('proxy-1 is back; nobody is moved for that:');

console.log(
  'Sessions:',
  [...rotator.sessions.list()].map((one) => `${one.id} ${one.requestCount}x`).join(', '),
);
checkout.close();
console.log('After close:', rotator.sessions.size);
