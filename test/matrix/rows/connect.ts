import { proxywhirl } from '../../../src/index.js';
import type { LabProxyKind, ProxyFault } from '../../../src/lab/index.js';
import { loopTime } from '../../support/loop-time.js';
import { cleanAfter } from '../clean.js';
import { countConnects } from '../connect-count.js';
import { countOf, type Ending, fetchEnding, longestMs, medianMs, tunnelEnding } from '../endings.js';
import { type MatrixEngine, startEngine } from '../engine.js';
import { atMost, exactly, type FaultRow } from '../fault-row.js';
import { type RigProxy, socketsTo, startRig } from '../rig.js';

const deadlineMs = 1_000;
const kinds: readonly LabProxyKind[] = ['http', 'https', 'socks5'];
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const refused: FaultRow = {
  number: 1,
  fault: 'the connection is refused',
  async run() {
    await using rig = await startRig();
    const dead = await rig.proxy({ fault: 'dead' });
    const good = await Promise.all(times(4, () => rig.proxy()));
    using connects = countConnects();
    const alone: Ending[] = [];
    for (let i = 0; i < 20; i++) {
      // One that has met the dead proxy twice does not go there again.
      await using whirl = proxywhirl({ proxies: [dead.url, good[0]?.url ?? ''] });
      alone.push(await fetchEnding(whirl, rig.target.httpUrl));
    }
    const dialled = connects.to(dead.port);
    await using whirl = proxywhirl({ proxies: [dead, ...good].map(({ url }) => url) });
    const crowd: Ending[] = [];
    await Promise.all(
      times(20, async () => {
        for (let i = 0; i < 50; i++) crowd.push(await fetchEnding(whirl, rig.target.httpUrl));
      }),
    );
    return [
      exactly('answers, 1 dead of 5', countOf(crowd, '200'), 1_000),
      atMost('failover, median of 20', medianMs(alone), 50, 'ms'),
      exactly('connections for 20 attempts', dialled, 20),
      exactly('failovers', alone.filter(({ attempts }) => attempts.length === 2).length, 20),
    ];
  },
};

const blackhole: FaultRow = {
  number: 2,
  fault: 'connecting hangs: no answer to a SYN',
  async run() {
    await using rig = await startRig();
    const hole = await rig.blackhole();
    await using whirl = proxywhirl({ proxies: [hole.url] });
    await using engine = startEngine([hole.url]);
    await warm(engine, whirl);
    const clean = cleanAfter();
    using connects = countConnects();
    const limits = { connectMs: deadlineMs };
    const tunnels = times(3, () => tunnelEnding(hole.url, rig.target.httpsUrl, { limits }));
    const calls = [
      fetchEnding(whirl, rig.target.httpUrl, { deadlineMs }),
      fetchEnding(engine, rig.target.httpsUrl, { deadlineMs }),
    ];
    const [timedOut, cut] = [await Promise.all(tunnels), await Promise.all(calls)];
    return [
      exactly('PW_PROXY_CONNECT_TIMEOUT of 3 tunnels', countOf(timedOut, 'PW_PROXY_CONNECT_TIMEOUT'), 3),
      exactly('PW_FETCH_DEADLINE of 2 calls', countOf(cut, 'PW_FETCH_DEADLINE'), 2),
      atMost('settled, D = 1000 ms', longestMs([...timedOut, ...cut]), deadlineMs + 100, 'ms'),
      exactly('connections for 5 attempts', connects.to(hole.port), 5),
      ...(await clean([hole.port], whirl, engine)),
    ];
  },
};

const silent: FaultRow = {
  number: 3,
  fault: 'the proxy accepts and never answers',
  async run() {
    await using rig = await startRig();
    const schemes = ['httpUrl', 'httpsUrl'] as const;
    const cases: { proxy: RigProxy; engine: MatrixEngine; url: string }[] = [];
    for (const kind of kinds)
      for (const scheme of schemes) {
        const proxy = await rig.proxy({ kind, group: 'stopped' });
        cases.push({ proxy, engine: startEngine([proxy.url]), url: rig.target[scheme] });
      }
    const [first] = cases;
    const ports = cases.map(({ proxy }) => proxy.port);
    const engines = cases.map(({ engine }) => engine);
    await warm(...engines);
    await first?.proxy.process.stop();
    using connects = countConnects();
    const clean = cleanAfter();
    const late = await Promise.all(cases.map(({ engine, url }) => fetchEnding(engine, url, { deadlineMs })));
    const left = await clean(ports, ...engines);
    const aborted = await Promise.all(cases.map(({ engine, url, proxy }) => abort(engine, url, proxy)));
    const leftByAborts = await clean(ports, ...engines);
    const tunnels = await Promise.all(
      cases.map(({ proxy }) => tunnelEnding(proxy.url, rig.target.httpsUrl, { deadlineMs })),
    );
    const dialled = ports.reduce((sum, port) => sum + connects.to(port), 0);
    await Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]()));
    return [
      exactly('PW_FETCH_DEADLINE of 6 calls', countOf(late, 'PW_FETCH_DEADLINE'), 6),
      exactly('PW_TUNNEL_DEADLINE of 6 tunnels', countOf(tunnels, 'PW_TUNNEL_DEADLINE'), 6),
      atMost('settled, D = 1000 ms', longestMs([...late, ...tunnels]), deadlineMs + 100, 'ms'),
      exactly('PW_FETCH_ABORTED of 6 calls', countOf(aborted, 'PW_FETCH_ABORTED'), 6),
      atMost('settled after an abort', medianMs(aborted), 20, 'ms'),
      exactly('connections for 18 attempts', dialled, 18),
      ...left,
      ...leftByAborts.map((figure) => ({ ...figure, name: `${figure.name} by aborts` })),
    ];
  },
};

/** Aborts a call once it has connected; `loopMs` counts from the abort. */
async function abort(engine: MatrixEngine, url: string, { port }: RigProxy): Promise<Ending> {
  const controller = new AbortController();
  const pending = fetchEnding(engine, url, { signal: controller.signal });
  while (socketsTo(port) === 0) await new Promise((resolve) => setImmediate(resolve));
  const passed = loopTime();
  controller.abort();
  const ending = await pending;
  return { ...ending, loopMs: passed() };
}

const closed: FaultRow = {
  number: 4,
  fault: 'the proxy closes after CONNECT, or at accept',
  async run() {
    await using rig = await startRig();
    const faults: readonly ProxyFault[] = [
      { kind: 'close' },
      { kind: 'close', at: 'accept' },
      { kind: 'close-after-connect' },
    ];
    const endings: Ending[] = [];
    const dials: number[] = [];
    const ports: number[] = [];
    for (const kind of kinds)
      for (const fault of faults) {
        const proxy = await rig.proxy({ kind, fault });
        ports.push(proxy.port);
        const ways = [
          () => tunnelEnding(proxy.url, rig.target.httpsUrl),
          () => callAlone(proxy, rig.target.httpsUrl),
          () => callAlone(proxy, rig.target.httpUrl),
        ];
        for (const way of [...ways, ...ways, ...ways]) {
          const before = (await proxy.seen()).connections;
          endings.push(await way());
          dials.push((await proxy.drained()).connections - before);
        }
      }
    const clean = cleanAfter();
    const answered = countOf(endings, '200') + countOf(endings, 'open');
    return [
      exactly('errors of 81 attempts', endings.length - answered, 81),
      atMost('settled, median', medianMs(endings), 50, 'ms'),
      exactly('connections per attempt, at most', Math.max(...dials), 1),
      exactly('connections per attempt, at least', Math.min(...dials), 1),
      ...(await clean(ports)),
    ];
  },
};

/** One call of an engine that has no other proxy. */
async function callAlone({ url }: RigProxy, target: string): Promise<Ending> {
  await using engine = startEngine([url]);
  // Awaited: the engine must not be closed before.
  return await fetchEnding(engine, target);
}

const reset: FaultRow = {
  number: 5,
  fault: 'the proxy resets before or inside the tunnel',
  async run() {
    await using rig = await startRig();
    const good = await rig.proxy();
    const certain: string[] = [];
    const blurred: string[] = [];
    const calls: Ending[] = [];
    const ports: number[] = [];
    const clean = cleanAfter();
    for (const kind of kinds)
      for (const at of ['accept', 'request', 'tunnel'] as const) {
        const proxy = await rig.proxy({ kind, fault: { kind: 'reset', at } });
        ports.push(proxy.port);
        const codes = kind === 'https' && at === 'accept' ? blurred : certain;
        codes.push((await tunnelEnding(proxy.url, rig.target.httpsUrl)).code);
        await using engine = startEngine([proxy.url, good.url]);
        const body = `${kind} ${at}`;
        const call = await fetchEnding(engine, rig.target.httpsUrl, { method: 'POST', body });
        calls.push(call);
        codes.push(call.attempts[0]?.code ?? 'none');
      }
    const { bodies } = await rig.target.counts();
    const failedOver = calls.filter(({ code, attempts }) => code === '200' && attempts.length === 2);
    return [
      exactly(
        'PW_PROXY_RESET of 16 attempts',
        certain.filter((code) => code === 'PW_PROXY_RESET').length,
        16,
      ),
      // Where the first write of TLS meets the RST, Node swallows that error and then reads an orderly end.
      exactly('PW_PROXY_RESET or _CLOSED at the accept of TLS, of 2', blurred.filter(isBroken).length, 2),
      exactly('failed over to an answer, of 9 POSTs', failedOver.length, 9),
      exactly(
        'copies of 9 bodies at the target',
        Object.values(bodies).reduce((a, b) => a + b, 0),
        9,
      ),
      exactly('different ones', Object.keys(bodies).length, 9),
      ...(await clean([...ports, good.port])),
    ];
  },
};

function isBroken(code: string): boolean {
  return code === 'PW_PROXY_RESET' || code === 'PW_PROXY_CLOSED';
}

/** Loads what the first call loads, and opens what stays open: that is no leak. */
async function warm(...senders: readonly Pick<MatrixEngine, 'fetch'>[]): Promise<void> {
  const signal = AbortSignal.abort();
  for (const sender of senders) await fetchEnding(sender, 'http://127.0.0.1:1/', { signal });
}

export const connectRows: readonly FaultRow[] = [refused, blackhole, silent, closed, reset];
