import { request } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { proxywhirl } from '../../src/index.js';
import { startLab } from '../../src/lab/index.js';
import { serve } from '../../src/server/index.js';
import { seededRandom } from '../support/seeded-random.js';

const ABORTS = 1_000;
const AT_ONCE = 50;

describe('row 52: clients of the API that leave', () => {
  it('1,000 at random moments leave no socket upstream, no request in flight, and cost no proxy anything', async () => {
    const random = seededRandom(52);
    const lab = await startLab({ proxies: 4, site: { latencyMs: 30 } });
    const whirl = proxywhirl({ proxies: [...lab.urls] });
    const server = await serve({
      whirl,
      port: 0,
      allowPrivateTargets: true,
      rateLimits: { requestsPerMinute: 100_000 },
    });
    onTestFinished(async () => {
      await server.close();
      await whirl.close();
      await lab.close();
    });
    const verdicts: Record<string, number> = {};
    whirl.rotator.on('settled', ({ verdict }) => {
      verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
    });
    const body = JSON.stringify({ url: `${lab.site.httpUrl}/ip` });
    const headers = { 'content-type': 'application/json' };
    const leave = (): Promise<void> =>
      new Promise((resolve) => {
        const sent = request(`${server.url}/api/v1/request`, { method: 'POST', headers, agent: false });
        sent.on('error', () => {});
        sent.on('response', (answer) => void answer.on('error', () => {}).resume());
        sent.on('close', resolve);
        sent.end(body);
        setTimeout(() => sent.destroy(), random() * 80);
      });
    let left = ABORTS;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await leave();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await vi.waitFor(() => expect(whirl.rotator.stats().active).toBe(0));
    // Both ends of what clients cut; connections that are kept for the next request are none of it.
    expect(verdicts.neutral).toBeGreaterThan(50);
    expect(Object.keys(verdicts).filter((verdict) => verdict !== 'neutral' && verdict !== 'success')).toEqual(
      [],
    );
    expect(whirl.rotator.stats().proxies.map(({ failed, health }) => [failed, health])).toEqual(
      lab.proxies.map(() => [0, 'closed']),
    );
    const open = (): number => lab.proxies.reduce((sum, proxy) => sum + proxy.stats.openSockets, 0);
    await whirl.close();
    await vi.waitFor(() => expect(open()).toBe(0));
  });
});
