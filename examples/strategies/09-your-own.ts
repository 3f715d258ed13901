/** A strategy of your own, and what happens when it throws. `npx tsx examples/strategies/09-your-own.ts` */
import { type Candidate, createProxy, createRotator, type Strategy } from 'proxywhirl';

const proxies = [5, 1, 3].map((cost, i) => createProxy({ host: `203.0.113.${i + 1}`, port: 8000, cost }));

/** The cheapest that is available; one without a price comes last. */
function cheapest(): Strategy {
  const costOf = ({ proxy }: Candidate): number => proxy.cost ?? Number.POSITIVE_INFINITY;
  return {
    name: 'cheapest',
    choose(candidates) {
      let best: Candidate | undefined;
      for (const candidate of candidates) {
        if (best === undefined || costOf(candidate) < costOf(best)) best = candidate;
      }
      return best;
    },
    score: (candidate) => -costOf(candidate),
  };
}

const rotator = createRotator({ proxies });
rotator.on('strategy', ({ from, to }) => console.log(`event: ${from} -> ${to}`));
rotator.on('fallback', ({ strategy, fallback, error }) => {
  console.log(`event: ${strategy} failed (${(error as Error).message}), ${fallback} served`);
});

function use(requests: number): void {
  for (let i = 0; i < requests; i++) {
    const lease = rotator.acquire();
    console.log(`  ${lease.proxy.host}, cost ${lease.proxy.cost}`);
    lease.release();
  }
}

rotator.registerStrategy('cheapest', cheapest);
rotator.setStrategy('cheapest');
use(2);

let healthy = true;
rotator.registerStrategy('shaky', () => ({
  name: 'shaky',
  choose(candidates) {
    if (healthy) return candidates.after(-1);
    throw new Error('lost my notes');
  },
}));
rotator.setStrategy('shaky');
use(1);
healthy = false;
use(3);

// One that breaks the contract is refused before it chooses for anybody.
try {
  rotator.registerStrategy('stubborn', () => ({ name: 'stubborn', choose: () => ({}) as Candidate }));
} catch (error) {
  console.log((error as Error).message);
}
