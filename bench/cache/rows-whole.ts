import { join } from 'node:path';
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
