import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { median, usedBytes } from '../micro/measure.js';
import type { Contender } from './contender.js';
import type { Figure } from './report.js';
import {
  learnedOf,
  makeEntries,
  makePlace,
  makeProxies,
  memoryTier,
  openCache,
  openTier,
  plainOf,
  SIZE,
  type TierName,
} from './world.js';

/** Prime to the number of proxies: each has its turn, in a scattered order. */
const STRIDE = 7919;

/** Opening the database of an earlier run, and every secret in it. */
export async function loadRows(rounds: number): Promise<Figure[]> {
  const place = makePlace();
  const first = openTier('sqlite', place);
  await first.put(makeEntries(makeProxies(SIZE)));
  await first.close();
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    const tier = openTier('sqlite', place);
    let count = 0;
    for await (const _ of tier.entries()) count += 1;
    times.push(performance.now() - started);
    if (count !== SIZE) throw new Error('the database lost an entry');
    await tier.close();
  }
  place.remove();
  return [{ row: 'encrypted L3 load of 10k', ours: median(times), unit: 'ms', beside: null, bar: 500 }];
}

/** What a record costs whose statistics are noted, and written with all others by the next flush. */
export async function writeBehindRows(
  rounds: number,
  open: (file: string) => Promise<Contender>,
): Promise<Figure[]> {
  const place = makePlace();
  const proxies = makeProxies(SIZE);
  const cache = openCache([memoryTier(), openTier('sqlite', place)]);
  await cache.put(proxies);
  const entries = makeEntries(proxies).slice(0, 500);
  const keyv = await open(join(place.path, 'keyv.sqlite'));
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    let started = performance.now();
    for (const [n, { id }] of proxies.entries()) await cache.learn(id, learnedOf(n + round));
    if (!(await cache.flush())) throw new Error('a write failed');
    ours.push(((performance.now() - started) * 1000) / SIZE);
    started = performance.now();
    for (const [n, entry] of entries.entries())
      await keyv.set(entry.key, plainOf({ ...entry, learned: learnedOf(n + round) }));
    theirs.push(((performance.now() - started) * 1000) / entries.length);
  }
  await cache.close();
  await keyv.close();
  place.remove();
  return [
    {
      row: 'statistics written behind, per record',
      ours: median(ours),
      unit: 'us',
      beside: { name: keyv.name, value: median(theirs) },
      bar: 0.05,
    },
  ];
}

/** What 10,000 entries take in the heap of the engine, L1 included. */
export async function memoryRows(): Promise<Figure[]> {
  const figures: Figure[] = [];
  const sets: [string, TierName[]][] = [
    ['L1', []],
    ['L1 + L3', ['sqlite']],
    ['L1 + L2 + L3', ['file', 'sqlite']],
  ];
  for (const [row, names] of sets) {
    const place = makePlace();
    const before = usedBytes();
    const cache = openCache([memoryTier(), ...names.map((name) => openTier(name, place))]);
    await cache.put(makeProxies(SIZE));
    await cache.flush();
    const ours = (usedBytes() - before) / 1e6;
    figures.push({ row: `memory per 10k entries, ${row}`, ours, unit: 'MB', beside: null, bar: 16 });
    await cache.close();
    place.remove();
  }
  return figures;
}

/** How long timers wait while 100,000 reads and changes run at once, over all tiers. */
export async function manyAtOnceRows(): Promise<Figure[]> {
  const place = makePlace();
  const cache = openCache([memoryTier(1000), openTier('file', place, 5000), openTier('sqlite', place)]);
  const proxies = makeProxies(3000);
  await cache.put(proxies);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const waiting: Promise<unknown>[] = [];
  for (let n = 0; n < 100_000; n++) {
    const { id } = proxies[(n * STRIDE) % proxies.length] as (typeof proxies)[number];
    waiting.push(n % 10 === 9 ? cache.learn(id, learnedOf(n)) : cache.get(id));
    // As many callers as a busy process has: what one of them does in one turn is its own.
    if (n % 500 === 0) await new Promise((go) => setImmediate(go));
  }
  if ((await Promise.all(waiting)).includes(null)) throw new Error('the cache lost an entry');
  delay.disable();
  await cache.close();
  place.remove();
  const ours = delay.percentile(99) / 1e6;
  return [{ row: '100,000 operations at once, event-loop p99', ours, unit: 'ms', beside: null, bar: 50 }];
}

/** One put into a tier that is full, p99. */
export async function evictionRows(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const name of ['file', 'sqlite'] as const) {
    const place = makePlace();
    const entries = makeEntries(makeProxies(5300));
    const tier = openTier(name, place, 5000);
    await tier.put(entries.slice(0, 5000));
    const times: number[] = [];
    for (const entry of entries.slice(5000)) {
      const started = performance.now();
      await tier.put([entry]);
      times.push(performance.now() - started);
    }
    const ours = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] as number;
    const level = name === 'file' ? 'L2' : 'L3';
    figures.push({ row: `${level} put that evicts, of 5,000, p99`, ours, unit: 'ms', beside: null, bar: 10 });
    await tier.close();
    place.remove();
  }
  return figures;
}
