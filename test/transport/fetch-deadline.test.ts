import { expect, it, vi } from 'vitest';
import { type ProxyBehaviour, type ProxyFault, seededRandom } from '../../src/lab/index.js';
import type { FetchError } from '../../src/transport/fetch-error.js';
import { loopTime } from '../support/loop-time.js';
import { overLab, startWorld } from './fetch-world.js';

const DEADLINE_MS = 300;
const GRACE_MS = 100;

const faults: readonly ProxyFault[] = [
  { kind: 'none' },
  { kind: 'hang' },
  { kind: 'reset' },
  { kind: 'reset', at: 'response' },
  { kind: 'close' },
  { kind: 'close-after-connect' },
  { kind: 'connect-status', status: 503 },
  { kind: 'connect-status', status: 204 },
  { kind: 'auth' },
  { kind: 'garbage' },
  { kind: 'drip', everyMs: 30 },
  { kind: 'truncate', afterBytes: 100 },
  { kind: 'truncate', afterBytes: 500, reset: true },
];

it('settles 200 calls over random faults by their deadline + 100 ms, and all their leases', async () => {
  const random = seededRandom(20_261_120);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const behaviour = (): ProxyBehaviour => ({ fault: pick(faults), latencyMs: [0, random() * 400] });
  await using world = await startWorld({ proxies: Array.from({ length: 8 }, behaviour) });
  // What a process does once, such as compiling, is no proxy's doing.
  for (const scheme of ['http', 'https'] as const) {
    await using warm = await startWorld({ proxies: 2 });
    for (let i = 0; i < 10; i++) await (await warm.fetch(`${warm.lab.site[`${scheme}Url`]}/page/1`)).text();
  }
  const late: string[] = [];
  let settled = 0;
  for (let round = 0; round < 20; round++) {
    for (const proxy of world.lab.proxies) await proxy.behave(behaviour());
    // Fresh each round: no breaker narrows what is met.
    const fresh = overLab(world.lab, { strategy: 'random' });
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const scheme = pick(['http', 'https'] as const);
        const method = pick(['GET', 'POST']);
        const path = pick(['/ip', '/page/1', '/slow?ms=200', '/status/500', '/slow?ms=1000']);
        const passed = loopTime();
        const result = await fresh
          .fetch(`${world.lab.site[`${scheme}Url`]}${path}`, { method, deadlineMs: DEADLINE_MS })
          .then((response) => response.text().then(() => 'answer'))
          .catch((error: FetchError) => error.code);
        const ms = passed();
        settled += 1;
        expect(result).toMatch(/^(?:answer|PW_FETCH_(?:EXHAUSTED|DEADLINE|BODY_BROKEN))$/);
        if (ms > DEADLINE_MS + GRACE_MS) late.push(`${round}: ${method} ${scheme} ${path} ${result} ${ms}`);
      }),
    );
    await vi.waitFor(() => expect(fresh.settled).toHaveLength(fresh.leases()));
    await fresh.dispatchers.destroy();
  }
  expect(settled).toBe(200);
  expect(late).toEqual([]);
});
