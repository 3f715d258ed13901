import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { type CandidateStore, CandidateView } from '../../src/core/candidate-view.js';
import { Events } from '../../src/core/events.js';
import { type Member, Pool } from '../../src/core/pool.js';
import { createProxy } from '../../src/core/proxy.js';
import { Sessions } from '../../src/core/sessions.js';
import { SlotSet } from '../../src/core/slot-set.js';
import { ProxyStats } from '../../src/core/stats.js';
import { createRotator, type RotatorOptions } from '../../src/create-rotator.js';
import { composite } from '../../src/strategies/composite.js';
import { geoTargeted } from '../../src/strategies/geo-targeted.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import { performanceBased } from '../../src/strategies/performance-based.js';
import { random } from '../../src/strategies/random.js';
import { roundRobin } from '../../src/strategies/round-robin.js';
import { sessionPersistence } from '../../src/strategies/session.js';
import type { Candidate, SelectionContext, Strategy } from '../../src/strategies/strategy.js';
import { weighted } from '../../src/strategies/weighted.js';
import { FakeClock } from '../support/fake-clock.js';
import { seededRandom } from '../support/seeded-random.js';

// Costs are counted here, in members looked at and in things kept: seconds depend on the machine. `npm run bench`
// measures those.

const LARGE = 100_000;
/** Runs as long as the aims of the requirements say. */
const LONG = process.env.PW_LONG_RUNS !== undefined;

const BUILT_IN: readonly (readonly [string, () => Strategy, SelectionContext])[] = [
  ['round-robin', roundRobin, {}],
  ['random', random, {}],
  ['least-used', leastUsed, {}],
  ['weighted', weighted, {}],
  ['performance-based', performanceBased, {}],
  ['session', sessionPersistence, {}],
  ['composite', () => composite({ filters: [geoTargeted()], selector: leastUsed() }), { country: 'DE' }],
  ['geo-targeted', geoTargeted, { country: 'DE' }],
];

const PROXIES = Array.from({ length: LARGE }, (_, i) =>
  createProxy({
    host: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    port: 8000,
    geo: { countryCode: i % 10 === 0 ? 'DE' : 'FR' },
  }),
);

/** Serving members of the large pool, three in ten of which are not healthy, and a count of those looked at. */
function countedView(strategy: Strategy): { view: () => CandidateView<Candidate>; looks: () => number } {
  const engine = { now: 1000, random: seededRandom(3) };
  const pool = new Pool({ emaAlpha: 0.2, windowSeconds: 3600 }, new Events());
  pool.replace(PROXIES);
  const members = pool.list();
  const serving = new SlotSet();
  const germans = new SlotSet();
  members.forEach(({ slot, proxy }, i) => {
    if (i % 10 >= 3) serving.add(slot);
    if (i % 10 >= 3 && proxy.geo?.countryCode === 'DE') germans.add(slot);
  });
  let looks = 0;
  const store: CandidateStore<Candidate> = {
    serving,
    at(slot) {
      looks += 1;
      return members[slot];
    },
    inCountry: () => germans,
  };
  strategy.attach?.(new CandidateView(store, serving), engine);
  looks = 0;
  return { view: () => new CandidateView(store, serving), looks: () => looks };
}

describe('a choice among 100,000', () => {
  it.each(BUILT_IN.slice(0, 5))('R-27 %s looks at a handful of them', (_name, make) => {
    const strategy = make();
    const engine = { now: 1000, random: seededRandom(5) };
    const { view, looks } = countedView(strategy);
    for (let i = 0; i < 1000; i++) expect(strategy.choose(view(), {}, engine)).toBeDefined();
    expect(looks() / 1000).toBeLessThan(20);
  });

  it.each(BUILT_IN.slice(0, 5))(
    'R-27 %s with half of them excluded tests a bounded number',
    (_name, make) => {
      const strategy = make();
      const engine = { now: 1000, random: seededRandom(7) };
      const { view } = countedView(strategy);
      let tested = 0;
      const half = (): ReturnType<CandidateView<Candidate>['where']> =>
        view().where(({ slot }) => {
          tested += 1;
          return slot % 2 === 0;
        });
      for (let i = 0; i < 100; i++) expect((strategy.choose(half(), {}, engine)?.slot ?? 1) % 2).toBe(0);
      expect(tested / 100).toBeLessThan(100);
    },
  );

  it('R-13 is synchronous and asks nobody outside: not the network, not a file, not the time of day', () => {
    const rotator = createRotator({
      proxies: PROXIES.slice(0, 1000),
      clock: new FakeClock(),
      random: seededRandom(1),
    });
    const lease = rotator.acquire({ country: 'DE', url: 'https://shop.example/' });
    expect(lease).not.toBeInstanceOf(Promise);
    expect(lease.proxy.geo?.countryCode).toBe('DE');
  });
});

describe('a large pool', () => {
  it.each(BUILT_IN)('R-15 of 100,000 proxies serves %s', (_name, make, context) => {
    const rotator = engine({ proxies: PROXIES, strategy: make() });
    const members = rotator.pool.list();
    for (let i = 0; i < 1000; i++) {
      rotator.acquireCarrier((members[i * 10] as Member).id)?.fail({ verdict: 'proxy' });
    }
    for (let i = 0; i < 2000; i++) {
      const lease = rotator.acquire(context);
      expect(rotator.pool.get(lease.proxy.id)?.health).toBe('closed');
      lease.succeed({ latencyMs: 50 + (i % 100) });
    }
    expect(rotator.stats()).toMatchObject({ size: LARGE, active: 0, succeeded: 2000, failed: 1000 });
  });
});

describe('many requests', () => {
  it.each(BUILT_IN.slice(0, 5))(
    'R-28 100,000 at once through %s end with none in flight and none lost',
    async (_name, make) => {
      const rotator = engine({ proxies: PROXIES.slice(0, 500), strategy: make() });
      const request = async (_: unknown, i: number): Promise<void> => {
        const lease = rotator.acquire();
        await Promise.resolve();
        if (i % 4 === 3) lease.fail({ verdict: 'target' });
        else lease.succeed({ latencyMs: 20 });
      };
      const requests = Array.from({ length: LARGE }, request);
      expect(rotator.stats().active).toBe(LARGE);
      await Promise.all(requests);
      const { started, succeeded, failed, active } = rotator.stats();
      expect({ started, succeeded, failed, active }).toEqual({
        started: LARGE,
        succeeded: 75_000,
        failed: 0,
        active: 0,
      });
    },
  );

  it('R-29 leave nothing behind over 10,000 cycles', () => {
    const rotator = engine({ proxies: PROXIES.slice(0, 200), sessionTimeoutSeconds: 1 });
    const cycles = LONG ? 10_000_000 : 10_000;
    const sizes = new Set<number>();
    const sizeNow = (): number => Object.keys(rotator.snapshot().proxies).length;
    for (let i = 0; i < cycles; i++) {
      const lease = rotator.acquire({ sessionId: `s${i}`, url: 'https://shop.example/' });
      if (i % 50 === 0) lease.fail({ verdict: 'banned' });
      else lease.succeed({ latencyMs: 10 });
      if (i % 100 === 0) rotator.clock.advance(1000);
      if (i > 1000 && i % 1000 === 0) sizes.add(sizeNow());
    }
    expect(rotator.stats().active).toBe(0);
    expect([...sizes]).toEqual([200]);
    // Those of the last second, and of the requests that end two for each one that they add.
    expect(rotator.sessions.size).toBeLessThanOrEqual(300);
  });

  it('R-29 let go of their leases', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const rotator = engine({ proxies: PROXIES.slice(0, 200) });
    const used = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const cycle = (times: number): void => {
      for (let i = 0; i < times; i++) rotator.acquire().succeed({ latencyMs: 10 });
    };
    cycle(10_000);
    const before = used();
    cycle(10_000);
    expect(used() - before).toBeLessThan(1_000_000);
  });
});

describe('what is kept', () => {
  it('R-05 of the sliding window is at most a number per minute and one more, however long it runs', () => {
    for (const windowSeconds of [60, 3600, 86_400]) {
      const stats = new ProxyStats({ emaAlpha: 0.2, windowSeconds });
      let most = 0;
      for (let minute = 0; minute < 4000; minute++) {
        stats.start(minute * 60_000);
        most = Math.max(most, stats.learned(minute * 60_000).minutes.length);
      }
      expect(most).toBe(Math.min(4000, windowSeconds / 60 + 1));
    }
  });

  it('R-11 of sessions stays within maxSessions, however many come', () => {
    const maxSessions = LONG ? 100_000 : 2000;
    const sessions = new Sessions(
      { idleTimeoutSeconds: 1800, maxAgeSeconds: null, maxSessions },
      new FakeClock(),
    );
    const most = Array.from({ length: 10 * maxSessions }, (_, i) => {
      sessions.use(`s${i}`, 'p');
      return sessions.size;
    }).reduce((a, b) => Math.max(a, b));
    expect(most).toBe(maxSessions);
    expect(Array.from(sessions.list(), ({ id }) => id)).toEqual(
      Array.from({ length: maxSessions }, (_, i) => `s${9 * maxSessions + i}`),
    );
  });

  it('R-11 of expired sessions goes while others come, without a sweep', () => {
    const rotator = engine({ proxies: PROXIES.slice(0, 10) });
    for (let i = 0; i < 1000; i++) rotator.acquire({ sessionId: `old-${i}` }).release();
    rotator.clock.advance(1_800_000);
    for (let i = 0; i < 500; i++) rotator.acquire().release();
    expect(rotator.sessions.size).toBe(0);
  });
});

function engine(options: RotatorOptions): ReturnType<typeof createRotator> & { readonly clock: FakeClock } {
  const rotator = createRotator({
    clock: new FakeClock(),
    random: seededRandom(11),
    breaker: { threshold: 1 },
    ...options,
  });
  return rotator as typeof rotator & { readonly clock: FakeClock };
}
