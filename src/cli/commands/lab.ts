import { once } from 'node:events';
import { demoWorld, startLab } from '../../lab/world.js';
import type { CommandContext, JsonFlag } from '../command.js';
import { exitCode } from '../exit-code.js';

export interface LabFlags extends JsonFlag {
  readonly proxies?: number | undefined;
  readonly banned?: boolean | undefined;
  readonly seed?: number | undefined;
}

export const endsBySignal = true;

/** `lab`: real proxies and a real site on loopback, until Ctrl-C. */
export async function run({ terminal, signal }: CommandContext, flags: LabFlags): Promise<number> {
  const banned = flags.banned === true;
  const specs =
    flags.proxies === undefined
      ? demoWorld({ banned })
      : [
          ...Array.from({ length: flags.proxies }, () => ({})),
          ...(banned ? [{ name: 'banned', bannedBySite: true }] : []),
        ];
  await using lab = await startLab({ proxies: specs, ...(flags.seed !== undefined && { seed: flags.seed }) });
  const { httpUrl, httpsUrl } = lab.site;
  // The credentials of the lab are made up, and part of what one tries out here.
  const proxies = lab.proxies.map(({ name, url }) => ({ name, url }));
  if (flags.json === true) await terminal.json({ site: { http: httpUrl, https: httpsUrl }, proxies });
  else {
    await terminal.table(
      ['name', 'url'],
      [['site', httpUrl], ['site over https', httpsUrl], ...proxies.map(({ name, url }) => [name, url])],
    );
  }
  if (lab.notice !== null) terminal.warn(lab.notice);
  terminal.note(`Try: proxywhirl fetch ${httpUrl}/ --no-cache --proxy ${proxies[0]?.url ?? ''}`);
  terminal.note('Ctrl-C ends the lab.');
  if (!signal.aborted) await once(signal, 'abort');
  return exitCode.ok;
}
