import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import { type Proxy, withMetadata } from '../../src/core/proxy.js';
import type { Rotator } from '../../src/core/rotator.js';
import { type CustomSourceOptions, custom } from '../../src/sources/custom.js';
import { list } from '../../src/sources/list.js';
import { SourceRefresher, type SourceState } from '../../src/sources/refresh.js';
import type { SourceEvents } from '../../src/sources/refresh-events.js';
import type { Source, SourceOptions } from '../../src/sources/source.js';
import { SourceError } from '../../src/sources/source-error.js';
import { url } from '../../src/sources/url.js';
import type { FakeClock } from '../support/fake-clock.js';
import { FakeTimers } from '../support/fake-timers.js';
import { constantly, proxyLine, proxyLines, testEngine } from '../support/test-engine.js';
import { listServer, text } from './list-server.js';

/** A source that gives what the test puts into it: lines, an error, or a promise that the test settles. */
class Scripted implements Source {
  readonly name: string;
  readonly settings: Source['settings'];
  next: () => readonly string[] | null | Promise<readonly string[]>;
  loads = 0;
  change: () => void = () => {};
  watching = false;
  readonly #inner: Source;

  constructor(name: string, lines: readonly string[], options: SourceOptions = {}) {
    this.next = () => lines;
    this.#inner = custom(
      name,
      () => {
        this.loads += 1;
        return this.next() as Promise<readonly string[]>;
      },
      { ttlSeconds: 0, ...options },
    );
    this.name = name;
    this.settings = this.#inner.settings;
  }

  load(context: Parameters<Source['load']>[0]): ReturnType<Source['load']> {
    return this.#inner.load(context);
  }

  watch(onChange: () => void): () => void {
    this.change = onChange;
    this.watching = true;
    return () => {
      this.watching = false;
    };
  }
}

interface World {
  readonly refresher: SourceRefresher;
  readonly rotator: Rotator;
  readonly clock: FakeClock;
  readonly timers: FakeTimers;
  readonly events: unknown[];
  readonly hosts: () => string[];
}

function world(sources: readonly Source[], random = 0.5, own = 0): World {
  const { rotator, clock } = testEngine(own);
  const timers = new FakeTimers(clock);
  const refresher = new SourceRefresher({
    pool: rotator.pool,
    sources,
    clock,
    timers,
    random: constantly(random),
  });
  onTestFinished(() => refresher.close());
  const events: unknown[] = [];
  for (const name of ['source', 'source-error', 'listener-error'] as const)
    refresher.on(name, (payload: SourceEvents[typeof name]) => {
      events.push({ ...payload, event: name });
    });
  const hosts = (): string[] =>
    rotator.pool
      .list()
      .map(({ proxy }) => proxy.host.replace('192.0.2.', ''))
      .sort();
  return { refresher, rotator, clock, timers, events, hosts };
}

const lines = (...numbers: number[]): string[] => numbers.map((n) => proxyLine(n - 1));
/** Lets promises run that wait for nothing else. */
const settle = (timers: FakeTimers): Promise<void> => timers.runUntil(() => true);

describe('C-08 the pool follows its sources', () => {
  it('adds, keeps and removes, and says how many', async () => {
    const source = new Scripted('a', lines(1, 2, 3));
    const { refresher, events, hosts } = world([source]);
    await refresher.start();
    source.next = () => lines(2, 3, 4);
    await refresher.refresh('a');
    expect(hosts()).toEqual(['2', '3', '4']);
    expect(events).toEqual([
      { event: 'source', name: 'a', changed: true, added: 3, removed: 0, kept: 0, rejected: 0 },
      { event: 'source', name: 'a', changed: true, added: 1, removed: 1, kept: 2, rejected: 0 },
    ]);
  });

  it('keeps what was learned of those that stay', async () => {
    const source = new Scripted('a', lines(1, 2));
    const { refresher, rotator } = world([source]);
    await refresher.start();
    const lease = rotator.acquire({ url: 'https://example.com/' });
    lease.succeed({ latencyMs: 80 });
    const [member] = rotator.pool.list(({ id }) => id === lease.proxy.id);
    source.next = () => [...lines(3), ...lines(1, 2)];
    await refresher.refresh('a');
    expect(rotator.pool.get(lease.proxy.id)).toBe(member);
    expect(member?.stats.succeeded).toBe(1);
  });

  it('lets nothing that others put into the pool go, and nothing that another source names', async () => {
    const [a, b] = [new Scripted('a', lines(1, 2, 3)), new Scripted('b', lines(3, 4))];
    const { refresher, hosts } = world([a, b], 0.5, 1);
    await refresher.start();
    a.next = () => lines(9);
    b.next = () => lines(3, 5);
    await refresher.refresh('b');
    await expect(refresher.refresh('a')).resolves.toBeUndefined();
    expect(hosts()).toEqual(['1', '3', '5', '9']);
    b.next = () => lines(5);
    await refresher.refresh('b');
    expect(hosts()).toEqual(['1', '5', '9']);
  });

  it('ttlSeconds: a proxy goes so long after the list without it, and stays when it came back', async () => {
    const source = new Scripted('a', lines(1, 2, 3), { ttlSeconds: 60 });
    const { refresher, timers, clock, hosts } = world([source]);
    await refresher.start();
    source.next = () => lines(1);
    await refresher.refresh('a');
    clock.advance(30_000);
    source.next = () => lines(1, 3);
    await refresher.refresh('a');
    expect(hosts()).toEqual(['1', '2', '3']);
    expect(timers.pending).toBe(1);
    const before = clock.now();
    timers.fireNext();
    expect(clock.now() - before).toBe(30_000);
    expect(hosts()).toEqual(['1', '3']);
    expect(timers.pending).toBe(0);
  });

  it('ttlSeconds: counts anew for a proxy that came and went again, and not for the others', async () => {
    const source = new Scripted('a', lines(1, 2, 3), { ttlSeconds: 60 });
    const { refresher, timers, clock, hosts } = world([source]);
    await refresher.start();
    const startedAt = clock.now();
    for (const named of [lines(1), lines(1, 2), lines(1)]) {
      source.next = () => named;
      await refresher.refresh('a');
      clock.advance(20_000);
    }
    timers.fireNext();
    expect([clock.now() - startedAt, hosts()]).toEqual([60_000, ['1', '2']]);
    timers.fireNext();
    expect([clock.now() - startedAt, hosts()]).toEqual([100_000, ['1']]);
  });

  it('vanished: keep and drain', async () => {
    const kept = new Scripted('a', lines(1, 2), { vanished: 'keep' });
    const drained = new Scripted('b', lines(3, 4), { vanished: 'drain' });
    const { refresher, rotator, hosts } = world([kept, drained]);
    await refresher.start();
    kept.next = () => lines(1);
    drained.next = () => lines(3);
    await refresher.refresh();
    expect(hosts()).toEqual(['1', '2', '3', '4']);
    const away = (): string[] => rotator.pool.list((member) => member.drained).map(({ proxy }) => proxy.host);
    expect(away()).toEqual(['192.0.2.4']);
    drained.next = () => lines(3, 4);
    await refresher.refresh();
    expect(away()).toEqual([]);
  });

  it('vanished: drain gives back no proxy that somebody else has drained', async () => {
    const source = new Scripted('a', lines(1, 2), { vanished: 'drain' });
    const { refresher, rotator } = world([source]);
    await refresher.start();
    const [, second] = rotator.pool.list();
    rotator.pool.drain(String(second?.id));
    source.next = () => lines(1);
    await refresher.refresh();
    source.next = () => lines(1, 2);
    await refresher.refresh();
    expect(rotator.pool.get(String(second?.id))?.drained).toBe(true);
  });

  it('adds a long list piece by piece', async () => {
    const source = list(proxyLines(20_000));
    const { refresher, rotator } = world([source]);
    let turns = 0;
    const counting = setInterval(() => {
      turns += 1;
    }, 0);
    await refresher.start();
    clearInterval(counting);
    expect(rotator.pool.size).toBe(20_000);
    expect(turns).toBeGreaterThan(5);
  });
});

describe('row 50: what a source cannot do to the pool', () => {
  it.each<[string, Scripted['next']]>([
    ['gives nothing', () => []],
    ['gives garbage', () => ['no proxy']],
    [
      'throws',
      () => {
        throw new Error('down');
      },
    ],
    ['rejects', () => Promise.reject(new Error('down'))],
  ])('keeps the list before when it %s', async (_what, next) => {
    const source = new Scripted('a', lines(1, 2));
    const { refresher, events, hosts } = world([source]);
    await refresher.start();
    source.next = next;
    await expect(refresher.refresh('a')).rejects.toMatchObject({
      code: expect.stringMatching(/^PW_SOURCE_/),
    });
    expect(hosts()).toEqual(['1', '2']);
    expect(events.at(-1)).toMatchObject({ event: 'source-error', name: 'a', failures: 1, retryInMs: 30_000 });
  });

  it('believes a list that shrank by more than 80 % when the next load confirms it', async () => {
    const source = new Scripted('a', lines(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    const { refresher, timers, hosts } = world([source]);
    await refresher.start();
    source.next = () => lines(1);
    await expect(refresher.refresh('a')).rejects.toMatchObject({
      code: 'PW_SOURCE_INVALID',
      reason: 'shrink',
    });
    expect(hosts()).toHaveLength(10);
    await timers.runUntil(() => source.loads === 3);
    await settle(timers);
    expect(hosts()).toEqual(['1']);
  });

  it('asks for confirmation anew when a whole list came in between, and not at 80 %', async () => {
    const ten = lines(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    const source = new Scripted('a', ten);
    const { refresher, hosts } = world([source]);
    await refresher.start();
    for (const [next, size] of [
      [lines(1), 10],
      [ten, 10],
      [lines(1), 10],
    ] as const) {
      source.next = () => next;
      await refresher.refresh('a').catch(() => {});
      expect(hosts()).toHaveLength(size);
    }
    source.next = () => ten;
    await refresher.refresh('a');
    source.next = () => lines(1, 2);
    await refresher.refresh('a');
    expect(hosts()).toEqual(['1', '2']);
  });

  it('reads a shrunk list again, though its server says that it did not change since', async () => {
    let body = lines(1, 2, 3, 4, 5, 6, 7, 8, 9, 10).join('\n');
    const { origin } = await listServer((request, response) => {
      const etag = `"${body.length}"`;
      const isKnown = request.headers['if-none-match'] === etag;
      response.writeHead(isKnown ? 304 : 200, { etag }).end(isKnown ? undefined : body);
    });
    const source = url(origin, { allowPrivate: true, ttlSeconds: 0 });
    const { refresher, events, hosts } = world([source]);
    await refresher.start();
    await refresher.refresh();
    expect(events.at(-1)).toMatchObject({ changed: false, added: 0, kept: 10 });
    body = lines(1).join('\n');
    await expect(refresher.refresh()).rejects.toMatchObject({ reason: 'shrink' });
    await refresher.refresh();
    expect(hosts()).toEqual(['1']);
  });
});

describe('when a source is loaded', () => {
  it('every intervalSeconds, up to a fifth sooner or later', async () => {
    for (const [random, ms] of [
      [0, 48_000],
      [0.5, 60_000],
      [0.999, 71_976],
    ] as const) {
      const source = new Scripted('a', lines(1), { intervalSeconds: 60 });
      const { refresher, timers, clock } = world([source], random);
      await refresher.start();
      const before = clock.now();
      await timers.runUntil(() => source.loads === 2);
      expect(clock.now() - before).toBeCloseTo(ms, 0);
    }
  });

  it('once, where it has no interval', async () => {
    const { refresher, timers } = world([new Scripted('a', lines(1))]);
    await refresher.start();
    expect(timers.pending).toBe(0);
  });

  it('after 30 s when it failed, then ever later, but no later than its interval; then as before', async () => {
    const source = new Scripted('a', [], { intervalSeconds: 100 });
    const { refresher, timers, clock, events } = world([source]);
    await refresher.start();
    for (let load = 2; load <= 5; load++) await timers.runUntil(() => source.loads === load);
    await settle(timers);
    expect(events.map((event) => (event as { retryInMs: number }).retryInMs)).toEqual([
      30_000, 60_000, 100_000, 100_000, 100_000,
    ]);
    source.next = () => lines(1);
    await refresher.refresh('a');
    const before = clock.now();
    await timers.runUntil(() => source.loads === 7);
    expect(clock.now() - before).toBe(100_000);
    await settle(timers);
    source.next = () => [];
    await refresher.refresh('a').catch(() => {});
    expect(events.at(-1)).toMatchObject({ failures: 1, retryInMs: 30_000 });
    expect(timers.pending).toBe(1);
  });

  it.each([
    // Longer than the 30 s after a first failure: no sooner, but up to a fifth later.
    [600_000, 0, 600_000],
    [600_000, 0.5, 660_000],
    // Shorter: as after any other failure.
    [1000, 0, 24_000],
    [1000, 0.5, 30_000],
    // Absurd.
    [Number.MAX_SAFE_INTEGER, 0, 3_600_000],
    [-1, 0.5, 30_000],
  ])('no sooner than its server asks for: %i ms', async (retryAfterMs, random, ms) => {
    const source = new Scripted('a', lines(1), { intervalSeconds: 60 });
    const busy = new SourceError('a', 'status', 'the server answered 429', { retryAfterMs });
    source.next = () => Promise.reject(busy);
    const { refresher, timers, clock, events } = world([source], random);
    await refresher.start();
    const before = clock.now();
    source.next = () => lines(1);
    await timers.runUntil(() => source.loads === 2);
    expect(clock.now() - before).toBe(ms);
    expect(events[0]).toMatchObject({ event: 'source-error', error: busy, retryInMs: ms });
    await settle(timers);
    // The next ones again every 60 s.
    const then = clock.now();
    await timers.runUntil(() => source.loads === 3);
    expect(clock.now() - then).toBe(random === 0 ? 48_000 : 60_000);
  });

  it('no sooner than a 429 of a real server asks for', async () => {
    const { origin } = await listServer(text('', { 'retry-after': '240' }, 429));
    const { refresher, events } = world([url(origin, { allowPrivate: true, name: 'a' })], 0);
    await refresher.start();
    expect(events).toMatchObject([{ event: 'source-error', retryInMs: 240_000 }]);
  });

  it('when it changes, and once more when it changed while it was read', async () => {
    const source = new Scripted('a', lines(1));
    const { refresher, timers, hosts } = world([source]);
    await refresher.start();
    source.next = () => lines(2);
    source.change();
    await settle(timers);
    expect(hosts()).toEqual(['2']);
    let finish: (lines: string[]) => void = () => {};
    source.next = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    source.change();
    await settle(timers);
    source.change();
    source.change();
    expect(source.loads).toBe(3);
    source.next = () => lines(4);
    finish(lines(3));
    await settle(timers);
    expect(source.loads).toBe(4);
    expect(hosts()).toEqual(['4']);
  });

  it('never twice at a time', async () => {
    const source = new Scripted('a', lines(1));
    let finish: (lines: string[]) => void = () => {};
    source.next = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const { refresher, timers, events } = world([source]);
    const all = [refresher.start(), refresher.refresh(), refresher.refresh('a'), refresher.start()];
    await settle(timers);
    finish(lines(1));
    await Promise.all(all);
    expect(source.loads).toBe(1);
    expect(events).toHaveLength(1);
  });

  it('not any more after close(), which waits for no source', async () => {
    const [slow, other] = [new Scripted('a', []), new Scripted('b', lines(1), { intervalSeconds: 5 })];
    slow.next = () => new Promise(() => {});
    const { refresher, timers, events, hosts } = world([slow, other]);
    const starting = refresher.start();
    await settle(timers);
    await refresher.close();
    await starting;
    expect([timers.pending, slow.watching, other.watching]).toEqual([0, false, false]);
    expect(hosts()).toEqual(['1']);
    expect(events).toHaveLength(1);
    await expect(refresher.refresh()).rejects.toMatchObject({ code: 'PW_CLOSED' });
    await expect(refresher.start()).rejects.toMatchObject({ code: 'PW_CLOSED' });
  });
});

describe('close()', () => {
  it('ends the time to live of what has vanished', async () => {
    const source = new Scripted('a', lines(1, 2), { ttlSeconds: 60 });
    const { refresher, timers } = world([source]);
    await refresher.start();
    source.next = () => lines(1);
    await refresher.refresh();
    expect(timers.pending).toBe(1);
    await refresher.close();
    expect(timers.pending).toBe(0);
  });

  it('asks no source again that changed while it was read', async () => {
    const source = new Scripted('a', lines(1));
    source.next = () => new Promise(() => {});
    const { refresher, timers } = world([source]);
    const starting = refresher.start();
    await settle(timers);
    source.change();
    await refresher.close();
    await starting;
    await settle(timers);
    expect(source.loads).toBe(1);
  });
});

describe('K-51 a job that runs again and again', () => {
  /** Ten runs, 3 minutes apart, whose pools hold what the one before left. */
  async function tenRuns(carry: boolean): Promise<number> {
    const source = new Scripted('a', lines(1, 2, 3), { intervalSeconds: 900 });
    let left: readonly Proxy[] = [];
    let resume: Record<string, SourceState> = {};
    for (let run = 0; run < 10; run++) {
      const { rotator, clock } = testEngine(0);
      rotator.pool.replace(left);
      const timers = new FakeTimers(clock);
      await using refresher = new SourceRefresher({
        pool: rotator.pool,
        sources: [source],
        clock,
        timers,
        random: constantly(0.5),
      });
      await refresher.start(resume);
      expect(rotator.pool.size).toBe(3);
      clock.advance(180_000);
      if (!carry) continue;
      left = rotator.pool.list().map(({ proxy }) => proxy);
      resume = JSON.parse(JSON.stringify(refresher.state()));
    }
    return source.loads;
  }

  it('asks a source at least 60 % less often than runs that forget', async () => {
    expect([await tenRuns(false), await tenRuns(true)]).toEqual([10, 2]);
  });

  it('asks at once, without the validator, when more than half of the earlier proxies are missing', async () => {
    const { origin, requests } = await listServer((request, response) => {
      const isKnown = request.headers['if-none-match'] !== undefined;
      response
        .writeHead(isKnown ? 304 : 200, { etag: '"1"' })
        .end(isKnown ? undefined : lines(1, 2).join('\n'));
    });
    const source = url(origin, { name: 'a', allowPrivate: true });
    const ids = lines(1, 2).map((line) => parseProxy(line).id);
    const validator = { etag: '"1"' };
    const state = { ageMs: 1000, ids, validator, fingerprint: source.fingerprint ?? null };
    for (const [held, earlier, loads] of [
      [[], state, 1],
      [lines(1), state, 1],
      [lines(1, 2), state, 1],
      // Another URL under the same name.
      [lines(1, 2), { ...state, fingerprint: '0123456789abcdef' }, 2],
    ] as const) {
      const { rotator, clock } = testEngine(0);
      rotator.pool.replace(held.map((line) => withMetadata(parseProxy(line), { source: 'a' })));
      await using refresher = new SourceRefresher({
        pool: rotator.pool,
        sources: [source],
        clock,
        timers: new FakeTimers(clock),
        random: constantly(0.5),
      });
      await refresher.start({ a: earlier });
      expect(requests).toHaveLength(loads);
      // What is missing is brought back by the next load, which gets all of the list.
      await refresher.refresh('a');
      const asked = requests.splice(loads).map(({ headers }) => headers['if-none-match']);
      expect(asked).toEqual([held.length === 1 ? undefined : '"1"']);
      expect(rotator.pool.size).toBe(2);
    }
  });

  it('counts a proxy for each source that named it, and lets go what no list named at the end of the run', async () => {
    const [a, b] = [1, 2].map(
      (n) => new Scripted(`s${n}`, lines(9), { intervalSeconds: 900, ttlSeconds: 600 }),
    );
    const [both, gone] = lines(1, 2).map((line) => withMetadata(parseProxy(line), { source: 's1' }));
    const { rotator, clock } = testEngine(0);
    rotator.pool.replace([both, gone] as Proxy[]);
    const timers = new FakeTimers(clock);
    await using refresher = new SourceRefresher({
      pool: rotator.pool,
      sources: [a, b] as Source[],
      clock,
      timers,
      random: constantly(0.5),
    });
    const state = { ageMs: 300_000, ids: [both?.id ?? ''], validator: null, fingerprint: null };
    await refresher.start({ s1: state, s2: state });
    expect([a?.loads, b?.loads]).toEqual([0, 0]);
    await timers.runUntil(() => rotator.pool.size === 1);
    expect(clock.now()).toBe(1000 + 300_000);
    expect(rotator.pool.list().map(({ id }) => id)).toEqual([both?.id]);
  });

  it('lets what an earlier run brought go when the list has lost it', async () => {
    const source = new Scripted('a', lines(2), { intervalSeconds: 900 });
    const { rotator, clock } = testEngine(0);
    rotator.pool.replace(lines(1, 2).map((line) => withMetadata(parseProxy(line), { source: 'a' })));
    const timers = new FakeTimers(clock);
    await using refresher = new SourceRefresher({
      pool: rotator.pool,
      sources: [source],
      clock,
      timers,
      random: constantly(0.5),
    });
    const ids = lines(1, 2).map((line) => parseProxy(line).id);
    await refresher.start({ a: { ageMs: 300_000, ids, validator: null, fingerprint: null } });
    const before = clock.now();
    await timers.runUntil(() => source.loads === 1);
    await settle(timers);
    expect(clock.now() - before).toBe(600_000);
    expect(rotator.pool.list().map(({ proxy }) => proxy.host)).toEqual(['192.0.2.2']);
  });
});

describe('SourceRefresher', () => {
  it('asks for different names, and knows them', async () => {
    expect(() => world([list(lines(1)), list(lines(2))])).toThrow(
      expect.objectContaining({ code: 'PW_OPTIONS_INVALID' }),
    );
    const { refresher } = world([list(lines(1))]);
    await expect(refresher.refresh('b')).rejects.toMatchObject({ code: 'PW_OPTIONS_INVALID' });
  });

  it('K-66 reports a listener that throws, and goes on', async () => {
    const { refresher, events, hosts } = world([list(lines(1))]);
    refresher.on('source', () => {
      throw new Error('listener');
    });
    await refresher.start();
    expect(hosts()).toEqual(['1']);
    expect(events).toContainEqual(expect.objectContaining({ event: 'listener-error' }));
  });

  it('K-66 shows no credential in its events', async () => {
    const source = new Scripted('a', ['http://u:c4n4ry@192.0.2.1:80']);
    const { refresher, events } = world([source]);
    await refresher.start();
    source.next = () => ['http://u:c4n4ry@192.0.2.1:no'];
    await refresher.refresh().catch(() => {});
    expect(events).toHaveLength(2);
    expect(inspect(events, { depth: 9 })).not.toContain('c4n4ry');
  });
});

describe('custom()', () => {
  it('timeoutMs: gives up on a function that never comes back, and aborts its signal', async () => {
    let seen: AbortSignal | undefined;
    const load = (signal: AbortSignal): Promise<string[]> => {
      seen = signal;
      return new Promise(() => {});
    };
    const loading = custom('a', load, { timeoutMs: 5 }).load({
      signal: new AbortController().signal,
      validator: null,
    });
    await expect(loading).rejects.toMatchObject({ code: 'PW_SOURCE_UNREADABLE', reason: 'timeout' });
    expect(seen?.aborted).toBe(true);
  });

  it('says that nothing changed with null', async () => {
    const source = custom('a', () => null);
    expect(await source.load({ signal: new AbortController().signal, validator: null })).toEqual({
      changed: false,
    });
  });

  it.each<[CustomSourceOptions, string]>([
    [{ timeoutMs: 0 }, 'custom.timeoutMs'],
    [{ ttl: 1 } as CustomSourceOptions, 'custom.ttl'],
  ])('option: %j names %s', (options, path) => {
    expect(() => custom('a', () => [], options)).toThrow(
      expect.objectContaining({ issues: [expect.objectContaining({ path })] }),
    );
  });
});
