import { proxywhirl } from '../../../src/index.js';
import type { LabCertificate, ProxyFault } from '../../../src/lab/index.js';
import { cleanAfter } from '../clean.js';
import { countOf, type Ending, fetchEnding, tunnelEnding } from '../endings.js';
import { type MatrixEngine, startEngine } from '../engine.js';
import { exactly, type FaultRow } from '../fault-row.js';
import { startRig } from '../rig.js';

const withProxy: FaultRow = {
  number: 10,
  fault: 'the certificate of an https proxy is expired, self-signed, for another name; or it speaks TLS 1.0',
  async run() {
    await using rig = await startRig();
    const faults: readonly ProxyFault['kind'][] = [
      'cert-expired',
      'cert-self-signed',
      'cert-wrong-name',
      'tls-1.0',
    ];
    const bad = await Promise.all(faults.map((fault) => rig.proxy({ kind: 'https', fault })));
    // Its certificate is in order, but nobody was told to trust who made it.
    const strange = await rig.proxy({ kind: 'https' });
    const all = [...bad, strange];
    const clean = cleanAfter();
    const ten = Array.from({ length: 10 });
    const options = (url: string) => (url === strange.url ? { proxyTls: {} } : {});
    const tunnels = await Promise.all(
      all.flatMap(({ url }) => ten.map(() => tunnelEnding(url, rig.target.httpsUrl, options(url)))),
    );
    const left = await clean(all.map(({ port }) => port));
    const calls: Ending[] = [];
    for (const { url } of bad)
      for (const target of [rig.target.httpUrl, rig.target.httpsUrl]) {
        await using engine = startEngine([url]);
        calls.push(await fetchEnding(engine, target));
      }
    await using whirl = proxywhirl({ proxies: [strange.url] });
    calls.push(await fetchEnding(whirl, rig.target.httpUrl));
    const codes = calls.map(({ attempts }) => attempts.map(({ code }) => code).join());
    const seen = await Promise.all(all.map((proxy) => proxy.drained()));
    return [
      exactly('PW_PROXY_TLS of 50 tunnels', countOf(tunnels, 'PW_PROXY_TLS'), 50),
      exactly('PW_PROXY_TLS of 9 calls', codes.filter((code) => code === 'PW_PROXY_TLS').length, 9),
      exactly(
        'requests at a proxy',
        seen.reduce((sum, { requests }) => sum + requests, 0),
        0,
      ),
      exactly('requests at the target', (await rig.target.counts()).requests, 0),
      exactly(
        'connections for 59 attempts',
        seen.reduce((sum, { connections }) => sum + connections, 0),
        59,
      ),
      ...left,
      ...(
        await clean(
          all.map(({ port }) => port),
          whirl,
        )
      ).map((one) => ({ ...one, name: `${one.name} by calls` })),
    ];
  },
};

const insideTunnel: FaultRow = {
  number: 11,
  fault: 'the certificate of the target is bad inside the tunnel: its own, or that of a proxy that breaks in',
  async run() {
    await using rig = await startRig();
    const spy = await rig.proxy({ fault: 'intercept' });
    const good = [await rig.proxy({ group: 'good' }), await rig.proxy({ group: 'good' })];
    const kinds: readonly LabCertificate[] = ['expired', 'self-signed', 'wrong-name'];
    const own: Ending[] = [];
    const spared: string[] = [];
    for (const kind of kinds) {
      await using engine = startEngine(good.map(({ url }) => url));
      for (let i = 0; i < 10; i++) own.push(await fetchEnding(engine, await rig.target.badHttpsUrl(kind)));
      spared.push(...healths(engine));
    }
    const reached = (await rig.target.counts()).requests;
    await using engine = startEngine([spy, ...good].map(({ url }) => url));
    const { port } = new URL(rig.target.httpsUrl);
    const endings: Ending[] = [];
    const at = async (host: string): Promise<string> => {
      for (let i = 0; i < 6; i++)
        endings.push(await fetchEnding(engine, `https://${host}.lab.test:${port}/`));
      return healths(engine).join();
    };
    const [one, two] = [await at('a'), await at('b')];
    const atSpy = (await spy.seen()).connections;
    await at('c');
    const later = (await spy.seen()).connections - atSpy;
    const log = await rig.target.log();
    const codes = endings.flatMap(({ attempts }) => attempts.map(({ code }) => code));
    return [
      exactly('PW_FETCH_EXHAUSTED of 30 calls to a bad target', countOf(own, 'PW_FETCH_EXHAUSTED'), 30),
      exactly('PW_TARGET_TLS alone', own.every(isTargetTls), true),
      exactly('requests that it got', reached, 0),
      exactly('proxies blamed for it', spared.filter((state) => state !== 'closed').length, 0),
      exactly('answers of 18 calls past a proxy that breaks in', countOf(endings, '200'), 18),
      exactly('requests through it', log.filter(({ from }) => from === spy.address).length, 0),
      exactly(
        'errors other than PW_TARGET_TLS',
        codes.filter((code) => code !== null && code !== 'PW_TARGET_TLS').length,
        0,
      ),
      exactly('pool after one host', one, 'closed,closed,closed'),
      exactly('pool after two hosts', two, 'tls-intercept,closed,closed'),
      exactly('connections to it afterwards', later, 0),
    ];
  },
};

function isTargetTls({ attempts }: Ending): boolean {
  return attempts.length > 0 && attempts.every(({ code }) => code === 'PW_TARGET_TLS');
}

function healths({ rotator }: MatrixEngine): string[] {
  return rotator.pool.list().map(({ health }) => health);
}

export const tlsRows: readonly FaultRow[] = [withProxy, insideTunnel];
