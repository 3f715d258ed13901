/**
 * A pool that follows a list on a server and a file, and a second run that needs neither: over the lab, so that
 * nothing leaves this machine. `npx tsx examples/sources.ts`
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ProxyWhirl, proxywhirl } from 'proxywhirl';
import { startLab } from 'proxywhirl/lab';
import { file, url, writeProxies } from 'proxywhirl/sources';

await using lab = await startLab({ proxies: [{}, {}, {}, {}] });
const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
const listFile = join(dir, 'own.txt');
await writeFile(listFile, `${lab.urls[3]}\n`);

// The list server: three proxies and a line that is none.
let onServer = [...lab.urls.slice(0, 3), 'no proxy'];
let asked = 0;
const server = createServer((_request, response) => {
  asked += 1;
  response.end(onServer.join('\n'));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/list.txt`;

function start(): ProxyWhirl {
  const whirl = proxywhirl({
    sources: [
      // Only public addresses are asked unless it is allowed; a proxy that vanished goes at once.
      url(address, { name: 'server', allowPrivate: true, ttlSeconds: 0, tags: ['rented'] }),
      file(listFile, { name: 'file', tags: ['own'] }),
    ],
    cache: { dir: join(dir, 'cache') },
  });
  whirl.sources.on('source', ({ name, changed, added, removed, kept, rejected }) => {
    console.log(`${name}:`, changed ? { added, removed, kept, rejected } : 'as it was');
  });
  whirl.sources.on('source-error', ({ name, error }) => console.log(`${name}: ${error.reason}`));
  return whirl;
}

try {
  console.log('--- the first run');
  const first = start();
  // By itself, the first request would wait for the first list, too.
  await first.ready();
  const response = await first.fetch(`${lab.site.httpUrl}/ip`);
  console.log('status', response.status, 'pool', first.rotator.pool.size);

  onServer = lab.urls.slice(1, 3);
  await first.sources.refresh('server');
  onServer = [];
  await first.sources.refresh('server').catch((error: Error) => console.log(error.message));
  console.log('pool', first.rotator.pool.size);

  // Replaced by a rename, so that nobody reads half of it; it is seen without being asked for.
  const seen = new Promise<void>((resolve) => first.sources.on('source', () => resolve()));
  await writeFile(`${listFile}.new`, `${lab.urls[3]}\n${lab.urls[0]}\n`);
  await rename(`${listFile}.new`, listFile);
  await seen;
  if (first.cache !== null) {
    await first.flush();
    const written = await writeProxies(join(dir, 'all.jsonl'), first.cache.proxies(), 'jsonl');
    console.log('exported', written);
  }
  await first.close();

  console.log('--- the second run');
  const askedBefore = asked;
  await using second = start();
  await second.ready();
  console.log('pool', second.rotator.pool.size, 'times asked', asked - askedBefore);
} finally {
  server.close();
  server.closeAllConnections();
  await rm(dir, { recursive: true, force: true });
}
