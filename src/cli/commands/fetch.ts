import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ProxiedResponse } from '../../transport/proxied-response.js';
import type { CommandContext, SettingFlags } from '../command.js';
import { tracing } from '../complaint.js';
import { withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { loadSettings } from '../settings.js';
import { rounded } from '../table.js';
import { UsageError } from '../usage-error.js';

export interface FetchFlags extends SettingFlags {
  readonly method?: string | undefined;
  readonly header?: readonly string[] | undefined;
  readonly data?: string | undefined;
  readonly output?: string | undefined;
  readonly deadline?: number | undefined;
  readonly attempts?: number | undefined;
  readonly country?: string | undefined;
  readonly tag?: readonly string[] | undefined;
  readonly session?: string | undefined;
}

/** `fetch URL`: one request through the pool. */
export async function run(context: CommandContext, flags: FetchFlags, url: string): Promise<number> {
  const { terminal, signal } = context;
  const body = flags.data === undefined ? undefined : await readData(context, flags.data);
  const settings = await loadSettings(context, flags);
  const init = {
    method: flags.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: (flags.header ?? []).map(readHeader),
    ...(body !== undefined && { body }),
    ...(flags.deadline !== undefined && { deadlineMs: flags.deadline }),
    ...(flags.attempts !== undefined && { attempts: flags.attempts }),
    country: flags.country,
    tags: flags.tag,
    sessionId: flags.session,
    signal,
  };
  return tracing(settings, () =>
    withEngine(context, settings, {}, async (whirl) => {
      const response = await whirl.fetch(url, init);
      if (flags.json === true) await terminal.json(await toJson(response));
      else {
        await writeBody(context, response, flags.output);
        const { status, proxy, attempts, timings, verdict } = response;
        terminal.note(
          `${status} through ${proxy.url} in ${rounded(timings.totalMs)} ms, ${attempts.length} attempts, ${verdict}`,
        );
      }
      return response.status < 400 && response.verdict === 'success' ? exitCode.ok : exitCode.finding;
    }),
  );
}

async function toJson(response: ProxiedResponse): Promise<object> {
  const { status, url, proxy, verdict, rule, attempts, timings } = response;
  const bytes = Buffer.from(await response.arrayBuffer());
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text).equals(bytes);
  return {
    status,
    url,
    headers: Object.fromEntries(response.headers),
    body: isText ? text : bytes.toString('base64'),
    bodyEncoding: isText ? 'utf8' : 'base64',
    proxy,
    verdict,
    rule,
    attempts,
    timings,
  };
}

async function writeBody(
  { terminal, cwd }: CommandContext,
  response: ProxiedResponse,
  path?: string,
): Promise<void> {
  if (response.body === null) return;
  if (path !== undefined)
    await pipeline(Readable.fromWeb(response.body as never), createWriteStream(resolve(cwd, path)));
  else for await (const piece of response.body) await terminal.write(piece);
}

async function readData(
  { cwd, stdin }: CommandContext,
  data: string,
): Promise<string | Uint8Array<ArrayBuffer>> {
  if (data === '@-') return new Uint8Array(await buffer(stdin));
  return data.startsWith('@') ? new Uint8Array(await readFile(resolve(cwd, data.slice(1)))) : data;
}

function readHeader(line: string): [string, string] {
  const at = line.indexOf(':');
  if (at < 1) throw new UsageError('--header takes name: value, as in --header "accept: text/html".');
  return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}
