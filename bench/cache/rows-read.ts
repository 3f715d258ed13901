import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { median } from '../micro/measure.js';
import type { Contender } from './contender.js';
import type { Figure } from './report.js';
import {
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

type Get = (key: string) => Promise<unknown>;

/** Prime to the number of keys: each is read once, in a scattered order. */
const STRIDE = 7919;

/** A read from memory through the whole cache, awaited, its use counted. */
export async function memoryReadRows(rounds: number, others: readonly Contender[]): Promise<Figure[]> {
  const proxies = makeProxies(SIZE);
  const entries = makeEntries(proxies);
  const keys = entries.map(({ key }) => key);
  const cache = openCache([memoryTier()]);
  await cache.put(proxies);
  const lru = new LRUCache<string, object>({ max: SIZE });
  for (const entry of entries) {
    lru.set(entry.key, plainOf(entry));
    for (const other of others) await other.set(entry.key, plainOf(entry));
  }
  const sides: { name: string; get: Get }[] = [
    { name: 'ours', get: (key) => cache.get(key) },
    ...others.map((other) => ({ name: other.name, get: (key: string) => other.get(key) })),
    { name: 'lru-cache alone', get: async (key) => lru.get(key) },
  ];
  const times = await inTurn(rounds, sides, (get) => perRead(get, keys, 50_000));
  await cache.close();
  const ours = times.get('ours') ?? Number.NaN;
  const compared = others.map(({ name }) => ({ name, value: times.get(name) ?? Number.NaN }));
  const best = compared.toSorted((a, b) => a.value - b.value)[0] ?? null;
  const against = (name: string): Figure => ({
    row: `L1 get, awaited, beside ${name}`,
    ours,
    unit: 'ns',
    beside: { name, value: times.get(name) ?? Number.NaN },
    bar: null,
  });
  return [
    { row: 'L1 get, awaited, beside the best of three', ours, unit: 'ns', beside: best, bar: 0.1 },
    ...others.map(({ name }) => against(name)),
    against('lru-cache alone'),
  ];
}

/** A read from a tier on disk with a user name and a password to open. */
export async function diskReadRows(
  rounds: number,
  name: TierName,
  open: (file: string) => Promise<Contender>,
): Promise<Figure[]> {
  const place = makePlace();
  const entries = makeEntries(makeProxies(SIZE));
  const keys = entries.map(({ key }) => key);
  const tier = openTier(name, place);
  await tier.put(entries);
  const keyv = await open(join(place.path, 'keyv.sqlite'));
  // Its writes are not the matter here, and each is a transaction: fewer of them.
  const fewer = entries.slice(0, 1000);
  for (const entry of fewer) await keyv.set(entry.key, plainOf(entry));
  const known = fewer.map(({ key }) => key);
  const sides: { name: string; get: Get }[] = [
    { name: 'ours', get: (key) => tier.get(key) },
    { name: keyv.name, get: (key) => keyv.get(key) },
  ];
  const times = await inTurn(rounds, sides, (get, side) =>
    perRead(get, side === 'ours' ? keys : known, 2000),
  );
  const p99 = await slowest((key) => tier.get(key), keys, 10_000);
  await tier.close();
  await keyv.close();
  place.remove();
  const level = name === 'file' ? 'L2' : 'L3';
  const value = (times.get(keyv.name) ?? Number.NaN) / 1000;
  return [
    {
      row: `${level} get, two secrets opened`,
      ours: (times.get('ours') ?? Number.NaN) / 1000,
      unit: 'us',
      beside: { name: keyv.name, value },
      bar: 0.5,
    },
    { row: `${level} get, two secrets opened, p99`, ours: p99, unit: 'ms', beside: null, bar: 0.2 },
  ];
}

/** Medians in ns per read, all sides in turn: a machine that slows down must not favour one. */
async function inTurn(
  rounds: number,
  sides: readonly { name: string; get: Get }[],
  sample: (get: Get, name: string) => Promise<number>,
): Promise<Map<string, number>> {
  const times = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
  // Two rounds before the first that counts, for the compiler.
  for (let round = -2; round < rounds; round++) {
    for (const { name, get } of round % 2 === 0 ? sides : sides.toReversed()) {
      const time = await sample(get, name);
      if (round >= 0) times.get(name)?.push(time);
    }
  }
  return new Map([...times].map(([name, all]) => [name, median(all)]));
}

async function perRead(get: Get, keys: readonly string[], reads: number): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < reads; i++) {
    const found = await get(keys[(i * STRIDE) % keys.length] as string);
    if (found === null || found === undefined) throw new Error('a cache lost an entry');
  }
  return ((performance.now() - started) * 1e6) / reads;
}

/** The 99th percentile of single reads, in ms. */
async function slowest(get: Get, keys: readonly string[], reads: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < reads; i++) {
    const started = performance.now();
    await get(keys[(i * STRIDE) % keys.length] as string);
    times.push(performance.now() - started);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(reads * 0.99)] as number;
}
