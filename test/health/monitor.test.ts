import { inspect } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import type { Verdict } from '../../src/core/outcome.js';
import { createRotator } from '../../src/create-rotator.js';
import { createMonitor, type Monitor, type MonitorParts } from '../../src/health/monitor.js';
import type { MonitorSettings } from '../../src/health/monitor-settings.js';
import type { ProbeOptions, ProbeResult, probe } from '../../src/health/probe.js';
import { type LabOptions, startLab } from '../../src/lab/index.js';
import { ProxyDispatchers } from '../../src/transport/dispatcher.js';
import { blame, record, testEngine } from '../support/test-engine.js';

const check = { url: 'http://check.test/' };

/** Timers that go off when a test says so. */
class FakeTimers {
  readonly delays: number[] = [];
  unreferenced = 0;
  #callback: (() => void) | null = null;

  get pending(): boolean {
    return this.#callback !== null;
  }

  setTimeout(callback: () => void, ms: number): { unref(): void } {
    this.delays.push(ms);
    this.#callback = callback;
    const unref = (): void => {
      this.unreferenced += 1;
    };
    return { unref };
  }

  clearTimeout(): void {
    this.#callback = null;
  }

  fire(): void {
    const callback = this.#callback;
    this.#callback = null;
    callback?.();
  }
}

function resultOf(proxyId: string, verdict: Verdict, at: number): ProbeResult {
  const ok = verdict === 'success';
  const error = ok ? null : { code: 'CHECK_STATUS', message: 'No' };
  return { proxyId, ok, verdict, latencyMs: 5, status: null, exitAddress: null, anonymity: null, error, at };
}

/** A monitor over an engine on a fake clock, whose checks end as `verdicts` says; 'success' where it is silent. */
function fakeWorld(count: number, settings: MonitorSettings = {}, options: Partial<MonitorParts> = {}) {
  const { rotator, clock, ids } = testEngine(count);
  const timers = new FakeTimers();
  const verdicts = new Map<string, Verdict>();
  const asked: string[] = [];
  const answer: typeof probe = async ({ proxy }: ProbeOptions) => {
    asked.push(proxy.id);
    return resultOf(proxy.id, verdicts.get(proxy.id) ?? 'success', clock.now());
  };
  const monitor = createMonitor({
    rotator,
    dispatchers: new ProxyDispatchers(),
    clock,
    random: () => 0.5,
    timers,
    settings: { check, ...settings },
    probe: answer,
    ...options,
  });
  const changes: string[] = [];
  monitor.on('down', ({ proxyId }) => changes.push(`down ${ids.indexOf(proxyId)}`));
  monitor.on('up', ({ proxyId }) => changes.push(`up ${ids.indexOf(proxyId)}`));
  /** Lets the interval pass; resolves when the round has ended. Who was asked, by position. */
  const round = async (ms = 30_000): Promise<number[]> => {
    asked.length = 0;
    clock.advance(ms);
    timers.fire();
    await vi.waitFor(() => expect(timers.pending).toBe(true), { interval: 1 });
    return asked.map((id) => ids.indexOf(id));
  };
  return { rotator, clock, ids, timers, verdicts, asked, monitor, changes, round };
}

type FakeWorld = ReturnType<typeof fakeWorld>;
const serving = ({ rotator, ids }: FakeWorld, index: number): boolean =>
  rotator.explain().proxies.some(({ proxyId, status }) => proxyId === ids[index] && status !== 'excluded');

describe('a monitor', () => {
  it('asks nobody without a check URL: start() and check() name the option', async () => {
    const { monitor, timers } = fakeWorld(1, { check: undefined });
    expect(() => monitor.start()).toThrow(/check\.url/);
    await expect(monitor.check()).rejects.toMatchObject({ code: 'PW_OPTIONS_INVALID' });
    expect(timers.delays).toEqual([]);
  });

  it.each([
    [{ check: { url: 'ftp://u:s3cret@x.test' } }, 'check.url'],
    [{ check: { ...check, judge: { url: '/ip' } } }, 'check.judge.url'],
    [{ intervalMs: 999 }, 'intervalMs'],
    [{ concurrency: 0 }, 'concurrency'],
    [{ fall: 1.5 }, 'fall'],
    [{ rise: 0 }, 'rise'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs'],
  ])('refuses %o', (settings, path) => {
    try {
      fakeWorld(1, settings);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'PW_OPTIONS_INVALID', issues: [{ path }] });
      expect(inspect(error)).not.toContain('s3cret');
    }
  });

  it('makes its rounds an interval apart, a fifth more or less, on timers that keep nobody alive', async () => {
    let chance = 0;
    const { monitor, timers, round } = fakeWorld(1, {}, { random: () => chance });
    monitor.start();
    monitor.start();
    expect(timers.delays).toEqual([0]);
    await round();
    chance = 0.999_999;
    await round();
    expect(timers.delays.map(Math.round)).toEqual([0, 24_000, 36_000]);
    expect(timers.unreferenced).toBe(3);
    await monitor.stop();
  });

  it('takes a proxy out after three failed checks and brings it back after two passed ones', async () => {
    const world = fakeWorld(3);
    const { ids, verdicts, monitor, changes, round } = world;
    verdicts.set(ids[0] ?? '', 'proxy');
    monitor.start();
    await round();
    await round();
    expect([changes, serving(world, 0)]).toEqual([[], true]);
    await round();
    expect([changes, serving(world, 0)]).toEqual([['down 0'], false]);
    await round();
    verdicts.clear();
    await round();
    expect(serving(world, 0)).toBe(false);
    await round();
    expect([changes, serving(world, 0)]).toEqual([['down 0', 'up 0'], true]);
  });

  it('counts in a row, and only what is for or against the proxy', async () => {
    const { ids, verdicts, monitor, changes, round } = fakeWorld(3);
    monitor.start();
    for (const verdict of [
      'proxy',
      'proxy',
      'success',
      'proxy',
      'proxy',
      'target',
      'local',
      'neutral',
    ] as const) {
      verdicts.set(ids[0] ?? '', verdict);
      await round();
    }
    expect(changes).toEqual([]);
    verdicts.set(ids[0] ?? '', 'proxy');
    await round();
    expect(changes).toEqual(['down 0']);
  });

  it('takes nobody out for a check that nobody passes, however often it fails', async () => {
    const { rotator, ids, verdicts, monitor, changes, round } = fakeWorld(10);
    for (const id of ids) verdicts.set(id, 'ambiguous');
    monitor.start();
    for (let i = 0; i < 12; i++) await round();
    expect(changes).toEqual([]);
    expect(rotator.pool.list(({ drained }) => drained)).toEqual([]);
  });

  it('leaves alone what an operator has decided', async () => {
    const world = fakeWorld(3);
    const { rotator, ids, verdicts, monitor, changes, round } = world;
    const [first = '', second = ''] = ids;
    rotator.pool.drain(second);
    verdicts.set(first, 'proxy');
    monitor.start();
    for (let i = 0; i < 3; i++) expect(await round()).not.toContain(1);
    expect(changes).toEqual(['down 0']);
    rotator.pool.drain(first, false);
    verdicts.clear();
    await round();
    await round();
    expect([changes, serving(world, 0), serving(world, 1)]).toEqual([['down 0'], true, false]);
  });

  it('does not check what real traffic has proven lately, nor what is open', async () => {
    const { rotator, clock, ids, monitor, round } = fakeWorld(3);
    const [first = '', second = ''] = ids;
    monitor.start();
    expect(await round()).toEqual([0, 1, 2]);
    clock.advance(20_000);
    rotator.acquireCarrier(first)?.succeed();
    clock.advance(9_000);
    blame(rotator, second, 5);
    expect(await round(1_000)).toEqual([2]);
    // Open no longer, it goes first; what the check has shown itself is no traffic.
    expect(await round(31_000)).toEqual([1, 0, 2]);
  });

  it('closes a half-open breaker as its probe, and leaves it alone while another one probes', async () => {
    const { rotator, clock, ids, monitor, asked } = fakeWorld(1);
    const [id = ''] = ids;
    blame(rotator, id, 5);
    clock.advance(20_000);
    const selected = record(rotator, 'selected');
    const lease = rotator.acquireCarrier(id);
    expect(await monitor.check()).toEqual([]);
    expect(asked).toEqual([]);
    lease?.release();
    await monitor.check();
    await monitor.check();
    expect(selected[1]?.reason).toBe('probe');
    expect(['closed', 'warming']).toContain(rotator.pool.get(id)?.health);
  });

  it('teaches the engine the result, but no latency', async () => {
    const { rotator, ids, verdicts, monitor } = fakeWorld(2);
    verdicts.set(ids[0] ?? '', 'proxy');
    const settled = record(rotator, 'settled');
    const results = await monitor.check([...ids, 'nobody', ids[0] ?? '']);
    expect(results.map(({ verdict }) => verdict)).toEqual(['proxy', 'success']);
    expect(settled).toMatchObject([
      { proxyId: ids[0], verdict: 'proxy', latencyMs: null, host: 'check.test' },
      { proxyId: ids[1], verdict: 'success', latencyMs: null },
    ]);
    expect(rotator.pool.get(ids[1] ?? '')?.stats).toMatchObject({ succeeded: 1, emaLatencyMs: null });
    expect(rotator.stats()).toMatchObject({ active: 0, failed: 1 });
  });

  it('tells of its progress; a listener that throws, and a check that does, break nothing', async () => {
    const { ids, monitor, rotator } = fakeWorld(3);
    const progress: unknown[] = [];
    const errors: unknown[] = [];
    monitor.on('error', ({ error }) => errors.push(error));
    const off = monitor.on('progress', () => {
      throw new Error('A listener');
    });
    monitor.on('progress', ({ done, total, result }) => progress.push([done, total, result?.proxyId]));
    await monitor.check();
    expect(progress).toEqual(ids.map((id, i) => [i + 1, 3, id]));
    expect(errors).toHaveLength(3);
    off();
    const broken = fakeWorld(1, {}, { probe: () => Promise.reject(new Error('A fault of ours')) });
    broken.monitor.on('error', ({ error }) => errors.push(error));
    broken.monitor.start();
    await broken.round();
    expect(errors.at(-1)).toMatchObject({ message: 'A fault of ours' });
    expect([rotator.stats().active, broken.rotator.stats().active]).toEqual([0, 0]);
  });

  it('never checks a proxy twice at once, nor more of them than it may', async () => {
    let now = 0;
    let most = 0;
    const gate: typeof probe = async ({ proxy }) => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 2));
      now -= 1;
      return resultOf(proxy.id, 'success', 0);
    };
    const { monitor, ids, rotator } = fakeWorld(40, { concurrency: 4 }, { probe: gate });
    monitor.start();
    const first = ids.slice(0, 20);
    await Promise.all([monitor.check(first), monitor.check(first), monitor.check(ids.slice(20))]);
    expect([most, now]).toEqual([4, 0]);
    expect(rotator.stats().succeeded).toBe(40);
  });

  it('stops: whoever is down serves again, nothing is scheduled, and it can be started anew', async () => {
    const world = fakeWorld(2);
    const { ids, verdicts, monitor, timers, round } = world;
    verdicts.set(ids[0] ?? '', 'proxy');
    monitor.start();
    for (let i = 0; i < 3; i++) await round();
    expect(serving(world, 0)).toBe(false);
    await monitor.stop();
    expect([timers.pending, serving(world, 0)]).toEqual([false, true]);
    monitor.start();
    expect(await round(31_000)).toHaveLength(2);
    await monitor[Symbol.asyncDispose]();
    expect(timers.pending).toBe(false);
  });
});

describe('a monitor over real proxies', () => {
  async function realWorld(options: LabOptions, settings: MonitorSettings) {
    const lab = await startLab(options);
    const clock = { now: () => performance.now() };
    const rotator = createRotator({ proxies: [...lab.urls], clock });
    const dispatchers = new ProxyDispatchers();
    const monitor: Monitor = createMonitor({
      rotator,
      dispatchers,
      clock,
      random: Math.random,
      settings: { check: { url: `${lab.site.httpUrl}/page/1`, token: 'the text of page' }, ...settings },
    });
    const sockets = (): number => lab.proxies.reduce((sum, { stats }) => sum + stats.openSockets, 0);
    return {
      lab,
      rotator,
      monitor,
      sockets,
      async [Symbol.asyncDispose]() {
        await monitor.stop();
        await dispatchers.destroy();
        await vi.waitFor(() => expect(sockets()).toBe(0));
        await lab.close();
      },
    };
  }

  it('finds out about each of them, and shows no credential', async () => {
    const portal = { kind: 'connect-status', status: 200, body: '<html>Log in</html>' } as const;
    const credentials = { username: 'us', password: 'c4n4ry' };
    await using world = await realWorld(
      {
        proxies: [
          {},
          { fault: 'dead' },
          { fault: portal },
          { credentials, wrongPassword: true },
          { credentials },
          { bannedBySite: true },
          { fault: 'hang' },
        ],
      },
      { timeoutMs: 500 },
    );
    const seen: unknown[] = [];
    world.monitor.on('progress', (event) => seen.push(event));
    const results = await world.monitor.check();
    const byId = new Map(results.map((result) => [result.proxyId, result.ok]));
    const oks = world.rotator.pool.list().map(({ id }) => byId.get(id));
    expect(oks).toEqual([true, false, false, false, true, false, false]);
    expect(seen).toHaveLength(7);
    expect(inspect([results, seen], { depth: 20 })).not.toContain('c4n4ry');
    expect(world.rotator.stats().active).toBe(0);
  });

  it('asks no more proxies at once than it may', async () => {
    await using world = await realWorld({ proxies: Array(30).fill({ latencyMs: 20 }) }, { concurrency: 3 });
    let most = 0;
    const busy = (): number => world.rotator.stats().active;
    for (const proxy of world.lab.proxies) {
      proxy.on('request', () => {
        most = Math.max(most, busy());
      });
    }
    expect((await world.monitor.check()).every(({ ok }) => ok)).toBe(true);
    expect(most).toBe(3);
  });

  it('cuts what is under way when it is stopped, and blames nobody', async () => {
    await using world = await realWorld({ proxies: Array(12).fill({ fault: 'hang' }) }, {});
    const settled = record(world.rotator, 'settled');
    const progress = vi.fn();
    world.monitor.on('progress', progress);
    world.monitor.start();
    await vi.waitFor(() => expect(world.sockets()).toBe(10));
    const startedAt = performance.now();
    await world.monitor.stop();
    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(settled.map(({ verdict }) => verdict)).toEqual(Array(10).fill('neutral'));
    expect(progress).not.toHaveBeenCalled();
    await vi.waitFor(() => expect(world.sockets()).toBe(0));
    expect(world.rotator.stats()).toMatchObject({ active: 0, failed: 0 });
  });
});
