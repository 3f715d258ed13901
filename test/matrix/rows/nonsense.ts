import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { LabProxyKind, ProxyFault } from '../../../src/lab/index.js';
import { cleanAfter } from '../clean.js';
import { countOf, type Ending, fetchEnding, medianMs, tunnelEnding } from '../endings.js';
import { startEngine } from '../engine.js';
import { atMost, exactly, type FaultRow } from '../fault-row.js';
import { startRig } from '../rig.js';

const faults: readonly ProxyFault[] = [
  { kind: 'garbage' },
  { kind: 'garbage', bytes: 64 * 1024 },
  { kind: 'http-0.9' },
  { kind: 'tls-alert' },
  { kind: 'header-flood', headers: 1, bytes: 32 * 1024 },
  { kind: 'header-flood', headers: 10_000, bytes: 512 * 1024 },
];
const breaker = { threshold: 1_000_000, rateShare: 0 };
const kinds: readonly LabProxyKind[] = ['http', 'https'];

/** Without the error: who keeps it keeps the nonsense that it quotes, and here that would count as growth. */
type Ended = Pick<Ending, 'code' | 'loopMs'>;

interface Round {
  readonly tunnels: readonly Ended[];
  readonly calls: readonly Ended[];
}

const ended = ({ code, loopMs }: Ending): Ended => ({ code, loopMs });

const nonsense: FaultRow = {
  number: 13,
  fault: 'the proxy answers with garbage, HTTP/0.9, a TLS alert, 32 kB or 10,000 of headers',
  async run() {
    await using rig = await startRig();
    const proxies = await Promise.all(
      kinds.flatMap((kind) =>
        // To an https proxy the alert is no answer but the end of TLS: row 10.
        faults
          .filter((fault) => kind === 'http' || fault.kind !== 'tls-alert')
          .map((fault) => rig.proxy({ kind, fault })),
      ),
    );
    // One proxy each, which is tried again however often it failed.
    const engines = proxies.map(({ url }) => startEngine([url], {}, { breaker, panic: { share: 0 } }));
    const round = async (): Promise<Round> => {
      const tunnels: Ended[] = [];
      const calls: Ended[] = [];
      for (const { url } of proxies) tunnels.push(ended(await tunnelEnding(url, rig.target.httpsUrl)));
      for (const engine of engines)
        for (const target of [rig.target.httpUrl, rig.target.httpsUrl])
          calls.push(ended(await fetchEnding(engine, target)));
      return { tunnels, calls };
    };
    const rounds: Round[] = [];
    const stretch = async (): Promise<number> => {
      for (let i = 0; i < 5; i++) rounds.push(await round());
      return residentBytes();
    };
    // What is loaded and compiled once is no growth, nor is the heap that the garbage of one stretch needs.
    for (let i = 0; i < 2; i++) await stretch();
    rounds.length = 0;
    const clean = cleanAfter();
    const before = residentBytes();
    let after = before;
    for (let i = 0; i < 4; i++) after = await stretch();
    const tunnels = rounds.flatMap((one) => one.tunnels);
    const calls = rounds.flatMap((one) => one.calls);
    const left = await clean(
      proxies.map(({ port }) => port),
      ...engines,
    );
    await Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]()));
    return [
      exactly('PW_PROXY_BAD_RESPONSE of 220 tunnels', countOf(tunnels, 'PW_PROXY_BAD_RESPONSE'), 220),
      exactly('PW_FETCH_EXHAUSTED of 440 calls', countOf(calls, 'PW_FETCH_EXHAUSTED'), 440),
      atMost('settled, slowest kind of nonsense, median of 20', slowest(rounds), 50, 'ms'),
      atMost('growth of RSS by 660 attempts', (after - before) / 1024 / 1024, 5, 'MB'),
      exactly('requests at the target', (await rig.target.counts()).requests, 0),
      ...left,
    ];
  },
};

/** Of each case the median over the rounds, and of those the longest. */
function slowest(rounds: readonly Round[]): number {
  const all = rounds.map(({ tunnels, calls }) => [...tunnels, ...calls]);
  const cases = all[0]?.length ?? 0;
  return Math.max(
    ...Array.from({ length: cases }, (_, at) => medianMs(all.flatMap((round) => round[at] ?? []))),
  );
}

/** After a collection: otherwise it is the garbage of whatever ran before that grows. */
function residentBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage.rss();
}

export const nonsenseRows: readonly FaultRow[] = [nonsense];
