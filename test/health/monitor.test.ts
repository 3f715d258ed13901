import { inspect } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import type { Timer } from '../../src/core/clock.js';
import type { Verdict } from '../../src/core/outcome.js';
import { createRotator } from '../../src/create-rotator.js';
import { createMonitor, type Monitor, type MonitorParts } from '../../src/health/monitor.js';
import type { MonitorSettings } from '../../src/health/monitor-settings.js';
import type { ProbeOptions, ProbeResult, probe } from '../../src/health/probe.js';
import { type LabOptions, startLab } from '../../src/lab/index.js';
import type { RotatorOptions } from '../../src/options.js';
import { ProxyDispatchers } from '../../src/transport/dispatcher.js';
import type { FakeClock } from '../support/fake-clock.js';
import { loopTime } from '../support/loop-time.js';
import { blame, record, testEngine } from '../support/test-engine.js';

const check = { url: 'http://check.test/' };

const defaults = { check, intervalMs: 30_000, concurrency: 10, fall: 3, rise: 2, timeoutMs: 10_000 };

/** Timers of a fake clock; those that are due go off when a test says so. */
class FakeTimers {
  readonly delays: number[] = [];
  unreferenced = 0;
  readonly #clock: FakeClock;
  readonly #pending = new Map<object, { readonly callback: () => void; readonly at: number }>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get pending(): number {
    return this.#pending.size;
  }

  setTimeout(callback: () => void, ms: number): Timer {
    this.delays.push(ms);
    const unref = (): void => {
      this.unreferenced += 1;
    };
    const timer = { unref };
    this.#pending.set(timer, { callback, at: this.#clock.now() + ms });
    return timer;
  }

  clearTimeout(timer: Timer | undefined): void {
    if (timer !== undefined) this.#pending.delete(timer);
  }

  fire(): void {
    const due = [...this.#pending].filter(([, { at }]) => at <= this.#clock.now());
    for (const [timer, { callback }] of due) {
      this.#pending.delete(timer);
      callback();
    }
  }
}

function resultOf(proxyId: string, verdict: Verdict, at: number): ProbeResult {
  const ok = verdict === 'success';
  const error = ok ? null : { code: 'CHECK_STATUS', message: 'No' };
  return {
    proxyId,
    ok,
    verdict,
    latencyMs: 5,
    status: null,
    exitAddress: null,
    anonymity: null,
    retryAfterMs: null,
    error,
    at,
  };
}

/** A monitor over an engine on a fake clock, whose checks end as `verdicts` says; 'success' where it is silent. */
function fakeWorld(
  count: number,
  settings: Partial<MonitorSettings> = {},
  options: Partial<MonitorParts> = {},
  engine: RotatorOptions = {},
) {
  const { rotator, clock, ids } = testEngine(count, engine);
  const timers = new FakeTimers(clock);
  const verdicts = new Map<string, Verdict>();
  const asked: string[] = [];
  const answer: typeof probe = async ({ proxy }: ProbeOptions) => {
    asked.push(proxy.id);
    return resultOf(proxy.id, verdicts.get(proxy.id) ?? 'success', clock.now());
  };
  const monitor = createMonitor({
    rotator,
    dispatchers: async () => new ProxyDispatchers(),
    clock,
    random: () => 0.5,
    timers,
    settings: { ...defaults, ...settings },
    probe: answer,
    ...options,
  });
  const changes: string[] = [];
  monitor.on('down', ({ proxyId }) => changes.push(`down ${ids.indexOf(proxyId)}`));
  monitor.on('up', ({ proxyId }) => changes.push(`up ${ids.indexOf(proxyId)}`));
  /** Lets the interval pass; resolves when the round has ended. Who was asked, by position. */
  const round = async (ms = 30_000): Promise<number[]> => {
    asked.length = 0;
    const ended = new Promise<void>((resolve) => {
      const off = monitor.on('round', () => resolve(off()));
    });
    clock.advance(ms);
    timers.fire();
    await ended;
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
    expect(() => monitor.start()).toThrow(/health\.check\.url/);
    await expect(monitor.check()).rejects.toMatchObject({ code: 'PW_OPTIONS_INVALID' });
    expect(timers.delays).toEqual([]);
  });

  it('makes its rounds an interval apart, a fifth more or less, on timers that keep nobody alive', async () => {
    let chance = 0;
    const { monitor, timers, round } = fakeWorld(1, {}, { random: () => chance });
    monitor.start();
    monitor.start();
    expect(timers.delays).toEqual([0]);
    await round();
    chance = 0.999_999;
    await round(24_000);
    expect(timers.delays.map(Math.round)).toEqual([0, 24_000, 36_000]);
    // The first one is over at once, and whoever waits for its round has nothing else that keeps it alive.
    expect(timers.unreferenced).toBe(2);
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

  it('takes all of those out that fail in a list that is mostly dead', async () => {
    const { rotator, ids, verdicts, monitor, round } = fakeWorld(30);
    ids.forEach((id, i) => {
      if (i % 10 !== 0) verdicts.set(id, 'ambiguous');
    });
    monitor.start();
    for (let i = 0; i < 3; i++) await round();
    expect(rotator.pool.list(({ drained }) => !drained).map(({ id }) => ids.indexOf(id))).toEqual([
      0, 10, 20,
    ]);
    await monitor.stop();
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
    const reasons: string[] = [];
    monitor.on('progress', ({ reason }) => reasons.push(reason));
    await monitor.check();
    expect(progress).toEqual(ids.map((id, i) => [i + 1, 3, id]));
    expect(reasons).toEqual(['call', 'call', 'call']);
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
    expect([timers.pending, serving(world, 0)]).toEqual([0, true]);
    monitor.start();
    expect(await round(31_000)).toHaveLength(2);
    await monitor[Symbol.asyncDispose]();
    expect(timers.pending).toBe(0);
  });
});

/** Lets those go off that are due, and what they have begun end. */
async function settle({ timers }: FakeWorld): Promise<void> {
  timers.fire();
  await new Promise(setImmediate);
}

describe('a monitor and proxies whose open time ends', () => {
  const twice = { breaker: { probeSuccesses: 2, openMs: 10_000 }, random: () => 0 };

  it('probes them at once and as often as their breaker asks for, so that no request is the probe', async () => {
    const world = fakeWorld(2, {}, {}, twice);
    const { rotator, clock, ids, asked, monitor, round } = world;
    const [id = ''] = ids;
    monitor.start();
    await round(0);
    asked.length = 0;
    blame(rotator, id, 5);
    clock.advance(9_999);
    await settle(world);
    expect(asked).toEqual([]);
    const selected = record(rotator, 'selected');
    const progress: unknown[] = [];
    monitor.on('progress', ({ reason, done, total }) => progress.push([reason, done, total]));
    clock.advance(1);
    await settle(world);
    expect([asked, rotator.pool.get(id)?.health]).toEqual([[id], 'half-open']);
    // All but that of the first round let the process end.
    expect(world.timers.unreferenced).toBe(world.timers.delays.length - 1);
    await settle(world);
    expect([asked, rotator.pool.get(id)?.health]).toEqual([[id, id], 'closed']);
    expect(selected.map(({ reason }) => reason)).toEqual(['probe', 'probe']);
    expect(progress).toEqual(Array(2).fill(['probe', 1, 1]));
    await settle(world);
    expect(asked).toHaveLength(2);
    await monitor.stop();
  });

  it('waits for the longer open time after each probe that fails', async () => {
    const world = fakeWorld(2, {}, {}, twice);
    const { rotator, clock, ids, asked, verdicts, monitor, round } = world;
    const [id = ''] = ids;
    verdicts.set(id, 'proxy');
    monitor.start();
    await round(0);
    blame(rotator, id, 4);
    asked.length = 0;
    for (let second = 0; second < 29; second++) {
      clock.advance(1_000);
      await settle(world);
    }
    // After 10 s, and not yet after 20 s more.
    expect(asked).toEqual([id]);
    await monitor.stop();
  });

  it('probes those that were open before it was started, but not what an operator has taken out', async () => {
    const world = fakeWorld(3, {}, {}, twice);
    const { rotator, clock, ids, asked, monitor } = world;
    const [first = '', second = ''] = ids;
    blame(rotator, first, 5);
    blame(rotator, second, 5);
    rotator.pool.drain(second);
    monitor.start();
    await settle(world);
    asked.length = 0;
    clock.advance(10_000);
    await settle(world);
    expect(asked).toEqual([first]);
    await monitor.stop();
  });

  it('row 25: tries a pool of one in panic once a second', async () => {
    const world = fakeWorld(1, {}, {}, { panic: { share: 0.1 } });
    const { rotator, clock, ids, asked, verdicts, monitor, round } = world;
    const [id = ''] = ids;
    verdicts.set(id, 'proxy');
    monitor.start();
    await round(0);
    blame(rotator, id, 4);
    asked.length = 0;
    for (let step = 0; step < 100; step++) {
      clock.advance(100);
      await settle(world);
    }
    expect(asked.length).toBeGreaterThanOrEqual(9);
    expect(asked.length).toBeLessThanOrEqual(10);
    await monitor.stop();
  });

  it('has no more checks under way than it may, however many are due', async () => {
    let [now, most] = [0, 0];
    const gate: typeof probe = async ({ proxy }) => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 2));
      now -= 1;
      return resultOf(proxy.id, 'success', 0);
    };
    const world = fakeWorld(
      30,
      { concurrency: 4 },
      { probe: gate },
      { breaker: { openMs: 10_000 }, random: () => 0 },
    );
    const { rotator, clock, ids, timers, monitor } = world;
    for (const id of ids) blame(rotator, id, 5);
    monitor.start();
    clock.advance(20_000);
    timers.fire();
    await vi.waitFor(() => expect(rotator.pool.list(({ health }) => health === 'closed')).toHaveLength(30));
    expect(most).toBe(4);
    await monitor.stop();
  });
});

describe('a monitor is ready', () => {
  it('at once without rounds', async () => {
    await expect(fakeWorld(1).monitor.ready()).resolves.toBeUndefined();
  });

  it.each([
    ['one proxy has passed', 'success'],
    ['the first round has ended, even if nobody passed', 'proxy'],
  ] as const)('when %s', async (_when, verdict) => {
    const world = fakeWorld(2, { concurrency: 1 });
    const { ids, verdicts, monitor } = world;
    for (const id of ids) verdicts.set(id, verdict);
    const done: number[] = [];
    monitor.on('progress', (progress) => done.push(progress.done));
    monitor.start();
    const doneWhenReady: (number | undefined)[] = [];
    const ready = monitor.ready().then(() => doneWhenReady.push(done.at(-1)));
    await new Promise(setImmediate);
    expect(doneWhenReady).toEqual([]);
    world.timers.fire();
    await ready;
    expect(doneWhenReady).toEqual([verdict === 'success' ? 1 : 2]);
    await monitor.stop();
  });

  it('when it is stopped', async () => {
    const { monitor } = fakeWorld(1);
    monitor.start();
    const ready = monitor.ready();
    await monitor.stop();
    await expect(ready).resolves.toBeUndefined();
  });
});

describe('a monitor over real proxies', () => {
  async function realWorld(options: LabOptions, settings: Partial<MonitorSettings>) {
    const lab = await startLab(options);
    const clock = { now: () => performance.now() };
    const rotator = createRotator({ proxies: [...lab.urls], clock });
    const dispatchers = new ProxyDispatchers();
    const monitor: Monitor = createMonitor({
      rotator,
      dispatchers: async () => dispatchers,
      clock,
      random: Math.random,
      settings: {
        ...defaults,
        check: { url: `${lab.site.httpUrl}/page/1`, token: 'the text of page' },
        ...settings,
      },
    });
    const sockets = (): number => lab.proxies.reduce((sum, { stats }) => sum + stats.openSockets, 0);
    return {
      lab,
      clock,
      rotator,
      dispatchers,
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

  it('opens the breaker of one that is not there after two checks, as after two requests', async () => {
    await using world = await realWorld({ proxies: [{ fault: 'dead' }] }, {});
    await world.monitor.check();
    expect(world.rotator.pool.list()[0]?.health).toBe('closed');
    await world.monitor.check();
    expect(world.rotator.pool.list()[0]?.health).toBe('open');
  });

  it('sends one that breaks into the encryption away again when its check shows it', async () => {
    await using world = await realWorld({ proxies: [{ fault: 'intercept' }] }, {});
    const url = `${world.lab.site.httpsUrl}/page/1`;
    const [member] = world.rotator.pool.list();
    world.rotator
      .acquireCarrier(member?.id ?? '', { host: 'other.test' })
      ?.settle({ verdict: 'target', intercepted: true });
    await using checks = createMonitor({
      rotator: world.rotator,
      dispatchers: async () => world.dispatchers,
      clock: world.clock,
      random: Math.random,
      settings: { ...defaults, check: { url } },
    });
    await checks.check();
    expect(world.rotator.pool.list()[0]?.health).toBe('tls-intercept');
  });

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
    const passed = loopTime();
    await world.monitor.stop();
    expect(passed()).toBeLessThan(500);
    expect(settled.map(({ verdict }) => verdict)).toEqual(Array(10).fill('neutral'));
    expect(progress).not.toHaveBeenCalled();
    await vi.waitFor(() => expect(world.sockets()).toBe(0));
    expect(world.rotator.stats()).toMatchObject({ active: 0, failed: 0 });
  });
});
