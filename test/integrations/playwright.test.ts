import { once } from 'node:events';
import { connect } from 'node:net';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchOptions, newContext } from '../../src/integrations/playwright.js';
import { clientLab, startSink, upstreams } from './client-lab.js';

let browser: Browser;
const launch = async (more = {}): Promise<Browser> => {
  const found = inject('chromium');
  if (found === null) throw new Error('No Chromium: run `npm run setup`');
  const args = [...found.args, '--ignore-certificate-errors'];
  return chromium.launch({ executablePath: found.executablePath, args, headless: true, ...more });
};
beforeAll(async () => {
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
});

async function canConnect(url: string): Promise<boolean> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port) });
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return connected;
}

const faults = [
  ['dead', { fault: 'dead' }, /^proxy$/],
  ['hang', { fault: 'hang' }, /^ambiguous$/],
  ['reset', { fault: 'reset' }, /^(?:proxy|ambiguous)$/],
  ['a dead SOCKS proxy', { kind: 'socks5', fault: 'dead' }, /^proxy$/],
  [
    '407',
    { credentials: { username: 'lab', password: 'right' }, wrongPassword: true },
    /^(?:auth|ambiguous)$/,
  ],
] as const;

describe('newContext', () => {
  it.each(upstreams)('C-06 C-07 shows pages through %s, each an outcome', async (_, spec) => {
    await using world = await clientLab([spec]);
    const { lab, whirl, settled } = world;
    const context = await newContext(browser, whirl, { context: { ignoreHTTPSErrors: true } });
    const page = await context.newPage();
    for (const base of [lab.site.httpUrl, lab.site.httpsUrl]) {
      await page.goto(`${base}/ip`);
      expect(await page.innerText('body')).toContain('127.0.0.2');
    }
    await page.goto(`${lab.site.httpsUrl}/page/1`);
    await expect.poll(() => settled.filter(({ verdict }) => verdict === 'success').length).toBe(3);
    expect([...lab.site.byAddress.keys()]).toEqual(['127.0.0.2']);
    await context.close();
    // One more was taken to choose the proxy.
    expect(settled).toHaveLength(4);
    expect(world.acquired()).toBe(4);
  });

  it.each(faults)('C-06 blames the proxy for %s, and lets nothing go direct', async (_, spec, verdict) => {
    await using sink = await startSink();
    await using world = await clientLab([spec]);
    const { whirl, settled } = world;
    const context = await newContext(browser, whirl, { silenceMs: 700 });
    const page = await context.newPage();
    for (const scheme of ['http', 'https']) {
      const answer = await page
        .goto(`${scheme}://127.0.0.1:${sink.port}/`, { timeout: 3_000 })
        .catch(() => null);
      // Over plain http, Chromium shows the page of a proxy that refuses the password.
      expect(answer?.status() ?? 407).toBe(407);
    }
    await context.close();
    const blamed = settled.filter((event) => event.host !== null && event.verdict !== 'neutral');
    expect(blamed.length).toBeGreaterThan(0);
    for (const event of blamed) expect(event.verdict).toMatch(verdict);
    expect(settled).toHaveLength(world.acquired());
    expect(sink.callers).toEqual([]);
  });

  it('C-06 rotates by context, and keeps the proxy of a session', async () => {
    await using world = await clientLab([{}, {}, {}]);
    const { lab, whirl } = world;
    const visit = async (options = {}): Promise<string> => {
      const context = await newContext(browser, whirl, options);
      const page = await context.newPage();
      await page.goto(`${lab.site.httpUrl}/ip`);
      const { address } = JSON.parse(await page.innerText('body')) as { address: string };
      await context.close();
      return address;
    };
    const rotated = [await visit(), await visit(), await visit()];
    const kept = [await visit({ sessionId: 's' }), await visit({ sessionId: 's' })];
    expect(new Set(rotated).size).toBe(3);
    expect(new Set(kept).size).toBe(1);
    await expect(newContext(browser, whirl, { tags: ['home'] })).rejects.toMatchObject({
      code: 'PW_NO_CANDIDATE',
    });
  });

  it('finds a ban in the page', async () => {
    await using world = await clientLab([{ bannedBySite: true }]);
    const { lab, whirl, settled } = world;
    const context = await newContext(browser, whirl, { context: { ignoreHTTPSErrors: true } });
    const page = await context.newPage();
    expect((await page.goto(`${lab.site.httpsUrl}/page/1`))?.status()).toBe(403);
    await expect.poll(() => settled.at(-1)?.verdict).toBe('banned');
    await context.close();
  });

  it('C-07 leads a browser to SOCKS by a bridge, which tells no credentials and ends with the engine', async () => {
    const socks = { kind: 'socks5', credentials: { username: 'u', password: 'secret-p' } } as const;
    const { proxy } = await (async () => {
      await using world = await clientLab([socks]);
      const first = await launchOptions(world.whirl);
      expect(await launchOptions(world.whirl)).toEqual(first);
      expect(await canConnect(first.proxy.server)).toBe(true);
      return first;
    })();
    expect(proxy).toEqual({ server: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) });
    expect(await canConnect(proxy.server)).toBe(false);
  });

  it('refuses options that it does not know', async () => {
    await using world = await clientLab([{}]);
    await expect(newContext(browser, world.whirl, { locale: 'de' } as object)).rejects.toMatchObject({
      code: 'PW_OPTIONS_INVALID',
    });
  });
});

describe('launchOptions', () => {
  it('C-06 sends a whole browser through the proxy of a session', async () => {
    await using world = await clientLab([
      { credentials: { username: 'u s', password: 'p@:s' } },
      { credentials: { username: 'u s', password: 'p@:s' } },
    ]);
    const { lab, whirl } = world;
    const options = await launchOptions(whirl, { sessionId: 's' });
    expect(await launchOptions(whirl, { sessionId: 's' })).toEqual(options);
    expect(options.proxy).toMatchObject({ username: 'u s', password: 'p@:s' });
    const own = await launch(options);
    const page = await own.newPage({ ignoreHTTPSErrors: true });
    await page.goto(`${lab.site.httpsUrl}/ip`);
    expect([...lab.site.byAddress.keys()]).toHaveLength(1);
    expect(lab.site.byAddress.has('127.0.0.1')).toBe(false);
    await own.close();
  });
});
