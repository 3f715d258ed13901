import { monitorEventLoopDelay } from 'node:perf_hooks';
import { proxywhirl } from '../../../src/index.js';
import { seededRandom } from '../../../src/lab/index.js';
import type { FetchError } from '../../../src/transport/fetch-error.js';
import type { ProxiedResponse } from '../../../src/transport/proxied-response.js';
import { record } from '../../support/test-engine.js';
import { cleanAfter } from '../clean.js';
import { countOf, type Ending, fetchEnding } from '../endings.js';
import { startEngine } from '../engine.js';
import { atLeast, atMost, exactly, type FaultRow } from '../fault-row.js';
import { startRig } from '../rig.js';
import { watchSockets } from '../socket-watch.js';
import { msUntil } from '../wait.js';

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const removed: FaultRow = {
  number: 43,
  fault: 'proxies are removed and edited with 500 requests in flight',
  async run() {
    await using rig = await startRig();
    await rig.target.script([
      { path: '/slow', answer: { bodyBytes: 10_000, delayMs: 400, drip: { bytes: 2_000, everyMs: 50 } } },
    ]);
    const proxies = await Promise.all(times(20, () => rig.proxy()));
    const credentials = { username: 'u', password: 'new' };
    await using whirl = proxywhirl({ proxies: proxies.map(({ url }) => url) });
    const { rotator } = whirl;
    const url = `${rig.target.httpUrl}/slow`;
    await fetchEnding(whirl, rig.target.httpUrl);
    const clean = cleanAfter();
    const calls = times(500, () => fetchEnding(whirl, url));
    const began = await msUntil(() => rotator.stats().active === 500);
    const ids = rotator.pool.list().map(({ id }) => id);
    const gone = ids.slice(0, 10);
    // Five are removed, five edited: the same address with credentials is another proxy.
    for (const id of gone.slice(0, 5)) rotator.pool.remove(id);
    const edited = proxies.slice(5, 10).map(({ address, port }) => {
      return `http://${credentials.username}:${credentials.password}@${address}:${port}`;
    });
    rotator.pool.replace([...proxies.slice(10).map((one) => one.url), ...edited]);
    const inFlight = rotator.pool.list().reduce((sum, { stats }) => sum + stats.active, 0);
    const picks = record(rotator, 'selected');
    // One that comes back while its former requests are under way starts with nothing to its name.
    rotator.pool.add(proxies[0]?.url ?? '');
    const back = rotator.pool.get(gone[0] ?? '');
    const before = { ...back?.stats };
    rotator.pool.remove(gone[1] ?? '');
    const late = times(200, () => fetchEnding(whirl, rig.target.httpUrl));
    await Promise.all(late);
    const picksMeanwhile = picks.filter(({ proxyId }) => gone.slice(1).includes(proxyId)).length;
    const own = picks.filter(({ proxyId }) => proxyId === gone[0]).length;
    const endings = await Promise.all(calls);
    const after = rotator.pool.get(gone[0] ?? '')?.stats;
    const idsNow = rotator.pool.list().map(({ id }) => id);
    await whirl.close();
    return [
      exactly('in flight before', Number.isFinite(began), true),
      exactly('of these through proxies that stay', inFlight, 250),
      exactly('of 500 that were in flight: whole answers', endings.filter(isWhole).length, 500),
      exactly('of 200 after it: answers', countOf(await Promise.all(late), '200'), 200),
      exactly('picks of removed ones', picksMeanwhile, 0),
      exactly('one that came back: results before', Number(before.succeeded ?? -1), 0),
      exactly('its results are those since', Number(after?.succeeded) === own && own > 0, true),
      exactly(
        'ids of edited ones that were there before',
        idsNow.filter((id) => gone.slice(5).includes(id)).length,
        0,
      ),
      exactly('proxies then', new Set(idsNow).size, 16),
      ...(await clean(
        proxies.map(({ port }) => port),
        whirl,
      )),
    ];
  },
};

function isWhole({ code, attempts }: Ending): boolean {
  return code === '200' && attempts.length === 1;
}

const rounds = 100;
const perRound = 10;
/** To the latest abort of a round. */
const longestMs = 80;

/** The half of a gateway and of the API comes with them: here the client is the one who calls whirl.fetch. */
const aborted: FaultRow = {
  number: 52,
  fault: 'the caller of whirl.fetch aborts at any moment',
  async run() {
    await using rig = await startRig();
    const endless = { bodyBytes: 1_000_000, drip: { bytes: 100, everyMs: 10 } };
    await rig.target.script([
      { path: '/silent', answer: { silent: true } },
      { path: '/late', answer: { ...endless, delayMs: 20 } },
      { path: '/now', answer: endless },
    ]);
    const proxies = await Promise.all(times(perRound, (i) => rig.proxy({ latencyMs: (i % 2) * 5 })));
    await using engine = startEngine(proxies.map(({ url }) => url));
    const { rotator } = engine;
    const random = seededRandom(52);
    const idsByPort = new Map(rotator.pool.list().map(({ id, proxy }) => [proxy.port, id]));
    const clean = cleanAfter();
    const settled = record(rotator, 'settled');
    using sockets = watchSockets();
    const stalls = monitorEventLoopDelay({ resolution: 1 });
    stalls.enable();
    const runs: Abort[] = [];
    const closedIn: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const calls = times(perRound, (i) => {
        const base = i % 2 === 0 ? rig.target.httpUrl : rig.target.httpsUrl;
        const path = ['/silent', '/late', '/now'][(i + round) % 3] ?? '';
        return abortAt(random() * longestMs, (signal) => engine.fetch(`${base}${path}`, { signal }));
      });
      const ended = await Promise.all(calls);
      await msUntil(() => sockets.open() === 0, 1_000);
      runs.push(...ended);
      // In turn, each proxy carries one call of the round.
      for (const { port, closedAt } of sockets.take()) {
        const [call, ...others] = ended.filter(({ proxyId }) => proxyId === idsByPort.get(port));
        const certain = call !== undefined && others.length === 0 && closedAt !== null;
        closedIn.push(certain ? closedAt - call.at : Number.POSITIVE_INFINITY);
      }
    }
    stalls.disable();
    closedIn.sort((a, b) => a - b);
    const verdicts = settled.filter(({ verdict }) => verdict !== 'neutral');
    const drained = await msUntil(async () => {
      const seen = await Promise.all(proxies.map((one) => one.seen()));
      return seen.every(({ openSockets }) => openSockets === 0);
    });
    const members = rotator.pool.list();
    return [
      exactly('aborts', runs.length, rounds * perRound),
      exactly('that ended otherwise', runs.filter(({ ended }) => !ended).length, 0),
      atLeast('aborts before an answer', runs.filter(({ body }) => !body).length, 100),
      atLeast('aborts in its body', runs.filter(({ body }) => body).length, 100),
      atLeast('sockets that they had', closedIn.length, 900),
      atMost('socket closed after its abort, median', closedIn[closedIn.length / 2] ?? Number.NaN, 10, 'ms'),
      // What this process was too busy for is none of the engine's.
      atMost(
        'at the longest, less the longest stall',
        Math.max(0, (closedIn.at(-1) ?? 0) - stalls.max / 1e6),
        50,
        'ms',
      ),
      atMost('proxies and target let go of the last', drained, 1_000, 'ms'),
      exactly('verdicts that are not neutral', verdicts.length, 0),
      exactly('failures on record', rotator.stats().failed, 0),
      exactly('breakers not closed', members.filter(({ health }) => health !== 'closed').length, 0),
      ...(await clean(
        proxies.map(({ port }) => port),
        engine,
      )),
    ];
  },
};

/** What became of one call that was aborted. */
interface Abort {
  /** Monotonic ms. */
  readonly at: number;
  /** Whether it ended by the abort. */
  readonly ended: boolean;
  /** Whether its answer had begun. */
  readonly body: boolean;
  /** Who carried it; undefined when nobody did yet. */
  readonly proxyId: string | undefined;
}

/** A call that is aborted after so many ms, wherever it is then. */
async function abortAt(ms: number, send: (signal: AbortSignal) => Promise<ProxiedResponse>): Promise<Abort> {
  const controller = new AbortController();
  let at = Number.NaN;
  setTimeout(() => {
    at = performance.now();
    controller.abort();
  }, ms);
  let response: ProxiedResponse | null = null;
  try {
    response = await send(controller.signal);
    await response.arrayBuffer();
    return { at, ended: false, body: true, proxyId: response.proxy.id };
  } catch (error) {
    const { code, attempts } = error as FetchError;
    const proxyId = response?.proxy.id ?? attempts[0]?.proxyId;
    return { at, ended: code === 'PW_FETCH_ABORTED', body: response !== null, proxyId };
  }
}

export const drainRows: readonly FaultRow[] = [removed, aborted];
