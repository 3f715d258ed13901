import type { LabProxyKind, ProxyFault } from '../../../src/lab/index.js';
import { cleanAfter } from '../clean.js';
import { countOf, type Ending, fetchEnding, longestMs, tunnelEnding } from '../endings.js';
import { type MatrixEngine, startEngine } from '../engine.js';
import { atLeast, atMost, exactly, type FaultRow } from '../fault-row.js';
import { type RigProxy, startRig } from '../rig.js';

const deadlineMs = 1_000;
const kinds: readonly LabProxyKind[] = ['http', 'https'];
/** Default of `phases.idleMs`. */
const idleMs = 10_000;

const drip: FaultRow = {
  number: 7,
  fault: 'the head of CONNECT, of the answer, or the body drips',
  async run() {
    await using rig = await startRig();
    // An answer of 1 byte per 50 ms takes longer than D in each case.
    const slow = { bytes: 1, everyMs: 50 };
    await rig.target.script([
      { path: '/drip', answer: { bodyBytes: 1_000, drip: slow } },
      { path: '/stall', answer: { bodyBytes: 1_000, drip: { bytes: 1, everyMs: 60_000 } } },
      { path: '/in-time', answer: { bodyBytes: 30, drip: slow } },
    ]);
    const dripping = await Promise.all(
      kinds.map((kind) => rig.proxy({ kind, fault: { kind: 'drip', everyMs: 50 } })),
    );
    const good = await rig.proxy();
    const engines: MatrixEngine[] = [];
    const call = (proxy: RigProxy, url: string, init = {}): Promise<Ending> => {
      const engine = startEngine([proxy.url]);
      engines.push(engine);
      return fetchEnding(engine, url, init);
    };
    const { httpUrl, httpsUrl } = rig.target;
    const both = [httpUrl, httpsUrl];
    const clean = cleanAfter();
    const [tunnels, heads, bodies, [inTime, idle]] = await Promise.all([
      Promise.all(
        dripping.map(({ url }) => tunnelEnding(url, httpsUrl, { limits: { handshakeMs: deadlineMs } })),
      ),
      Promise.all(dripping.flatMap((proxy) => both.map((url) => call(proxy, url, { deadlineMs })))),
      Promise.all(both.map((url) => call(good, `${url}/drip`, { deadlineMs }))),
      Promise.all([call(good, `${httpsUrl}/in-time`), call(good, `${httpsUrl}/stall`)]),
    ]);
    const left = await clean(
      dripping.map(({ port }) => port),
      ...engines,
    );
    await Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]()));
    return [
      exactly('PW_PROXY_CONNECT_TIMEOUT of 2 tunnels', countOf(tunnels, 'PW_PROXY_CONNECT_TIMEOUT'), 2),
      exactly('PW_FETCH_DEADLINE of 4 dripping heads', countOf(heads, 'PW_FETCH_DEADLINE'), 4),
      exactly('PW_FETCH_DEADLINE of 2 dripping bodies', countOf(bodies, 'PW_FETCH_DEADLINE'), 2),
      atMost('settled, D = 1000 ms', longestMs([...tunnels, ...heads, ...bodies]), deadlineMs + 100, 'ms'),
      exactly('a body that drips within its time', inTime.code, '200'),
      exactly('a body that stalls', idle.code, 'PW_FETCH_BODY_BROKEN'),
      atLeast('given up when idle', sinceHead(idle.ms, idle), idleMs - 1, 'ms'),
      atMost('given up when idle', sinceHead(idle.loopMs, idle), idleMs + 100, 'ms'),
      ...left,
    ];
  },
};

const refusals = [101, 301, 302, 307, 400, 403, 404, 429, 500, 502, 503, 504, 511, 999];

/** How long after the head of its answer a call ended, in ms. */
function sinceHead(ms: number, { attempts }: Ending): number {
  return ms - (attempts[0]?.elapsedMs ?? Number.NaN);
}

/** The same fault, by tunnels and by calls. */
interface Endings {
  readonly tunnels: Ending[];
  readonly calls: Ending[];
}

const statuses: FaultRow = {
  number: 8,
  fault: 'CONNECT is answered with 1xx, another 2xx, or none of them',
  async run() {
    await using rig = await startRig();
    const clean = cleanAfter();
    const proxies = await Promise.all(kinds.map((kind) => rig.proxy({ kind })));
    const through = async (fault: ProxyFault): Promise<Endings> => {
      const tunnels: Ending[] = [];
      const calls: Ending[] = [];
      for (const proxy of proxies) {
        await proxy.behave({ fault });
        tunnels.push(await tunnelEnding(proxy.url, rig.target.httpsUrl));
        await using engine = startEngine([proxy.url]);
        calls.push(await fetchEnding(engine, rig.target.httpsUrl));
      }
      return { tunnels, calls };
    };
    const opened = [await through({ kind: 'interim' })];
    for (const status of [200, 201, 202, 204, 299])
      opened.push(await through({ kind: 'connect-status', status }));
    const reached = (await rig.target.counts()).requests;
    // What follows a 2xx comes out of the tunnel, where it is no TLS.
    const masked: Endings[] = [];
    const refused: Endings[] = [];
    const right: boolean[] = [];
    for (const body of [undefined, '<h1>Please log in</h1>']) {
      const page = body === undefined ? {} : { body };
      if (body !== undefined)
        for (const status of [200, 201, 204])
          masked.push(await through({ kind: 'connect-status', status, body }));
      for (const status of refusals) {
        const result = await through({ kind: 'connect-status', status, ...page });
        refused.push(result);
        right.push(result.tunnels.every(({ error }) => statusOf(error) === status));
      }
    }
    const tunnelsOf = (results: readonly Endings[]): Ending[] => results.flatMap(({ tunnels }) => tunnels);
    const callsOf = (results: readonly Endings[]): Ending[] => results.flatMap(({ calls }) => calls);
    return [
      exactly('tunnels by 1xx and 2xx, of 12', countOf(tunnelsOf(opened), 'open'), 12),
      exactly('answers of the target, of 12', countOf(callsOf(opened), '200'), 12),
      exactly('requests at the target', reached, 12),
      exactly('PW_PROXY_CONNECT_STATUS, of 56', countOf(tunnelsOf(refused), 'PW_PROXY_CONNECT_STATUS'), 56),
      exactly('that name the status, of 28', right.filter(Boolean).length, 28),
      exactly('PW_TARGET_TLS for a page after 2xx, of 6', countOf(tunnelsOf(masked), 'PW_TARGET_TLS'), 6),
      exactly(
        'PW_FETCH_EXHAUSTED, of 62',
        countOf(callsOf([...refused, ...masked]), 'PW_FETCH_EXHAUSTED'),
        62,
      ),
      exactly('handed out as the target’s', callsOf([...refused, ...masked]).filter(isAnswer).length, 0),
      ...(await clean(proxies.map(({ port }) => port))),
    ];
  },
};

function statusOf(error: unknown): unknown {
  return (error as { proxyStatus?: unknown } | null)?.proxyStatus;
}

function isAnswer({ code }: Ending): boolean {
  return /^\d+$/.test(code);
}

export const headRows: readonly FaultRow[] = [drip, statuses];
