import type { LookupFunction } from 'node:net';
import { countOf, type Ending, fetchEnding, tunnelEnding } from '../endings.js';
import { startEngine } from '../engine.js';
import { exactly, type FaultRow } from '../fault-row.js';
import { startRig } from '../rig.js';

const calls = 20;

const unknown: FaultRow = {
  number: 12,
  fault: 'the name of the proxy does not resolve',
  async run() {
    await using rig = await startRig();
    const good = await rig.proxy();
    const nameless = 'http://proxy.example:8000';
    const under = async (code: string) => {
      let asked = 0;
      const lookup: LookupFunction = (_host, _options, done) => {
        asked += 1;
        done(Object.assign(new Error(`getaddrinfo ${code}`), { code }), []);
      };
      await using engine = startEngine([nameless, good.url], { lookup });
      const endings: Ending[] = [];
      for (let i = 0; i < calls; i++) endings.push(await fetchEnding(engine, rig.target.httpsUrl));
      const inCalls = asked;
      const { code: told } = await tunnelEnding(nameless, rig.target.httpsUrl, { lookup });
      const [first, second] = engine.rotator.pool.list();
      const verdicts = new Set(endings.flatMap(({ attempts }) => attempts.map(({ verdict }) => verdict)));
      return { endings, asked: inCalls, told, first, second, verdicts: [...verdicts].sort().join() };
    };
    const gone = await under('ENOTFOUND');
    const ours = await under('EAI_AGAIN');
    return [
      exactly('ENOTFOUND: answers of 20 calls', countOf(gone.endings, '200'), calls),
      exactly('code', gone.told, 'PW_PROXY_NOT_FOUND'),
      exactly('verdicts', gone.verdicts, 'proxy,success'),
      exactly('attempts until it is out', gone.asked, 2),
      exactly('then', `${gone.first?.health}, the other ${gone.second?.health}`, 'open, the other closed'),
      exactly('EAI_AGAIN: answers of 20 calls', countOf(ours.endings, '200'), calls),
      exactly('code', ours.told, 'PW_LOCAL_NETWORK'),
      exactly('verdicts', ours.verdicts, 'local,success'),
      exactly('attempts in 20 calls', ours.asked, calls / 2),
      exactly(
        'faults of the proxy',
        JSON.stringify(ours.first?.breaker),
        JSON.stringify(ours.second?.breaker),
      ),
    ];
  },
};

export const nameRows: readonly FaultRow[] = [unknown];
