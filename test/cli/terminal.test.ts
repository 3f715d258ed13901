import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable, shownPath, withoutValues } from '../../src/cli/safe-text.js';
import { Terminal } from '../../src/cli/terminal.js';

/** What a terminal, or a pipe, has got of a table, a warning and a bar. */
async function shown(
  isTTY: boolean,
  env: Readonly<Record<string, string>> = {},
): Promise<Record<string, string>> {
  const stdout = Object.assign(new PassThrough(), { isTTY });
  const stderr = Object.assign(new PassThrough(), {
    isTTY,
    columns: 80,
    cursorTo: () => true,
    clearLine: () => true,
  });
  const streams = { stdout, stderr } as unknown as Record<'stdout' | 'stderr', NodeJS.WriteStream>;
  const terminal = new Terminal({ ...streams, env });
  await terminal.table(
    ['name', 'n'],
    [
      ['a', '1'],
      ['bb', ''],
    ],
  );
  terminal.warn('careful');
  const bar = terminal.bar(10, 'proxies');
  bar.update(5);
  bar.stop();
  stdout.end();
  stderr.end();
  return { stdout: await text(stdout), stderr: await text(stderr) };
}

const escape = '\u001b';

describe('the terminal', () => {
  it('has colours and a bar', async () => {
    const { stdout, stderr } = await shown(true);
    expect(stdout).toContain(`${escape}[2m`);
    expect(stderr).toContain(`${escape}[33mwarning:`);
    expect(stderr).toMatch(/\d+ % \| 5\/10 proxies/);
  });

  it('has no colours with NO_COLOR, and where it is dumb', async () => {
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }] as const) {
      const { stdout, stderr } = await shown(true, env);
      expect(stdout).not.toContain(escape);
      expect(stderr).toMatch(/^warning: careful$/m);
    }
    expect((await shown(true, { NO_COLOR: '' })).stdout).toContain(escape);
  });

  it('a pipe gets neither: columns, and a mark where there is nothing', async () => {
    expect(await shown(false)).toEqual({
      stdout: 'name  n\na     1\nbb    -\n',
      stderr: 'warning: careful\n',
    });
  });

  it('keeps the columns of hundreds of rows in line', async () => {
    const stdout = Object.assign(new PassThrough(), { isTTY: false });
    const streams = { stdout, stderr: stdout } as unknown as Record<'stdout' | 'stderr', NodeJS.WriteStream>;
    const rows = Array.from({ length: 350 }, (_, i) => ['x'.repeat(i % 7), String(i)]);
    const written = text(stdout);
    await new Terminal({ ...streams, env: {} }).table(['a', 'b'], rows);
    stdout.end();
    const lines = (await written).trimEnd().split('\n');
    expect(lines).toHaveLength(351);
    expect(new Set(lines.map((line) => line.search(/\S+$/)))).toEqual(new Set([8]));
  });
});

describe('what is shown of a text', () => {
  it('never a control or bidirectional character', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('a', ' ', '\n', escape, '\u009b', '\u202e', '\u2066', 'é', '😀'),
    });
    fc.assert(
      fc.property(hostile, (given) => {
        expect(printable(given)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
    expect(printable('Zürich 東京')).toBe('Zürich 東京');
  });

  it.each([
    ['list.txt', 'list.txt'],
    ['../lists/proxies 1.csv', '../lists/proxies 1.csv'],
    ['C:\\lists\\a.txt', 'C:\\lists\\a.txt'],
    ['http://u:p@203.0.113.7:80', null],
    ['203.0.113.7:80:u:p', null],
    ['u:p@203.0.113.7', null],
  ])('of the path %s: %s', (path, expected) => {
    expect(shownPath(path)).toBe(expected);
  });

  it('of a message of the argument parser: flags and words, no values', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9:@/.]{6,20}[:@][a-z0-9]{1,20}$/), (secret) => {
        expect(withoutValues(`unknown command '${secret}'`)).toBe("unknown command '(not shown)'");
      }),
    );
    const kept = "option '--port <port>' argument 'x:y' is invalid. Try 'list'";
    expect(withoutValues(kept)).toBe("option '--port <port>' argument '(not shown)' is invalid. Try 'list'");
  });
});
