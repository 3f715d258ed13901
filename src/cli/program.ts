import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { CommandContext, CommandModule } from './command.js';
import { complain } from './complaint.js';
import { exitCode } from './exit-code.js';
import { wholeNumber } from './flag-values.js';
import { checkFlags, choice, configFlags, engineFlags, jsonFlag, wishFlags } from './flags.js';
import { withoutValues } from './safe-text.js';

const endings = `
Exit codes: 0 fine, 1 something was found (a proxy that fails, a bad line, no answer), 2 wrong usage or settings,
130 Ctrl-C, 143 SIGTERM.
Settings: flags win over PROXYWHIRL_* variables, these over proxywhirl.config.{ts,js,json}, this over defaults.
What clients of serve had kept by PUT /config stands between variables and configuration.
Data goes to stdout, all else to stderr.`;

/** Runs the command that the arguments name, and resolves with its exit code. Never rejects. */
export async function runProgram(context: CommandContext, args: readonly string[]): Promise<number> {
  let code = exitCode.ok;
  const { terminal } = context;

  /** The command's file is loaded when it is asked for: `--help` need not wait for SQLite. */
  const action = <F>(load: () => Promise<CommandModule<F>>) =>
    async function (this: Command, ...given: unknown[]): Promise<void> {
      const names = given.filter((value) => typeof value === 'string');
      const { run, endsBySignal } = await load();
      const ended = await run(context, this.opts() as F, ...names);
      code = endsBySignal === true ? ended : (context.interruptedBy() ?? ended);
    };

  const program = new Command('proxywhirl')
    .description(
      'Rotates proxies: checks lists, keeps a pool with what was learned of it, and serves it to others.',
    )
    .version(readVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.write(text),
      outputError: (text) => terminal.fail(withoutValues(text.replace(/^error: /, '').trimEnd())),
    })
    .addHelpText('after', endings);

  const add = (usage: string, description: string, examples: readonly string[]): Command =>
    program
      .command(usage)
      .description(description)
      .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ proxywhirl ${line}`).join('\n')}`);

  jsonFlag(
    add('init', 'make a key for credentials and a configuration in this folder', ['init', 'init --json']),
  ).action(action(() => import('./commands/init.js')));

  engineFlags(
    add('import <LIST>', 'put the proxies of a file (- = stdin) into the pool, to stay there', [
      'import proxies.txt',
      'import vendor.csv --name vendor --ttl 86400',
      'import - < proxies.jsonl',
    ]),
  )
    .option(
      '--ttl <seconds>',
      'how long they stay (default: 30 days)',
      wholeNumber(60, 1_000_000_000),
      2_592_000,
    )
    .option('--name <source>', 'name of the list, kept with each proxy', 'import')
    .action(action(() => import('./commands/import.js')));

  engineFlags(
    add('export [FILE]', 'write the proxies of the pool as a list', [
      'export',
      'export pool.jsonl --credentials',
      'export --format csv | column -s, -t',
    ]),
  )
    .addOption(
      choice('--format <format>', 'else by the extension of FILE, else txt', ['txt', 'json', 'jsonl', 'csv']),
    )
    .option(
      '--credentials',
      'write user names and passwords in the clear; a file is made for you alone (0600)',
    )
    .action(action(() => import('./commands/export.js')));

  checkFlags(
    configFlags(
      add('check <LIST>', 'find out which proxies of a list (- = stdin) work; nothing is kept', [
        'check proxies.txt --url https://example.com/health --token ok',
        'check proxies.txt --url http://judge.example/ --judge --own-address 198.51.100.20',
        "check proxies.txt --url https://example.com/ --json | jq '.summary'",
        'check proxies.txt --url https://example.com/ --output working.txt',
      ]),
    ),
    200,
  )
    .option('-o, --output <file>', 'write those that work as a list, with their credentials (0600)')
    .action(action(() => import('./commands/check.js')));

  checkFlags(
    engineFlags(
      add('warm', 'load every source and check every proxy of the pool, for the next start', [
        'warm --url https://example.com/health',
        'warm --source https://lists.example/proxies.txt --url https://example.com/health',
      ]),
    ),
    50,
  ).action(action(() => import('./commands/warm.js')));

  engineFlags(
    add('list', 'the proxies of the pool', ['list', 'list --country DE --health closed', 'list --json']),
  )
    .addOption(
      choice('--health <state>', 'only these', ['closed', 'open', 'half-open', 'warming', 'drained']),
    )
    .option('--country <code>', 'only these')
    .option('--tag <tag>', 'only these')
    .action(action(() => import('./commands/list.js')));

  engineFlags(add('stats', 'what was learned of the pool, in figures', ['stats', 'stats --json'])).action(
    action(() => import('./commands/stats.js')),
  );

  wishFlags(
    engineFlags(
      add('explain [URL]', 'which proxy a request would get, and why not the others', [
        'explain https://example.com/',
        'explain https://example.com/ --country DE --strategy least-used',
      ]),
    ),
  ).action(action(() => import('./commands/explain.js')));

  wishFlags(
    engineFlags(
      add('fetch <URL>', 'one request through the pool; the body goes to stdout', [
        'fetch https://example.com/',
        'fetch https://example.com/api -X POST -H "content-type: application/json" -d \'{"a":1}\'',
        'fetch https://example.com/ --json --session checkout-17',
      ]),
    ),
  )
    .option('-X, --method <method>', 'else GET, or POST with --data')
    .option('-H, --header <line>', 'name: value, may be repeated', (line: string, before: string[] = []) => [
      ...before,
      line,
    ])
    .option('-d, --data <text>', 'body of the request; @file reads a file, @- standard input')
    .option('-o, --output <file>', 'write the body into a file')
    .option('--deadline <ms>', 'all attempts together (default: 30000)', wholeNumber(1, 2 ** 31 - 1))
    .option('--attempts <n>', 'proxies that are tried (default: 3)', wholeNumber(1, 10))
    .action(action(() => import('./commands/fetch.js')));

  engineFlags(
    add('bench', 'measure requests through the pool, or through proxies on this machine', [
      'bench',
      'bench --url https://example.com/health --requests 200 --concurrency 10',
    ]),
  )
    .option('-u, --url <url>', 'page to ask for through your pool; without it, all of it happens on loopback')
    .option('--requests <n>', 'how many', wholeNumber(1, 1_000_000), 1_000)
    .option('--concurrency <n>', 'at the same time', wholeNumber(1, 1_000), 20)
    .action(action(() => import('./commands/bench.js')));

  engineFlags(
    add('serve', 'the REST API over the pool, until a signal', [
      'serve',
      'serve --relay 8888',
      'serve --host 0.0.0.0   (PROXYWHIRL_API_KEYS must hold one, made by: openssl rand -hex 32)',
    ]),
  )
    .option(
      '--host <address>',
      'where to listen (default: 127.0.0.1); elsewhere than on loopback, keys are needed',
    )
    .option('--port <port>', '0 = a free one (default: 8000)', wholeNumber(0, 65_535))
    .option(
      '--relay <port>',
      'a forward proxy for other programs on this port as well',
      wholeNumber(0, 65_535),
    )
    .option('--quiet', 'no line on stderr for each change that a client makes')
    .action(action(() => import('./commands/serve.js')));

  jsonFlag(
    add('lab', 'proxies with faults and a site that bans, on this machine, until Ctrl-C', [
      'lab',
      'lab --proxies 5',
      'lab --banned --json',
    ]),
  )
    .option('--proxies <n>', 'so many good ones, instead of the twelve of the demo', wholeNumber(1, 100))
    .option('--banned', 'one more, which the site has banned')
    .option('--seed <n>', 'all chance comes from it', wholeNumber(0, 2 ** 31), 1)
    .action(action(() => import('./commands/lab.js')));

  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    const ended = complain(terminal, error);
    return context.interruptedBy() ?? ended;
  }
}

/** Of the package, both from its sources and from its build. */
function readVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
