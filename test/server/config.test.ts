import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Strategy } from '../../src/index.js';
import type { ApiConfig } from '../../src/server/api-options.js';
import { startApi } from './api-world.js';

describe('A-40 GET /config', () => {
  it('A-40 shows what is in force, whether keys are asked for, and no key', async () => {
    await using world = await startApi({
      api: {
        timeout: 12,
        maxRetries: 1,
        rateLimits: { perMinute: 70, requestsPerMinute: 7 },
        origins: ['https://app.example'],
      },
    });
    const { data, text } = await world.call<Record<string, unknown>>('GET', '/config');
    expect(data).toEqual({
      strategy: 'round-robin',
      timeout: 12,
      maxRetries: 1,
      rateLimits: { perMinute: 70, requestsPerMinute: 7 },
      auth: { required: false, keys: 0 },
      corsOrigins: ['https://app.example'],
    });
    expect(text).not.toMatch(/failedAuth|secret|password/i);
  });
});

describe('A-41 PUT /config', () => {
  it('A-41 swaps strategy, timeout, retries and limits for the next request, with one audit line', async () => {
    const lines: string[] = [];
    await using world = await startApi({ api: { log: (line) => lines.push(line) } });
    const change = {
      strategy: 'random',
      timeout: 45,
      maxRetries: 3,
      rateLimits: { perMinute: 4 },
    };
    const { status, data } = await world.call<Record<string, unknown>>('PUT', '/config', change);
    expect([status, data]).toMatchObject([
      200,
      { ...change, rateLimits: { perMinute: 4, requestsPerMinute: 100_000 } },
    ]);
    expect(world.whirl.rotator.strategy.name).toBe('random');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        event: 'config',
        key: null,
        before: { strategy: 'round-robin', timeout: 30 },
        after: { strategy: 'random', timeout: 45 },
      },
    ]);
    // That request was the first of four.
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await world.call('GET', '/config')).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  it('A-41 the timeout is in force for the next POST /request', async () => {
    await using world = await startApi({ lab: { proxies: [{ fault: 'hang' }] } });
    await world.call('PUT', '/config', { timeout: 0.15, maxRetries: 0 });
    const { status, error } = await world.call('POST', '/request', { url: `${world.lab.site.httpUrl}/ip` });
    expect([status, error.code]).toEqual([504, 'REQUEST_TIMEOUT']);
  });

  it.each([
    ['a timeout above 300 s', { timeout: 300.1 }],
    ['a timeout of nothing', { timeout: 0 }],
    ['eleven retries', { maxRetries: 11 }],
    ['half a retry', { maxRetries: 0.5 }],
    ['a strategy that nobody knows', { strategy: 'nope' }],
    ['no limit', { rateLimits: { perMinute: 0 } }],
    ['a change of keys', { keys: [] }],
    ['auth switched off', { auth: { required: false } }],
    ['wider hosts', { hosts: ['evil.example'] }],
    ['wider origins', { corsOrigins: ['https://evil.example'] }],
    ['private targets', { allowPrivateTargets: true }],
    ['private proxies', { allowPrivateProxies: true }],
    ['more guesses', { rateLimits: { failedAuthPerMinute: 1_000 } }],
    ['a good one and a bad one', { timeout: 5, strategy: 'nope' }],
  ])('A-41 refuses %s by 400 with details, and changes nothing', async (_name, change) => {
    await using world = await startApi();
    const before = await world.call('GET', '/config');
    const { status, error } = await world.call('PUT', '/config', change);
    expect([status, error.code]).toEqual([400, 'VALIDATION_ERROR']);
    expect(error.details).toEqual([{ path: expect.stringMatching(/^body/), rule: expect.any(String) }]);
    expect((await world.call('GET', '/config')).data).toEqual(before.data);
  });

  it('A-41 keeps the configuration when asked to, says 409 where nothing does, and takes a change back that was not kept', async () => {
    const saved: ApiConfig[] = [];
    await using world = await startApi({
      api: {
        saveConfig: async (config) => {
          if (config.timeout === 7) throw new Error('disk full');
          saved.push(config);
        },
      },
    });
    await world.call('PUT', '/config', { timeout: 9 });
    expect(saved).toEqual([]);
    expect((await world.call('PUT', '/config', { timeout: 8, persist: true })).status).toBe(200);
    expect(saved).toEqual([
      {
        strategy: 'round-robin',
        timeout: 8,
        maxRetries: 2,
        rateLimits: { perMinute: 100_000, requestsPerMinute: 100_000 },
      },
    ]);
    expect((await world.call('PUT', '/config', { timeout: 7, persist: true })).status).toBe(500);
    expect((await world.call<ApiConfig>('GET', '/config')).data.timeout).toBe(8);
    await using without = await startApi();
    const { status, error } = await without.call('PUT', '/config', { timeout: 5, persist: true });
    expect([status, error.code]).toEqual([409, 'CONFIG_NOT_STORED']);
    expect((await without.call<ApiConfig>('GET', '/config')).data.timeout).toBe(30);
  });

  it('A-41 says what clients have changed, beside all that is in force', async () => {
    const changes: object[] = [];
    await using world = await startApi({
      api: { saveConfig: async (_, changed) => void changes.push(changed) },
    });
    await world.call('PUT', '/config', { rateLimits: { perMinute: 90_000 } });
    await world.call('PUT', '/config', { timeout: 8, rateLimits: { requestsPerMinute: 9 }, persist: true });
    expect(changes).toEqual([{ timeout: 8, rateLimits: { perMinute: 90_000, requestsPerMinute: 9 } }]);
  });

  it('A-41 a change that was not kept leaves the strategy with its settings, and no trace of itself', async () => {
    const mine: Strategy = { name: 'mine', choose: (candidates) => candidates.after(-1) };
    const changes: object[] = [];
    let full = true;
    await using world = await startApi({
      engine: { strategy: mine },
      api: {
        saveConfig: async (_, changed) => {
          if (full) throw new Error('disk full');
          changes.push(changed);
        },
      },
    });
    const lost = { strategy: 'random', timeout: 7, persist: true };
    expect((await world.call('PUT', '/config', lost)).status).toBe(500);
    expect(world.whirl.rotator.strategy).toBe(mine);
    const status = await world.call<{ configuration: object }>('GET', '/status');
    expect(status.data.configuration).toEqual({ source: 'options' });
    full = false;
    await world.call('PUT', '/config', { strategy: 'mine', maxRetries: 1, persist: true });
    expect(changes).toEqual([{ maxRetries: 1 }]);
  });

  it('A-41 changes come one after another: one that is taken back takes no other with it', async () => {
    let breakOff: (error: Error) => void = () => {};
    let begun: () => void = () => {};
    const saving = new Promise<void>((resolve) => {
      begun = resolve;
    });
    await using world = await startApi({
      api: {
        saveConfig: () =>
          new Promise((_, reject) => {
            breakOff = reject;
            begun();
          }),
      },
    });
    const first = world.call('PUT', '/config', { timeout: 7, persist: true });
    await saving;
    const second = world.call('PUT', '/config', { timeout: 9 });
    // Time enough for the second to be read, and to be in force if it did not wait.
    for (let turn = 0; turn < 20; turn += 1) await setImmediate();
    breakOff(new Error('disk full'));
    expect([(await first).status, (await second).status]).toEqual([500, 200]);
    expect((await world.call<ApiConfig>('GET', '/config')).data.timeout).toBe(9);
  });
});
