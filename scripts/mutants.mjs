/**
 * `npm run mutants`: breaks the engine on purpose, one mistake at a time, and demands that the row of the fault matrix
 * that is about it fails, and fails by its figures. A mistake whose text is not found exactly once is an error: the code
 * has moved on, and the mutant must follow. Works on a copy; this folder stays as it is.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Not below node_modules, where vitest takes TypeScript for a package and does not compile it. */
const copy = join(root, '.cache', `mutants-${process.pid}`);
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const copied = ['src', 'test', 'scripts', 'fixtures', 'package.json', 'tsconfig.json', 'vitest.config.ts'];

/** @typedef {{ row: number, mistake: string, file: string, from: string, to: string }} Mutant */

/** @type {readonly Mutant[]} */
const mutants = [
  {
    row: 3,
    mistake: 'the deadline of a call never comes',
    file: 'src/transport/deadline.ts',
    from: "timers.setTimeout(() => this.#cut('deadline'), ms)",
    to: 'timers.setTimeout(() => {}, ms)',
  },
  {
    row: 3,
    mistake: 'a tunnel knows only the limits of its phases',
    file: 'src/transport/tunnel-attempt.ts',
    from: 'Math.min(limitMs, leftMs)',
    to: 'limitMs',
  },
  {
    row: 4,
    mistake: 'a fresh connection that was closed is dialled again',
    file: 'src/transport/proxy-connection.ts',
    from: 'if (this.#link.served === 0) this.#again = null;',
    to: '',
  },
  {
    row: 8,
    mistake: 'nothing but 200 opens a tunnel',
    file: 'src/transport/http-connect.ts',
    from: 'head.status < 200 || head.status > 299',
    to: 'head.status !== 200',
  },
  {
    row: 8,
    mistake: 'a refused CONNECT passes for a tunnel',
    file: 'src/transport/http-connect.ts',
    from: 'head.status < 200 || head.status > 299',
    to: 'head.status < 200 || head.status > 502',
  },
  {
    row: 23,
    mistake: 'an empty pool goes direct',
    file: 'src/proxywhirl.ts',
    from: 'return transport.fetch(url, init);',
    to: 'return this.rotator.pool.size > 0 ? transport.fetch(url, init) : (fetch(url) as never);',
  },
  {
    row: 27,
    mistake: 'a POST that was written is sent again',
    file: 'src/transport/failover.ts',
    from: 'if (!repeatable) return',
    to: 'if (!repeatable && made > 9) return',
  },
];

/**
 * Runs some rows in the copy.
 * @param {string} rows
 * @returns {{ passed: string[], failed: string[] }} titles of the tests that ran
 */
function run(rows) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const args = ['run', 'test/matrix/matrix.test.ts', '-t', `row (${rows}):`, '--typecheck.enabled=false'];
  const output = ['--reporter=json', `--outputFile=${report}`];
  const { stdout, stderr } = spawnSync(process.execPath, [vitest, ...args, ...output], {
    cwd: copy,
    encoding: 'utf8',
    timeout: 300_000,
  });
  /** @type {{ assertionResults: { title: string, status: string }[] }[]} */
  let files;
  try {
    files = JSON.parse(readFileSync(report, 'utf8')).testResults;
  } catch {
    throw new Error(`The tests did not run:\n${stdout}\n${stderr}`);
  }
  const results = files.flatMap(({ assertionResults }) => assertionResults);
  const titles = (/** @type {string} */ status) =>
    results.filter((result) => result.status === status).map(({ title }) => title);
  return { passed: titles('passed'), failed: titles('failed') };
}

/** @param {Mutant} mutant @returns {string} what came of it; `caught` is as it should be */
function fate({ row, file, from, to }) {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  const found = source.split(from).length - 1;
  if (found !== 1) return `STALE: its text is there ${found} times`;
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  try {
    const { passed, failed } = run(String(row));
    if (failed.length === 1 && passed.length === 0) return 'caught';
    return failed.length === 0 && passed.length === 1 ? 'SURVIVED' : 'DID NOT RUN';
  } finally {
    writeFileSync(path, source);
  }
}

rmSync(copy, { recursive: true, force: true });
mkdirSync(copy, { recursive: true });
try {
  for (const name of copied) cpSync(join(root, name), join(copy, name), { recursive: true });
  const rows = [...new Set(mutants.map(({ row }) => row))];
  const { passed, failed } = run(rows.join('|'));
  const sound = passed.length === rows.length && failed.length === 0;
  const table = new Table({ head: ['row', 'mistake', 'file', 'result'], style: { head: [], border: [] } });
  table.push([
    rows.join(', '),
    'none',
    '',
    sound ? 'passes' : `FAILS: ${failed.join('; ') || 'did not run'}`,
  ]);
  const fates = mutants.map((mutant) => {
    const result = fate(mutant);
    table.push([mutant.row, mutant.mistake, mutant.file, result]);
    return result;
  });
  console.log(table.toString());
  if (!sound || fates.some((result) => result !== 'caught')) process.exitCode = 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
