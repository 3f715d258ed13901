import { proxywhirl } from '../../../src/index.js';
import {
  breakerTiming,
  builtIn,
  fastFailures,
  lostProbe,
  openedAtOnce,
  poolOfOne,
} from '../../support/health-rows.js';
import { cleanAfter } from '../clean.js';
import { fetchEnding } from '../endings.js';
import { atLeast, atMost, exactly, type FaultRow, type Figure } from '../fault-row.js';
import { socketsTo, startRig } from '../rig.js';
import { msUntil } from '../wait.js';

const fastFailing: FaultRow = {
  number: 18,
  fault: 'a proxy that fails in 1 ms among nine at 80 ms',
  async run() {
    return Object.keys(builtIn).flatMap((strategy) => {
      const { before, after, picks } = fastFailures(strategy, 20, 120);
      return [
        atMost(`${strategy}: % of the picks before it is ejected`, before * 100, 10),
        atMost(`${strategy}: % of the picks after`, after * 100, 1),
        atMost(`${strategy}: picks until then`, picks, 5),
      ];
    });
  },
};

/** As the breaker promises it by default, without the jitter. */
const transitions = [
  { at: 0, to: 'open' },
  { at: 10_000, to: 'half-open' },
  { at: 10_000, to: 'open' },
  { at: 30_000, to: 'half-open' },
  { at: 30_000, to: 'open' },
  { at: 70_000, to: 'half-open' },
  { at: 70_000, to: 'warming' },
  { at: 100_000, to: 'closed' },
];

const timing: FaultRow = {
  number: 20,
  fault: 'five faults in a row, two failed probes, two that pass',
  async run() {
    const shown = (changes: typeof transitions): string =>
      changes.map(({ at, to }) => `${to} ${at / 1000} s`).join(', ');
    const startedAt = performance.now();
    const changes = breakerTiming();
    return [
      exactly('transitions', shown(changes), shown(transitions)),
      atMost('of real time', performance.now() - startedAt, 5_000, 'ms'),
    ];
  },
};

const lostProbes: FaultRow = {
  number: 21,
  fault: 'a probe is aborted or never settled',
  async run() {
    const leases = [400, 5_000, 60_000];
    return [
      ...leases.map((ms) =>
        atMost(`next probe, lease of ${ms} ms lost`, lostProbe(ms, 'never settled'), ms, 'ms'),
      ),
      ...leases.map((ms) =>
        atMost(`next probe, lease of ${ms} ms aborted`, lostProbe(ms, 'aborted'), 0, 'ms'),
      ),
      ...(await abortedForReal()),
    ];
  },
};

/** The one request that probes is aborted by its caller while the proxy is silent; then the proxy is well again. */
async function abortedForReal(): Promise<readonly Figure[]> {
  await using rig = await startRig();
  const proxy = await rig.proxy({ fault: 'dead' });
  await using whirl = proxywhirl({
    proxies: [proxy.url],
    breaker: { threshold: 1, openMs: 50, maxOpenMs: 50, warmingMs: 0 },
  });
  const url = rig.target.httpUrl;
  // Time alone changes it, when somebody looks.
  const health = (): string => {
    whirl.rotator.stats();
    return whirl.rotator.pool.list()[0]?.health ?? '';
  };
  await fetchEnding(whirl, url);
  const opened = health();
  await proxy.behave({ fault: 'hang' });
  const clean = cleanAfter();
  const controller = new AbortController();
  await msUntil(() => health() === 'half-open');
  const probe = fetchEnding(whirl, url, { signal: controller.signal });
  await msUntil(() => socketsTo(proxy.port) === 1);
  const second = await fetchEnding(whirl, url);
  controller.abort();
  const { code } = await probe;
  const left = await clean([proxy.port], whirl);
  await proxy.behave({ fault: 'none' });
  const after = [await fetchEnding(whirl, url), await fetchEnding(whirl, url)];
  return [
    exactly('for real: breaker after the fault', opened, 'open'),
    exactly('for real: a request beside the probe', second.code, 'PW_NO_CANDIDATE'),
    exactly('for real: the probe', code, 'PW_FETCH_ABORTED'),
    exactly('for real: the next two', after.map((one) => one.code).join(' '), '200 200'),
    exactly('for real: breaker then', health(), 'closed'),
    ...left,
  ];
}

const together: FaultRow = {
  number: 22,
  fault: '1,000 proxies open at once',
  async run() {
    const { largestShare, probed } = openedAtOnce();
    return [
      exactly('proxies that were probed', probed, 1_000),
      atMost('% of the first probes in any second', largestShare * 100, 5),
    ];
  },
};

const onlyOne: FaultRow = {
  number: 25,
  fault: 'the only proxy is dead for 10 s',
  async run() {
    const { probes, shortestGapMs } = poolOfOne();
    return [atLeast('probes', probes, 8), atMost('probes a second', 1_000 / shortestGapMs, 1)];
  },
};

export const healthRows: readonly FaultRow[] = [fastFailing, timing, lostProbes, together, onlyOne];
