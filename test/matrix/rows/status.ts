import { proxywhirl } from '../../../src/index.js';
import { type LabProxyKind, seededRandom } from '../../../src/lab/index.js';
import { record } from '../../support/test-engine.js';
import { countOf, type Ending, fetchEnding } from '../endings.js';
import { type MatrixEngine, startEngine } from '../engine.js';
import { atLeast, exactly, type FaultRow, type Figure } from '../fault-row.js';
import { type Rig, type RigProxy, startRig } from '../rig.js';
import { type StatusCase, statusCases } from './status-cases.js';

const kinds: readonly LabProxyKind[] = ['http', 'https', 'socks5'];

const whose: FaultRow = {
  number: 14,
  fault: '502, 503, 504 by the proxy or by the target',
  async run() {
    await using rig = await startRig();
    const others = [await rig.proxy(), await rig.proxy()];
    const subjects = new Map<LabProxyKind, RigProxy>();
    for (const kind of kinds) subjects.set(kind, await rig.proxy({ kind }));
    const wrong: StatusCase[] = [];
    let opened = 0;
    for (const [index, one] of statusCases.entries()) {
      const subject = subjects.get(one.kind) as RigProxy;
      await using engine = startEngine(
        [subject, ...others].map(({ url }) => url.replace('socks5:', 'socks5h:')),
      );
      const breakers = record(engine.rotator, 'breaker');
      const verdict = await verdictOf(one, `case${index}.lab.test`, engine, rig, subject);
      if (!one.right.includes(verdict)) wrong.push(one);
      if (one.madeBy === 'target') opened += breakers.length;
    }
    const secure = statusCases.filter((one) => one.secure);
    const share = (of: readonly StatusCase[]): number =>
      (of.filter((one) => !wrong.includes(one)).length / of.length) * 100;
    return [
      atLeast('labelled cases', statusCases.length, 200),
      atLeast('https: % right', share(secure), 100),
      atLeast('all: % right', share(statusCases), 95),
      exactly('groups with wrong ones', [...new Set(wrong.map(({ group }) => group))].join(', '), ''),
      exactly('breakers opened in the cases by errors of the target', opened, 0),
      ...(await longRun(rig)),
    ];
  },
};

/** What is charged to the proxy in question for the one answer. */
async function verdictOf(
  one: StatusCase,
  host: string,
  engine: MatrixEngine,
  { target }: Rig,
  subject: RigProxy,
): Promise<string> {
  const { port, protocol } = new URL(one.secure ? target.httpsUrl : target.httpUrl);
  const url = `${protocol}//${host}:${port}/`;
  const { answer, others } = one;
  const [first, ...rest] = engine.rotator.pool.list();
  // It has brought something before.
  await fetchEnding(engine, target.httpUrl);
  const settled = record(engine.rotator, 'settled');
  await target.script(
    one.madeBy === 'target' ? [{ host, answer: { ...answer, body: answer.body ?? '' } }] : [],
  );
  if (others !== 'unknown')
    for (const { id } of rest) {
      engine.rotator.pool.drain(first?.id ?? '');
      await fetchEnding(engine, url, { attempts: 1 });
      engine.rotator.pool.drain(id);
    }
  for (const { id } of rest) engine.rotator.pool.drain(id);
  engine.rotator.pool.drain(first?.id ?? '', false);
  if (one.madeBy === 'proxy') await subject.behave({ fault: { kind: 'connect-status', ...answer } });
  await fetchEnding(engine, url, { attempts: 1 });
  if (one.madeBy === 'proxy') await subject.behave({ fault: 'none' });
  return settled.filter(({ proxyId }) => proxyId === first?.id).at(-1)?.verdict ?? 'none';
}

/** A site of which some pages fail, for long: whatever share of the requests that is, it is nobody's fault here. */
async function longRun(rig: Rig): Promise<readonly Figure[]> {
  const proxies = await Promise.all(Array.from({ length: 5 }, () => rig.proxy()));
  await rig.target.script([502, 503, 504].map((status) => ({ path: `/${status}`, answer: { status } })));
  const random = seededRandom(14);
  let [opened, asked] = [0, 0];
  for (const base of [rig.target.httpUrl, rig.target.httpsUrl])
    for (const failing of [0.2, 0.5, 0.8, 1]) {
      await using engine = startEngine(proxies.map(({ url }) => url));
      const breakers = record(engine.rotator, 'breaker');
      // All of them have brought something: one that never did is told from a broken one by nothing.
      for (let i = 0; i < proxies.length; i++) await fetchEnding(engine, base);
      for (let i = 0; i < 100; i++) {
        const fails = random() < failing;
        await fetchEnding(engine, fails ? `${base}/${502 + (i % 3)}` : base);
        asked += 1;
      }
      opened += breakers.length;
    }
  return [
    atLeast('requests to a site of which 20 to 100 % fail', asked, 800),
    exactly('breakers opened by them', opened, 0),
  ];
}

const portals: FaultRow = {
  number: 15,
  fault: 'a captive portal: 302 to its login, 200 with it, 511',
  async run() {
    await using rig = await startRig();
    const page = { 'content-type': 'text/html' };
    const body = '<html><body>Welcome to our hotel. Please log in.</body></html>';
    const portal = (status: number, headers = {}) =>
      rig.proxy({ fault: { kind: 'connect-status', status, body, headers: { ...page, ...headers } } });
    const caught = [await portal(200), await portal(302, { location: '/login' }), await portal(511)];
    const good = [await rig.proxy(), await rig.proxy()];
    await rig.target.script([{ path: '/control', answer: { body: 'the control token' } }]);
    const { httpUrl } = rig.target;
    const check = { url: `${httpUrl}/control`, token: 'control token' };
    await using whirl = proxywhirl({
      proxies: [...caught, ...good].map(({ url }) => url),
      health: { check },
    });
    const ids = whirl.rotator.pool.list().map(({ id }) => id);
    const out = (): number => ids.slice(0, 3).filter((id) => whirl.rotator.pool.get(id)?.drained).length;
    const outOfGood = (): number => ids.slice(3).filter((id) => whirl.rotator.pool.get(id)?.drained).length;
    await whirl.ready();
    for (let i = 0; i < 3; i++) await whirl.health.check();
    const [down, downOfGood] = [out(), outOfGood()];
    const endings: Ending[] = [];
    for (let i = 0; i < 20; i++) endings.push(await fetchEnding(whirl, httpUrl));
    const used = new Set(endings.flatMap(({ attempts }) => attempts.map(({ proxyId }) => proxyId)));
    for (const one of caught) await one.behave({ fault: 'none' });
    for (let i = 0; i < 2; i++) await whirl.health.check();
    return [
      exactly('portals that are out after three checks', down, 3),
      exactly('good proxies that are out', downOfGood, 0),
      exactly('of 20 requests: answers', countOf(endings, '200'), 20),
      exactly('portals that they met', ids.slice(0, 3).filter((id) => used.has(id)).length, 0),
      exactly('out when they have let go, after two checks', out(), 0),
    ];
  },
};

export const statusRows: readonly FaultRow[] = [whose, portals];
