import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const copied = [
  'src',
  'scripts',
  'test',
  'fixtures',
  'package.json',
  'tsconfig.json',
  'tsconfig.types.json',
  'vitest.config.ts',
];

/** The sources and tests in a folder of their own, where one package is not installed. */
export interface BareCopy extends Disposable {
  readonly dir: string;
}

export function bareCopy(missing: string): BareCopy {
  const dir = mkdtempSync(join(tmpdir(), 'pw-bare-'));
  for (const name of copied) cpSync(join(root, name), join(dir, name), { recursive: true });
  mkdirSync(join(dir, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== missing) symlinkSync(join(root, 'node_modules', name), join(dir, 'node_modules', name));
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}
