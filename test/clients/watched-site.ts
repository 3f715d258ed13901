import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { TargetSite } from '../../src/lab/index.js';

/** A site of the lab behind a door that remembers who came, whatever became of their requests. */
export interface WatchedSite extends AsyncDisposable {
  readonly httpUrl: string;
  readonly httpsUrl: string;
  /** Source address of each connection. */
  readonly callers: readonly string[];
}

export async function watchSite(site: TargetSite): Promise<WatchedSite> {
  const callers: string[] = [];
  const doors = await Promise.all([site.httpUrl, site.httpsUrl].map((url) => openDoor(url, callers)));
  const [http = 0, https = 0] = doors.map((door) => (door.address() as AddressInfo).port);
  return {
    httpUrl: `http://127.0.0.1:${http}`,
    httpsUrl: `https://localhost:${https}`,
    callers,
    async [Symbol.asyncDispose]() {
      for (const door of doors) door.close();
    },
  };
}

async function openDoor(url: string, callers: string[]): Promise<Server> {
  const door = createServer((caller) => {
    callers.push(caller.remoteAddress ?? 'unknown');
    const inside = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
    for (const [from, to] of [[caller, inside] as const, [inside, caller] as const]) {
      from.on('error', () => to.destroy()).on('close', () => to.destroySoon());
      from.pipe(to);
    }
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  return door;
}
