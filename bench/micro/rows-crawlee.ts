import type { ProxyConfiguration } from '@crawlee/core';
import type { Proxy } from '../../src/core/proxy.js';
import { compare, type Sample, whole } from './measure.js';
import { atMost, type Figure, type Goal } from './report.js';
import { crawleeWorld } from './world.js';

/** Sessions that both know before the measurement. */
const SESSIONS: readonly string[] = Array.from({ length: 1000 }, (_, i) => `session_${i}`);

/** What every ratio is to, unless its row says otherwise. */
export function newUrlOf(crawlee: ProxyConfiguration): Sample {
  return whole(async (iterations) => {
    for (let i = 0; i < iterations; i++) await crawlee.newUrl();
  });
}

/** What Crawlee calls, ours beside its own. */
export async function crawleeRows(
  proxies: readonly Proxy[],
  crawlee: ProxyConfiguration,
  rounds: number,
): Promise<Figure[]> {
  const { whirl, flips } = crawleeWorld(proxies);
  const newUrl = whole(async (iterations) => {
    for (let i = 0; i < iterations; i++) {
      await whirl.newUrl();
      flips.afterSelection();
    }
  });
  const inSession = whole(async (iterations) => {
    for (let i = 0; i < iterations; i++) {
      await whirl.newUrl(SESSIONS[i % SESSIONS.length]);
      flips.afterSelection();
    }
  });
  const theirsInSession = whole(async (iterations) => {
    for (let i = 0; i < iterations; i++) await crawlee.newUrl(SESSIONS[i % SESSIONS.length]);
  });
  const info = whole(async (iterations) => {
    for (let i = 0; i < iterations; i++) {
      await whirl.newProxyInfo();
      flips.afterSelection();
    }
  });
  const theirInfo = whole(async (iterations) => {
    for (let i = 0; i < iterations; i++) await crawlee.newProxyInfo();
  });
  const rows: readonly (readonly [string, Sample, Sample, Goal])[] = [
    ['await newUrl()', newUrl, newUrlOf(crawlee), atMost(2.2)],
    ['await newUrl(session), known', inSession, theirsInSession, atMost(1.3)],
    ['await newProxyInfo()', info, theirInfo, atMost(0.15)],
  ];
  const figures: Figure[] = [];
  const size = proxies.length;
  for (const [row, ours, theirs, goal] of rows) {
    const { ours: value, ratio } = await compare(rounds, ours, theirs);
    figures.push({ row, size, value, unit: 'ns/op', ratio, goal: goal(size) });
  }
  await whirl.close();
  return figures;
}
