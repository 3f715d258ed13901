/**
 * The faults of one proxy, met by ProxyWhirl and by what else there is: undici's ProxyAgent, and proxy-chain as a
 * relay in front of got-scraping. `npm run bench:faults`, `npm run bench:faults -- --row 4 --json`.
 *
 * Rows of the fault matrix that need a pool (12, 15 to 28, 43, 52) are left out: a client with one proxy has no answer to
 * them that could be compared.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { labCaPem } from '../../src/lab/index.js';
import { startRig } from '../../test/matrix/rig.js';
import { type ContenderName, contenders } from './contenders.js';
import { contest } from './contest.js';
import { type Measured, missesOf, tableOf } from './report.js';
import { deadlineMs, faultCases } from './rows.js';

const { values } = parseArgs({ options: { json: { type: 'boolean' }, row: { type: 'string' } } });
const wanted = faultCases.filter(({ number }) => values.row === undefined || number === Number(values.row));
const names = Object.keys(contenders) as ContenderName[];
const folder = mkdtempSync(join(tmpdir(), 'bench-faults-'));
const startedAt = performance.now();
const measured: Measured[] = [];

try {
  // Whom a process trusts beside the usual is said when it starts, and so in the same way to every contender.
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, labCaPem);
  await using rig = await startRig();
  const good = await rig.proxy();
  const warmUp = { proxyUrl: good.url, url: rig.target.httpsUrl };
  for (const [index, faultCase] of wanted.entries()) {
    const results = await contest(rig, faultCase, names, { caFile, warmUp, index });
    measured.push({ faultCase, results });
    process.stderr.write(`${index + 1}/${wanted.length} ${faultCase.fault}\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

const seconds = (performance.now() - startedAt) / 1000;
const versions = {
  node: process.versions.node,
  ...Object.fromEntries(['undici', 'proxy-chain', 'got-scraping'].map((name) => [name, versionOf(name)])),
};
const date = new Date().toISOString().slice(0, 10);
process.stdout.write(
  values.json
    ? `${JSON.stringify({ date, versions, deadlineMs, seconds, rows: measured.map(asJson) }, null, 2)}\n`
    : `${date}, ${Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}, time limit ${deadlineMs} ms, whole run ${seconds.toFixed(0)} s\n\n${tableOf(measured)}`,
);

function asJson({ faultCase, results }: Measured): object {
  const { number, fault, bar } = faultCase;
  return {
    number,
    fault,
    bar,
    results: results.map((result) => ({ ...result, misses: missesOf(result, bar) })),
  };
}

/** Read by its path: not every package lets its package.json be imported. */
function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
