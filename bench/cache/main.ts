/**
 * What the cache costs, beside other caches in the same run. It runs what `tsc` makes of the sources, as bench/micro
 * does. The other caches have a package.json of their own, which `npm run bench:cache` installs.
 * `npm run bench:cache`, `npm run bench:cache -- --rounds 9`, `--json figures.json`.
 */
import { parseArgs } from 'node:util';
import { loadContenders } from './contender.js';
import { type Figure, table, writeJson } from './report.js';
import { diskReadRows, memoryReadRows } from './rows-read.js';
import { evictionRows, loadRows, manyAtOnceRows, memoryRows, writeBehindRows } from './rows-whole.js';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, json: { type: 'string' } },
});
const rounds = Number(values.rounds);
const contenders = await loadContenders(process.cwd());
const figures: Figure[] = [];

async function measure(what: string, rows: () => Promise<Figure[]>): Promise<void> {
  process.stderr.write(`${what}\n`);
  figures.push(...(await rows()));
}

// First, while the heap is small.
await measure('memory', memoryRows);
await measure('L1', async () => {
  const others = await contenders.memoryCaches();
  const rows = await memoryReadRows(rounds, others);
  for (const other of others) await other.close();
  return rows;
});
for (const name of ['file', 'sqlite'] as const)
  await measure(name, () => diskReadRows(rounds, name, contenders.keyvSqlite));
await measure('load', () => loadRows(rounds));
await measure('statistics', () => writeBehindRows(Math.min(rounds, 5), contenders.keyvSqlite));
await measure('evictions', evictionRows);
await measure('many at once', manyAtOnceRows);

process.stdout.write(table(figures));
if (values.json !== undefined) writeJson(values.json, figures);
