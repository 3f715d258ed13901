import { proxywhirl } from '../../../src/index.js';
import { networkDown } from '../../support/health-rows.js';
import { cleanAfter } from '../clean.js';
import { countConnects } from '../connect-count.js';
import { countOf, type Ending, fetchEnding, medianMs } from '../endings.js';
import { atMost, exactly, type FaultRow, type Figure } from '../fault-row.js';
import { type RigProxy, startRig } from '../rig.js';
import { msUntil } from '../wait.js';

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const empty: FaultRow = {
  number: 23,
  fault: 'the pool is empty',
  async run() {
    await using rig = await startRig();
    const proxy = await rig.proxy();
    const figures: Figure[] = [];
    for (const onEmpty of ['fail', 'direct'] as const) {
      await using whirl = proxywhirl({ proxies: [proxy.url], onEmpty });
      await fetchEnding(whirl, rig.target.httpUrl);
      for (const { id } of whirl.rotator.pool.list()) whirl.rotator.pool.remove(id);
      await proxy.drained();
      await rig.target.forget();
      using connects = countConnects();
      const calls: Ending[] = [];
      for (const url of [rig.target.httpUrl, rig.target.httpsUrl])
        for (let i = 0; i < 50; i++) calls.push(await fetchEnding(whirl, url));
      const acquired = times(50, () => endingOf(() => void whirl.rotator.acquire()));
      figures.push(
        exactly(`${onEmpty}: PW_POOL_EMPTY of 100 calls`, countOf(calls, 'PW_POOL_EMPTY'), 100),
        exactly(`${onEmpty}: PW_POOL_EMPTY of 50 leases`, countOf(acquired, 'PW_POOL_EMPTY'), 50),
        exactly(`${onEmpty}: HTTP status of the error`, statusOf(calls[0]?.error), 503),
        atMost(`${onEmpty}: call, median of 100`, medianMs(calls), 5, 'ms'),
        atMost(`${onEmpty}: lease, median of 50`, medianMs(acquired), 5, 'ms'),
        exactly(`${onEmpty}: connections of this process`, connects.total(), 0),
        exactly(`${onEmpty}: requests that the target saw`, (await rig.target.counts()).requests, 0),
      );
    }
    return figures;
  },
};

function endingOf(run: () => void): Ending {
  const startedAt = performance.now();
  try {
    run();
    return { code: 'none', ...sinceThen(startedAt), error: null, attempts: [] };
  } catch (error) {
    const { code } = error as { code: string };
    return { code, ...sinceThen(startedAt), error, attempts: [] };
  }
}

/** All of it is the engine's own: nothing else runs meanwhile. */
function sinceThen(startedAt: number): Pick<Ending, 'ms' | 'loopMs'> {
  const ms = performance.now() - startedAt;
  return { ms, loopMs: ms };
}

function statusOf(error: unknown): number {
  return Number((error as { status?: unknown } | null)?.status);
}

const allDown: FaultRow = {
  number: 24,
  fault: 'all of 20 proxies are dead, then one is back',
  async run() {
    await using rig = await startRig();
    const proxies = await Promise.all(times(20, () => rig.proxy({ fault: 'dead' })));
    await using whirl = proxywhirl({ proxies: proxies.map(({ url }) => url) });
    const { rotator } = whirl;
    const url = rig.target.httpUrl;
    const clean = cleanAfter();
    const began = await msUntil(async () => {
      await fetchEnding(whirl, url);
      return rotator.inPanic && rotator.pool.list().every(({ health }) => health !== 'closed');
    });
    let most = 0;
    rotator.on('selected', () => {
      for (const { stats } of rotator.pool.list()) most = Math.max(most, stats.active);
    });
    const during: Ending[] = [];
    await callers(5, 2_000, async () => void during.push(await fetchEnding(whirl, url)));
    await proxies[7]?.behave({ fault: 'none' });
    const backMs = await msUntil(async () => (await fetchEnding(whirl, url)).code === '200');
    const mostTries = Math.max(...during.map(({ attempts }) => attempts.length));
    return [
      atMost('panic, and all of them open', began, 5_000, 'ms'),
      exactly('answers in panic', countOf(during, '200'), 0),
      exactly('tries per request in panic, at most', mostTries, 1),
      exactly('in flight per proxy in panic, at most', most, 1),
      atMost('recovery', backMs, 2_000, 'ms'),
      exactly('panic after that', rotator.inPanic, false),
      ...(await clean(
        proxies.flatMap((one, i) => (i === 7 ? [] : [one.port])),
        whirl,
      )),
    ];
  },
};

/** So many callers for so long, each with its next call when the last one has ended. */
async function callers(count: number, ms: number, call: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  await Promise.all(
    times(count, async () => {
      while (performance.now() - startedAt < ms) {
        await call();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }),
  );
}

const outage: FaultRow = {
  number: 26,
  fault: 'our own network is down',
  async run() {
    const simulated = [[1, 10] as const, [10, 50] as const, [1_000, 50] as const].flatMap(
      ([size, perSecond]) => {
        const { deleted, backMs } = networkDown(size, perSecond);
        return [
          exactly(`60 s, ${size} proxies: deleted`, deleted, 0),
          atMost(`60 s, ${size} proxies: full service`, backMs, 5_000, 'ms'),
        ];
      },
    );
    return [...simulated, ...(await realOutage())];
  },
};

/** All proxies are killed at once, and are back on their ports some seconds later. */
async function realOutage(): Promise<readonly Figure[]> {
  await using rig = await startRig();
  const proxies = await Promise.all(times(10, () => rig.proxy({ group: 'network' })));
  await using whirl = proxywhirl({ proxies: proxies.map(({ url }) => url) });
  const { rotator } = whirl;
  const url = rig.target.httpUrl;
  await callers(5, 300, async () => void (await fetchEnding(whirl, url)));
  await proxies[0]?.process.kill();
  const down: Ending[] = [];
  await callers(5, 3_000, async () => void down.push(await fetchEnding(whirl, url)));
  await Promise.all(proxies.map((one) => revive(rig, one)));
  const backMs = await msUntil(async () => {
    const round = await Promise.all(times(20, () => fetchEnding(whirl, url)));
    return countOf(round, '200') === 20;
  });
  return [
    exactly('for real: answers while it is down', countOf(down, '200'), 0),
    exactly('for real: proxies in the pool', rotator.pool.size, 10),
    atMost('for real: 20 of 20 answers again', backMs, 5_000, 'ms'),
  ];
}

async function revive(rig: Awaited<ReturnType<typeof startRig>>, { address, port }: RigProxy): Promise<void> {
  await rig.proxy({ group: 'network', address, port });
}

export const poolRows: readonly FaultRow[] = [empty, allDown, outage];
