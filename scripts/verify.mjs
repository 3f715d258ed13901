/**
 * `npm test`: the checks of `npm run check`, then every test. Its last line reads `N passed, N failed`, where a
 * check counts as one test, so that neither half can hide behind the other. All steps run even when one fails.
 *
 * With arguments only vitest runs, and gets them: `npm test -- test/core`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules', '.bin');
const summaryFile = join(root, 'node_modules', '.cache', `test-summary-${process.pid}.json`);
const args = process.argv.slice(2);

/** The parts of `npm run check` are read from package.json: a check that is added there runs here too. */
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const checks = scripts.check.split(' && ').map((/** @type {string} */ step) => step.replace('npm run ', ''));

const env = {
  ...process.env,
  PATH: `${bin}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH}`,
  PROXYWHIRL_TEST_SUMMARY: summaryFile,
};

/** stderr joins stdout, so that the order of the lines, and with it the last one, is certain. */
const run = (/** @type {string} */ command) =>
  spawnSync(command, { cwd: root, env, shell: true, stdio: ['ignore', 1, 1] }).status === 0;

let passed = 0;
let failed = 0;

for (const name of args.length === 0 ? checks : []) {
  console.log(`\n> ${name}: ${scripts[name]}`);
  if (run(scripts[name])) passed += 1;
  else {
    failed += 1;
    console.log(`FAILED: npm run ${name}`);
  }
}

console.log('\n> vitest');
mkdirSync(join(root, 'node_modules', '.cache'), { recursive: true });
const quoted = args.map((argument) => JSON.stringify(argument)).join(' ');
const clean = run(`vitest run ${quoted}`);
// No summary means that vitest itself did not get to its end.
const tests = existsSync(summaryFile)
  ? JSON.parse(readFileSync(summaryFile, 'utf8'))
  : { passed: 0, failed: 1 };
rmSync(summaryFile, { force: true });
passed += tests.passed;
failed += tests.failed;
// A non-zero exit without a failed test (an empty run, a coverage threshold) is a failure as well.
if (!clean && tests.failed === 0) failed += 1;

console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
