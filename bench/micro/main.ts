/**
 * What the engine costs, beside Crawlee's own ProxyConfiguration in the same run: medians and ratios, because ns
 * of two machines, or of two runs, say nothing about each other.
 * It runs what `tsc` makes of the sources, as the package does: a loader that compiles on the fly names each closure
 * when it is made, which makes the same path 1.5 to 2 times as slow.
 * `npm run bench`, `npm run bench -- --quick`, `--long` (10 million cycles), `--rounds 9`, `--json figures.json`.
 */
import { parseArgs } from 'node:util';
import { type Figure, table, writeJson } from './report.js';
import { choiceRows, flatness } from './rows-choice.js';
import { crawleeRows } from './rows-crawlee.js';
import { engineRows, swapRows } from './rows-engine.js';
import { cycleRows, loadRows } from './rows-load.js';
import { proxyMemoryRows, sessionMemoryRows } from './rows-memory.js';
import { choiceWorld, crawleeOver, makeProxies } from './world.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    quick: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const sizes = values.quick ? [100, 10_000, 100_000] : [10, 100, 1000, 10_000, 100_000, 1_000_000];
const figures: Figure[] = [];

const started = performance.now();
function progress(what: string): void {
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${what}\n`);
}

// First, while the heap is small: a collection takes as long as what is in it.
progress('100k concurrent requests');
figures.push(...(await loadRows(rounds)));
progress('memory');
figures.push(...proxyMemoryRows(), ...sessionMemoryRows());
progress('cycles');
figures.push(...cycleRows(values.long ? 10_000_000 : 1_000_000));

for (const size of sizes) {
  progress(`${size.toLocaleString('en')} proxies`);
  const proxies = makeProxies(size);
  const crawlee = crawleeOver(proxies);
  if (size === 100_000) figures.push(...swapRows(proxies, rounds));
  figures.push(...(await choiceRows(choiceWorld(proxies), crawlee, rounds)));
  figures.push(...(await engineRows(proxies, crawlee, rounds)));
  figures.push(...(await crawleeRows(proxies, crawlee, rounds)));
}
figures.push(...flatness(figures));
progress('done');

process.stdout.write(table(figures));
if (values.json !== undefined) writeJson(values.json, figures, rounds);
