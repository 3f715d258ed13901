import {
  exactStorm,
  lostAfterWriting,
  realStorm,
  type StormKind,
  type StormReport,
} from '../../transport/fetch-storms.js';
import { atLeast, atMost, exactly, type FaultRow, type Figure } from '../fault-row.js';

const lost: FaultRow = {
  number: 27,
  fault: 'the connection is lost after the request was written',
  async run() {
    const figures: Figure[] = [];
    for (const scheme of ['http', 'https'] as const) {
      const posts = await lostAfterWriting(scheme, 'POST', 1_000);
      const gets = await lostAfterWriting(scheme, 'GET', 20);
      figures.push(
        exactly(`${scheme}: POSTs of 1,000 that the target saw`, posts.arrived, 1_000),
        exactly(`${scheme}: copies of one POST, at most`, posts.most, 1),
        exactly(`${scheme}: copies of one GET, in three attempts`, gets.most, 3),
      );
    }
    return figures;
  },
};

/** How long each real storm lasts. */
const stormMs = 1_000;

const storm: FaultRow = {
  number: 28,
  fault: 'everything fails: no storm of retries',
  async run() {
    const proxies = await exactStorm('proxies');
    const target = await exactStorm('target-lost');
    return [
      atMost('proxies, 1,000/s for 10 s: connections per request', perRequest(proxies), 2.2),
      atLeast('so that the budget matters', perRequest(proxies), 1.9),
      atMost('target, 1,000/s for 10 s: requests that reach it, each', perRequest(target, 10 * 10), 1.2),
      atLeast('so that the budget matters there', perRequest(target), 1.15),
      ...(await forReal('proxies', 'budget', 2.2)),
      ...(await forReal('proxies', 'shipped', 2.2)),
      ...(await forReal('target-lost', 'budget', 1.2)),
      ...(await forReal('target-lost', 'shipped', 1.2)),
      ...(await forReal('target-502', 'shipped', 1.2)),
    ];
  },
};

async function forReal(kind: StormKind, engine: 'budget' | 'shipped', most: number): Promise<Figure[]> {
  const report = await realStorm(kind, stormMs, engine);
  const name = `${kind}, for real, ${engine}`;
  return [
    atLeast(`${name}: requests`, report.requests, 100),
    // The first ten seconds share one window of the budget, and its 10/s.
    atMost(`${name}: load per request, less 10/s`, perRequest(report, 10 * 10), most),
  ];
}

function perRequest({ requests, load }: StormReport, free = 0): number {
  return Math.max(0, load - free) / requests;
}

export const stormRows: readonly FaultRow[] = [lost, storm];
