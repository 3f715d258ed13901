import { proxywhirl } from '../../../src/index.js';
import { FakeClock } from '../../support/fake-clock.js';
import { bannedAtOneHost, builtIn } from '../../support/health-rows.js';
import { record } from '../../support/test-engine.js';
import { type PageFixture, readPages } from '../../transport/page-fixtures.js';
import { type Ending, fetchEnding } from '../endings.js';
import { type MatrixEngine, startEngine } from '../engine.js';
import { atLeast, atMost, exactly, type FaultRow, type Figure, within } from '../fault-row.js';
import { type Rig, startRig, type TargetRule } from '../rig.js';

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** What an answer must not bring along when another server gives it. */
const framing: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection']);

/** A page of the fixtures at a host of its own, and where to ask for it. */
interface ServedPage {
  readonly page: PageFixture;
  readonly url: string;
  /** The same page as any host sees it that has nothing to do with it. */
  readonly elsewhere: string;
  readonly rules: readonly TargetRule[];
}

function serve({ target }: Rig, page: PageFixture, index: number): ServedPage {
  const { status, headers, body, url, finalUrl, plainHttp } = page.answer;
  const { protocol, port } = new URL(plainHttp ? target.httpUrl : target.httpsUrl);
  const host = `page${index}.lab.test`;
  const asked = new URL(url);
  const shown = new URL(finalUrl ?? url);
  const kept = Object.entries(headers as Record<string, string | string[]>).filter(
    ([name]) => !framing.has(name.toLowerCase()),
  );
  const answer = { status, headers: Object.fromEntries(kept), body: body ?? '' };
  const path = (of: URL): string => of.pathname;
  const rules: TargetRule[] = [{ host, path: path(shown), answer }];
  if (finalUrl !== undefined)
    rules.push({
      host,
      path: path(asked),
      answer: { status: 302, headers: { location: `${shown.pathname}${shown.search}` } },
    });
  return {
    page,
    url: `${protocol}//${host}:${port}${asked.pathname}${asked.search}`,
    elsewhere: `${protocol}//other${index}.lab.test:${port}/`,
    rules,
  };
}

/** Redirects are followed where the fixture was, else looked at. */
function ask(engine: MatrixEngine, { url, page }: ServedPage): Promise<Ending> {
  return fetchEnding(engine, url, page.answer.finalUrl === undefined ? { redirect: 'manual' } : {});
}

const banPages: FaultRow = {
  number: 16,
  fault: 'a page that is a ban, whatever its status',
  async run() {
    await using rig = await startRig();
    const proxies = await Promise.all([rig.proxy(), rig.proxy()]);
    const bans = readPages('ban-pages').map((page, i) => serve(rig, page, i));
    const benign = readPages('benign-pages').map((page, i) => serve(rig, page, bans.length + i));
    await rig.target.script([...bans, ...benign].flatMap(({ rules }) => rules));
    const banned: boolean[] = [];
    const ruled: boolean[] = [];
    const [cooling, elsewhere]: [boolean[], boolean[]] = [[], []];
    for (const ban of bans) {
      // Bans by three hosts would cool a proxy down everywhere.
      await using engine = startEngine(proxies.map(({ url }) => url));
      const cooldowns = record(engine.rotator, 'cooldown');
      const { attempts } = await ask(engine, ban);
      const [first] = attempts.filter(({ verdict }) => verdict === 'banned');
      banned.push(attempts.filter(({ verdict }) => verdict === 'banned').length === 2);
      ruled.push(first?.rule === ban.page.rule);
      const { host } = new URL(ban.url);
      cooling.push(cooldowns.length === 2 && cooldowns.every((one) => one.host === host));
      const others = [await fetchEnding(engine, ban.elsewhere), await fetchEnding(engine, ban.elsewhere)];
      const used = new Set(others.flatMap((one) => one.attempts.map(({ proxyId }) => proxyId)));
      elsewhere.push(used.size === 2 && others.every(({ code }) => code === '200'));
    }
    const wrong: string[] = [];
    for (const one of benign) {
      await using engine = startEngine(proxies.map(({ url }) => url));
      const { attempts } = await ask(engine, one);
      if (attempts.length === 0 || attempts.some(({ verdict }) => verdict === 'banned'))
        wrong.push(one.page.file);
    }
    return [
      exactly('ban pages found, of 20', banned.filter(Boolean).length, 20),
      exactly('by their rule', ruled.filter(Boolean).length, 20),
      exactly('pairs that cool down', cooling.filter(Boolean).length, 20),
      exactly('other hosts keep using both proxies', elsewhere.filter(Boolean).length, 20),
      exactly('benign pages that were asked for', benign.length, 40),
      exactly('of these taken for bans', wrong.join(' '), ''),
    ];
  },
};

/** What a site may say in Retry-After, and the cooldown in s; null: it says nothing. */
const waits: readonly [said: string, seconds: number | null][] = [
  ['1', 1],
  ['7', 7],
  ['120', 120],
  ['date +45', 45],
  ['date +4000', 300],
  ['86400', 300],
  ['99999999999999999999', 300],
  ['0.5', null],
  ['0', 1],
  ['-5', null],
  ['date -60', null],
  ['soon', null],
  ['1e3', null],
  ['', null],
];

const retryAfter: FaultRow = {
  number: 17,
  fault: '403 and 429 with Retry-After',
  async run() {
    await using rig = await startRig();
    const [first, second] = await Promise.all([rig.proxy(), rig.proxy()]);
    const off: number[] = [];
    const late: string[] = [];
    let meanwhile = 0;
    const { port } = new URL(rig.target.httpUrl);
    let host = 0;
    for (const status of [403, 429])
      for (const [said, seconds] of waits) {
        host += 1;
        const url = `http://wait${host}.lab.test:${port}/`;
        const headers = said === '' ? {} : { 'retry-after': spelled(said) };
        await rig.target.script([
          { from: first.address, answer: { status, headers: { 'content-type': 'text/html', ...headers } } },
        ]);
        await rig.target.forget();
        const clock = new FakeClock();
        await using whirl = proxywhirl({ proxies: [first.url, second.url], clock });
        const cooldowns = record(whirl.rotator, 'cooldown');
        await fetchEnding(whirl, url);
        const cooldownMs = cooldowns[0]?.cooldownMs ?? Number.NaN;
        // Without a wish it is 30 s, and up to half of that by chance.
        const [least, most] = seconds === null ? [30_000, 45_000] : [seconds * 1_000, seconds * 1_000];
        off.push(
          cooldowns.length === 1
            ? Math.max(least - cooldownMs, cooldownMs - most, 0)
            : Number.POSITIVE_INFINITY,
        );
        for (let step = 0; step < 4; step++) {
          for (let i = 0; i < 3; i++) await fetchEnding(whirl, url);
          clock.advance(step < 3 ? cooldownMs / 3 - 1 : 4);
        }
        const asked = async (): Promise<number> => (await rig.target.counts()).byFrom[first.address] ?? 0;
        meanwhile += (await asked()) - 1;
        await fetchEnding(whirl, url);
        await fetchEnding(whirl, url);
        if ((await asked()) === 1) late.push(`${status} ${said}`);
      }
    return [
      exactly('answers with a wish or without', off.length, 2 * waits.length),
      atMost('cooldown, off by at most', Math.max(...off) / 1_000, 1, 's'),
      exactly('requests to the pair meanwhile', meanwhile, 0),
      exactly('pairs not used again afterwards', late.join(', '), ''),
    ];
  },
};

function spelled(said: string): string {
  const [word, seconds] = said.split(' ');
  if (word !== 'date') return said;
  return new Date(Date.now() + Number(seconds) * 1_000).toUTCString();
}

const evensOut: ReadonlySet<string> = new Set(['least-used', 'composite']);

const oneHost: FaultRow = {
  number: 19,
  fault: 'one host of ten bans a proxy',
  async run() {
    const simulated = Object.entries(builtIn).flatMap(([name, strategy]): Figure[] => {
      const { shareAtOthers, skipped } = bannedAtOneHost(strategy);
      return [
        exactly(`${name}: picks at the 9 others in which it was left out`, skipped, 0),
        // Who evens out the numbers of requests gives a proxy elsewhere what it lost at the one.
        evensOut.has(name)
          ? atLeast(`${name}: its share there (it evens out), of a fair one`, shareAtOthers, 0.95)
          : within(`${name}: its share there, of a fair one`, shareAtOthers, 0.95, 1.05),
      ];
    });
    return [...simulated, ...(await bannedForReal())];
  },
};

async function bannedForReal(): Promise<readonly Figure[]> {
  await using rig = await startRig();
  const proxies = await Promise.all(times(10, () => rig.proxy()));
  const [banned] = proxies;
  const hosts = times(10, (i) => `host${i}.lab.test`);
  await rig.target.script([{ host: hosts[0] ?? '', from: banned?.address ?? '', answer: { status: 429 } }]);
  await using whirl = proxywhirl({ proxies: proxies.map(({ url }) => url) });
  const { port } = new URL(rig.target.httpUrl);
  const id = whirl.rotator.pool.list()[0]?.id;
  const at = (host: string): Promise<Ending> => fetchEnding(whirl, `http://${host}:${port}/`);
  // Until it was turned away there.
  for (let i = 0; i < 10; i++) await at(hosts[0] ?? '');
  await rig.target.forget();
  let own = 0;
  for (let round = 0; round < 20; round++)
    for (const host of hosts.slice(1)) {
      const { attempts } = await at(host);
      own += attempts.filter(({ proxyId }) => proxyId === id).length;
    }
  for (let i = 0; i < 20; i++) await at(hosts[0] ?? '');
  const log = await rig.target.log();
  const there = log.filter(({ from, host }) => from === banned?.address && host.startsWith('host0.'));
  // Another host has its own dislikes: each counts for one pair.
  await rig.target.script([
    { host: hosts[1] ?? '', from: proxies[5]?.address ?? '', answer: { status: 429 } },
  ]);
  for (let i = 0; i < 10; i++) await at(hosts[1] ?? '');
  const pairs = hosts.flatMap((host) => {
    const { proxies: all } = whirl.rotator.explain({ url: `http://${host}:${port}/` });
    return all.filter(({ status }) => status === 'excluded').map(({ proxyId }) => [host, proxyId]);
  });
  return [
    exactly('for real: pairs that are left out, after another ban', pairs.length, 2),
    exactly('for real: its picks of 180 at the 9 others', own, 18),
    exactly('for real: requests of it at the one', there.length, 0),
  ];
}

export const banRows: readonly FaultRow[] = [banPages, retryAfter, oneHost];
