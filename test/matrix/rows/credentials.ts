import { inspect } from 'node:util';
import type { LabCredentials, LabProxyKind } from '../../../src/lab/index.js';
import { countOf, type Ending, fetchEnding, tunnelEnding } from '../endings.js';
import { type MatrixEngine, startEngine } from '../engine.js';
import { atMost, exactly, type FaultRow } from '../fault-row.js';
import { startRig } from '../rig.js';

const right: LabCredentials = { username: 'r1ght-us3r', password: 'r1ght-p4ss' };
const wrong: LabCredentials = { username: 'wr0ng-us3r', password: 'wr0ng-p4ss' };
const given: readonly (LabCredentials | null)[] = [
  null,
  { ...right, username: wrong.username },
  { ...right, password: wrong.password },
  wrong,
];
const kinds: readonly LabProxyKind[] = ['http', 'https', 'socks5'];
const calls = 20;

const refused: FaultRow = {
  number: 9,
  fault: 'the proxy refuses the credentials: none, user, password, both; 407, or 401 on CONNECT',
  async run() {
    await using rig = await startRig();
    const others = [await rig.proxy({ group: 'others' }), await rig.proxy({ group: 'others' })];
    const endings: Ending[] = [];
    const tunnels: Ending[] = [];
    const tried: number[] = [];
    const dialled: number[] = [];
    const states: string[] = [];
    const untouched: boolean[] = [];
    /** Twenty calls over three proxies, of which the first refuses. */
    const run = async (url: string, target: string, connections: () => Promise<number>): Promise<void> => {
      await using engine = startEngine([url, ...others.map((other) => other.url)]);
      const before = await connections();
      const made: Ending[] = [];
      for (let i = 0; i < calls; i++) made.push(await fetchEnding(engine, target));
      endings.push(...made);
      tried.push(
        made.flatMap(({ attempts }) => attempts).filter(({ code }) => code === 'PW_PROXY_AUTH').length,
      );
      dialled.push((await connections()) - before);
      const [first, ...rest] = statesOf(engine);
      states.push(first ?? '');
      untouched.push(rest.every((state) => state === 'closed 0'));
    };
    for (const kind of kinds) {
      const proxy = await rig.proxy({ kind, credentials: right });
      for (const credentials of given) {
        const url = withCredentials(proxy.url, credentials);
        tunnels.push(await tunnelEnding(url, rig.target.httpsUrl));
        for (const target of [rig.target.httpUrl, rig.target.httpsUrl])
          await run(url, target, async () => (await proxy.seen()).connections);
      }
    }
    for (const kind of ['http', 'https'] as const) {
      const proxy = await rig.proxy({ kind, fault: { kind: 'connect-status', status: 401 } });
      tunnels.push(await tunnelEnding(proxy.url, rig.target.httpsUrl));
      await run(proxy.url, rig.target.httpsUrl, async () => (await proxy.seen()).connections);
    }
    const cases = states.length;
    const shown = [...tunnels, ...endings].map(({ error, attempts }) =>
      inspect([error, attempts], { depth: 9 }),
    );
    return [
      exactly('answers of 26 x 20 calls', countOf(endings, '200'), cases * calls),
      exactly('cases', cases, 26),
      exactly('PW_PROXY_AUTH of 14 tunnels', countOf(tunnels, 'PW_PROXY_AUTH'), 14),
      exactly('attempts with the same credentials, at most', Math.max(...tried), 2),
      exactly('attempts with the same credentials, at least', Math.min(...tried), 2),
      // One, where the proxy leaves the connection open on which it refused.
      atMost('connections for them', Math.max(...dialled), 2),
      exactly(
        'auth-failed after that',
        states.filter((state) => state.startsWith('auth-failed')).length,
        cases,
      ),
      exactly('cases in which the other proxies are as before', untouched.filter(Boolean).length, cases),
      exactly(
        'secrets in errors',
        shown.filter((text) => secrets.some((secret) => text.includes(secret))).length,
        0,
      ),
    ];
  },
};

/** In the clear, percent-encoded (the same here), and as they go over the wire. */
const secrets = [right, wrong]
  .flatMap(({ username, password }) => [username, password])
  .flatMap((part, _at, parts) => [part, ...parts.map((other) => base64(`${part}:${other}`))]);

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function withCredentials(url: string, credentials: LabCredentials | null): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${credentials === null ? '' : `${credentials.username}:${credentials.password}@`}${host}`;
}

/** State of each proxy, and the weight of the faults that count against it. */
function statesOf({ rotator }: MatrixEngine): string[] {
  return rotator.pool
    .list()
    .map(({ breaker }) => `${breaker.state} ${'faults' in breaker ? breaker.faults : '-'}`);
}

export const credentialRows: readonly FaultRow[] = [refused];
