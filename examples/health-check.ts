/**
 * Which proxies of a list work, how fast they are, and what they give away: active checks over the lab, so that
 * nothing leaves this machine. `npx tsx examples/health-check.ts`
 */
import { proxywhirl } from 'proxywhirl';
import { demoWorld, startLab } from 'proxywhirl/lab';

const portal = {
  kind: 'connect-status',
  status: 200,
  body: '<html>Welcome to our hotel. Please log in.</html>',
} as const;
await using lab = await startLab({ proxies: [...demoWorld(), { name: 'portal', fault: portal }] });
const names = new Map(lab.proxies.map(({ address, port, name }) => [`${address}:${port}`, name]));

await using whirl = proxywhirl({
  proxies: lab.urls,
  health: {
    // A judge echoes who asked; the token tells its answer from that of a captive portal.
    check: { url: `${lab.site.httpUrl}/judge`, token: '"address"', judge: true },
    timeoutMs: 1_000,
  },
});
// The first round has begun by itself; ready() waits for the first proxy that works.
await whirl.ready();
whirl.health.on('progress', ({ reason, done, total, result }) => {
  if (reason === 'call') console.log(`${done}/${total} ${result?.proxyId} ${result?.ok ? 'works' : 'fails'}`);
});
const results = await whirl.health.check();

const found = new Map(results.map((result) => [result.proxyId, result]));
console.table(
  whirl.rotator.pool.list().map(({ id, proxy }) => {
    const result = found.get(id);
    return {
      id,
      name: names.get(`${proxy.host}:${proxy.port}`),
      works: result?.ok ?? '-',
      'latency ms': result?.latencyMs?.toFixed() ?? '-',
      anonymity: result?.anonymity ?? '-',
      exit: result?.exitAddress ?? '-',
      why: result?.error?.code ?? '-',
    };
  }),
);
console.log(`${results.filter(({ ok }) => ok).length} of ${whirl.rotator.pool.size} work`);

// Two more rounds by hand: what fails three times in a row gets no request any more.
whirl.health.on('down', ({ proxyId }) => {
  const proxy = whirl.rotator.pool.get(proxyId)?.proxy;
  console.log('down:', names.get(`${proxy?.host}:${proxy?.port}`));
});
await whirl.health.check();
await whirl.health.check();
