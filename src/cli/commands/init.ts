import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createKeyFile } from '../../cache/key-source.js';
import type { CommandContext, JsonFlag } from '../command.js';
import { exitCode } from '../exit-code.js';

const KEY_FILE = 'proxywhirl.key';
const CONFIG_FILE = 'proxywhirl.config.json';
const configFiles = ['ts', 'js', 'mjs', 'cjs', 'mts', 'json'].map(
  (extension) => `proxywhirl.config.${extension}`,
);

/** `init`: a key, so that credentials can be kept, and a configuration that names it. What is there stays. */
export async function run({ terminal, cwd }: CommandContext, flags: JsonFlag): Promise<number> {
  const made: string[] = [];
  const kept: string[] = [];
  if (existsSync(resolve(cwd, KEY_FILE))) kept.push(KEY_FILE);
  else {
    await createKeyFile(resolve(cwd, KEY_FILE), randomBytes);
    made.push(KEY_FILE);
  }
  const present = configFiles.find((name) => existsSync(resolve(cwd, name)));
  if (present !== undefined) kept.push(present);
  else {
    const config = { strategy: 'round-robin', cache: { dir: '.cache/proxywhirl', keyFile: `./${KEY_FILE}` } };
    await writeFile(resolve(cwd, CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`, { flag: 'wx' });
    made.push(CONFIG_FILE);
  }
  if (flags.json === true) await terminal.json({ made, kept });
  else {
    for (const name of made) terminal.note(`made ${name}`);
    for (const name of kept) terminal.note(`kept ${name}, which was there`);
    terminal.note(
      `Keep ${KEY_FILE} out of version control: without it, kept credentials cannot be read any more.`,
    );
    terminal.note('Next: proxywhirl import LIST');
  }
  return exitCode.ok;
}
