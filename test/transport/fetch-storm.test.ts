import { describe, expect, it } from 'vitest';
import { exactStorm, lostAfterWriting, realStorm } from './fetch-storms.js';

describe('row 27: the connection is lost after the request was written', () => {
  it.each(['http', 'https'] as const)(
    'each of 1,000 POSTs reaches the target once, over %s',
    async (scheme) => {
      expect(await lostAfterWriting(scheme, 'POST', 1_000)).toEqual({
        requests: 1_000,
        arrived: 1_000,
        most: 1,
      });
    },
  );

  it.each(['http', 'https'] as const)('each GET is sent through three proxies, over %s', async (scheme) => {
    expect(await lostAfterWriting(scheme, 'GET', 20)).toEqual({ requests: 20, arrived: 20, most: 3 });
  });
});

describe('row 28: everything fails', () => {
  it('proxies: 10,000 requests in 10 s cost 2.2 connections each at most', async () => {
    const { requests, load } = await exactStorm('proxies');
    expect(load).toBeLessThanOrEqual(2 * requests + 10 * 10);
    // Failovers are not so few that the budget could not matter.
    expect(load).toBeGreaterThan(1.9 * requests);
  });

  it('target: 10,000 requests in 10 s reach it 1.2 times each + 10/s at most', async () => {
    const { requests, load, seconds } = await exactStorm('target-lost');
    expect(load).toBeLessThanOrEqual(1.2 * requests + 10 * seconds);
    expect(load).toBeGreaterThan(1.15 * requests);
  });

  it('proxies, for real: as many requests as this machine can send', async () => {
    const { requests, load } = await realStorm('proxies', 3_000, 'budget');
    expect(requests).toBeGreaterThan(100);
    // The first 10 s share one window of the budget.
    expect(load).toBeLessThanOrEqual(2 * requests + 10 * 10);
  });

  it('proxies, for real, shipped: breakers and budget together', async () => {
    const { requests, load } = await realStorm('proxies', 1_000, 'shipped');
    expect(requests).toBeGreaterThan(100);
    expect(load).toBeLessThanOrEqual(2 * requests + 10 * 10);
  });

  it.each([
    ['target-lost', 'budget'],
    ['target-lost', 'shipped'],
    ['target-502', 'shipped'],
  ] as const)('%s, for real, %s', async (kind, engine) => {
    const { requests, load } = await realStorm(kind, 2_000, engine);
    expect(requests).toBeGreaterThan(100);
    expect(load).toBeLessThanOrEqual(1.2 * requests + 10 * 10);
  });
});
