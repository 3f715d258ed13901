import { type Command, Option } from 'commander';
import { collected, wholeNumber } from './flag-values.js';

/** The most that a timer of Node can take, in ms. */
const LONGEST_MS = 2 ** 31 - 1;

export function jsonFlag(command: Command): Command {
  return command.option('--json', 'one JSON document on stdout instead of a table');
}

/** Where settings come from. */
export function configFlags(command: Command): Command {
  return jsonFlag(command)
    .option('-c, --config <file>', 'configuration; else proxywhirl.config.{ts,js,json} of this folder')
    .option('--set <name=value>', 'any other option, as in --set breaker.threshold=3', collected);
}

/** Where proxies and settings come from. */
export function engineFlags(command: Command): Command {
  return configFlags(
    command
      .option('-p, --proxy <line>', 'a proxy, may be repeated; visible to others on this machine', collected)
      .option('-s, --source <source>', 'a file or the URL of a list, may be repeated', collected)
      .option('--strategy <name>', 'who is chosen: round-robin, least-used, ...')
      .option('--cache-dir <folder>', 'where the pool is kept (default: .cache/proxywhirl)')
      .option('--key-file <file>', 'keys for credentials that are kept')
      .option('--no-cache', 'start from nothing, and keep nothing'),
  );
}

/** What proxies are asked for. */
export function checkFlags(command: Command, concurrency: number): Command {
  return command
    .option('-u, --url <url>', 'page that each proxy is asked for; yours, or one that you may use')
    .option('--token <text>', 'text that the answer must contain')
    .option('--expect-status <status>', 'status that it must have (default: 200)', wholeNumber(200, 999))
    .option('--judge', 'the page echoes who asks, which tells anonymity and exit address')
    .option('--judge-url <url>', 'another page does')
    .option('--own-address <ip>', 'our own address, without which no proxy is called transparent')
    .option('--timeout <ms>', 'one check (default: 10000)', wholeNumber(1, LONGEST_MS))
    .option('--concurrency <n>', `checks at the same time (default: ${concurrency})`, wholeNumber(1, 10_000));
}

/** What one request asks of the pool. */
export function wishFlags(command: Command): Command {
  return command
    .option('--country <code>', 'only proxies of this country (ISO 3166, two letters)')
    .option('--tag <tag>', 'only proxies with this tag, may be repeated', collected)
    .option('--session <id>', 'the proxy of this session');
}

export function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices);
}
