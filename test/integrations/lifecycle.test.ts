import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

/** Runs a script to its own end; it is killed by the test's timeout alone, so an open handle fails the test. */
async function run(script: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(
    process.execPath,
    ['--unhandled-rejections=strict', '--import', 'tsx', '--input-type=module', '--eval', script],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

it('lets the process end by itself without close(): no timer and no handle keeps it alive', async () => {
  const result = await run(`
    import { proxywhirl } from './src/index.ts';
    const whirl = proxywhirl({ proxies: ['127.0.0.2:8080'], onEmpty: 'wait' });
    const info = await whirl.newProxyInfo('s1');
    const lease = whirl.rotator.acquire();
    lease.fail({ verdict: 'proxy' });
    console.log('served', info.hostname);
  `);
  expect(result.output).toContain('served 127.0.0.2');
  expect(result.code).toBe(0);
});

it('lets the process end by itself without close() when it has a cache, with nothing learned of bans lost', async () => {
  const script = `
    import { proxywhirl } from './src/index.ts';
    const dir = DIR;
    const whirl = proxywhirl({ proxies: ['127.0.0.2:8080', '127.0.0.3:8080'], cache: { dir } });
    await whirl.ready();
    console.log('banned', whirl.rotator.snapshot().cooldowns.length);
    whirl.rotator.acquire({ host: 'a.test' }).fail({ verdict: 'banned' });
  `;
  const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const inDir = script.replace('DIR', JSON.stringify(dir));
  const [first, second] = [await run(inDir), await run(inDir)];
  expect([first.code, second.code]).toEqual([0, 0]);
  expect(first.output).toContain('banned 0');
  expect(second.output).toContain('banned 1');
});

it('leaves no unhandled rejection and no open handle after a crawl through faults and close()', async () => {
  const result = await run(`
    import { CheerioCrawler, Configuration, LogLevel, log } from 'crawlee';
    import { proxywhirl } from './src/index.ts';
    import { startLab } from './src/lab/index.ts';
    log.setLevel(LogLevel.OFF);
    const lab = await startLab({ proxies: [{}, {}, { fault: 'dead' }, { fault: 'reset' }, { fault: 'garbage' }, { fault: 'close-after-connect' }] });
    const whirl = proxywhirl({ proxies: lab.urls });
    let pages = 0;
    const crawler = new CheerioCrawler(
      whirl.wire({ ignoreSslErrors: true, requestHandler: () => void (pages += 1) }),
      new Configuration({ persistStorage: false }),
    );
    await crawler.run(Array.from({ length: 40 }, (_, i) => lab.site.httpsUrl + '/page/' + (i + 1)));
    await whirl.close();
    await whirl.close();
    await lab.close();
    console.log('pages', pages);
  `);
  expect(result.output).toContain('pages 40');
  expect(result.code).toBe(0);
});

it('tells whoever waits for a proxy that the engine was closed', async () => {
  const result = await run(`
    import { proxywhirl } from './src/index.ts';
    const whirl = proxywhirl({ proxies: ['127.0.0.2:8080'], onEmpty: 'wait', waitMs: 600_000 });
    for (const { id } of whirl.rotator.pool.list()) whirl.rotator.pool.remove(id);
    const waiting = whirl.newProxyInfo().catch((error) => error.code);
    await whirl.close();
    console.log(await waiting, await whirl.newProxyInfo().catch((error) => error.code));
  `);
  expect(result.output).toContain('PW_CLOSED PW_CLOSED');
  expect(result.code).toBe(0);
});
