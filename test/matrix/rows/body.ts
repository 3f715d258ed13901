import { createHash } from 'node:crypto';
import { seededRandom } from '../../../src/lab/index.js';
import type { ProxiedResponse } from '../../../src/transport/proxied-response.js';
import { cleanAfter } from '../clean.js';
import { startEngine } from '../engine.js';
import { atLeast, exactly, type FaultRow } from '../fault-row.js';
import { type Rig, type RigProxy, startRig } from '../rig.js';

const kills = 21;
/** Each carries eight to one origin at the same time. */
const proxiesPerKill = 7;
const bodiesPerKill = 50;
const bodyBytes = 200_000;

const killed: FaultRow = {
  number: 6,
  fault: 'the proxy is killed in the middle of a body',
  async run() {
    await using rig = await startRig();
    const drip = { bytes: 2_000, everyMs: 5 };
    await rig.target.script([
      { path: '/length', answer: { bodyBytes, drip } },
      { path: '/chunked', answer: { bodyBytes, drip, chunked: true } },
    ]);
    const random = seededRandom(6);
    const endings: BodyEnding[] = [];
    const clean = cleanAfter();
    const ports: number[] = [];
    let next = startProxies(rig, 0);
    for (let kill = 0; kill < kills; kill++) {
      const proxies = await next;
      // The next ones start while these die.
      next = kill + 1 < kills ? startProxies(rig, kill + 1) : next;
      ports.push(...proxies.map(({ port }) => port));
      endings.push(...(await killInside(rig, proxies, random)));
    }
    const cut = endings.filter(({ bytes }) => bytes < bodyBytes);
    const codes = cut.map(({ code }) => code);
    const byPath = (path: string): number => cut.filter(({ url }) => url.endsWith(path)).length;
    return [
      atLeast('bodies cut off', cut.length, 1_000),
      atLeast('with Content-Length', byPath('/length'), 400),
      atLeast('chunked', byPath('/chunked'), 400),
      exactly('cut off and delivered as a success', codes.filter((code) => code === null).length, 0),
      exactly(
        'other errors than PW_FETCH_BODY_BROKEN',
        codes.filter((code) => code !== 'PW_FETCH_BODY_BROKEN').length,
        0,
      ),
      exactly(
        'whole, with another sha256',
        endings.filter(({ code, right }) => code === null && !right).length,
        0,
      ),
      ...(await clean(ports)),
    ];
  },
};

interface BodyEnding {
  readonly url: string;
  readonly bytes: number;
  /** Null for a success. */
  readonly code: string | null;
  readonly right: boolean;
}

function startProxies(rig: Rig, kill: number): Promise<RigProxy[]> {
  return Promise.all(Array.from({ length: proxiesPerKill }, () => rig.proxy({ group: `kill-${kill}` })));
}

/** Fifty answers have begun when their proxies die, at a byte that chance picks. */
async function killInside(
  rig: Rig,
  proxies: readonly RigProxy[],
  random: () => number,
): Promise<BodyEnding[]> {
  await using engine = startEngine(proxies.map(({ url }) => url));
  const urls = [rig.target.httpUrl, rig.target.httpsUrl].flatMap((url) => [
    `${url}/length`,
    `${url}/chunked`,
  ]);
  const responses = await Promise.all(
    Array.from({ length: bodiesPerKill }, async (_, i) => {
      const url = urls[i % urls.length] ?? '';
      return { url, response: await engine.fetch(url) };
    }),
  );
  const victim = Math.floor(random() * responses.length);
  const atByte = Math.floor(random() * bodyBytes * 0.5);
  const kill = (): Promise<void> | undefined => proxies[0]?.process.kill();
  return Promise.all(
    responses.map(({ url, response }, i) => readBody(url, response, i === victim ? { atByte, kill } : null)),
  );
}

async function readBody(
  url: string,
  response: ProxiedResponse,
  trigger: { readonly atByte: number; kill(): unknown } | null,
): Promise<BodyEnding> {
  const hash = createHash('sha256');
  let bytes = 0;
  let code: string | null = null;
  let armed = trigger !== null;
  try {
    for await (const chunk of response.body ?? []) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      if (!armed || bytes < (trigger?.atByte ?? 0)) continue;
      armed = false;
      trigger?.kill();
    }
  } catch (error) {
    code = (error as { code: string }).code;
  }
  return { url, bytes, code, right: hash.digest('hex') === response.headers.get('x-sha256') };
}

export const bodyRows: readonly FaultRow[] = [killed];
