import { once } from 'node:events';
import { gotScraping } from 'got-scraping';
import { describe, expect, it } from 'vitest';
import { whirlGot } from '../../src/integrations/got-scraping.js';
import { thrownBy } from '../support/thrown-by.js';
import { clientLab, faults, labTls, noSocketsLeft, startSink, upstreams } from './client-lab.js';

const { proxyTls } = labTls;
const modes = [
  ['its own connections', { keepAlive: false }],
  ['kept connections', { keepAlive: true }],
] as const;
const carried = modes.flatMap(([mode, options]) =>
  upstreams.map(([name, spec]) => [name, mode, spec, options] as const),
);
const failing = modes.flatMap(([mode, options]) =>
  faults.map(([name, spec, verdict]) => [name, mode, spec, verdict, options] as const),
);

async function streamed(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

describe('whirlGot', () => {
  it.each(carried)('C-06 carries promises and streams through %s by %s', async (_, __, spec, options) => {
    await using world = await clientLab([spec]);
    const { lab, whirl, settled } = world;
    const got = gotScraping.extend(whirlGot(whirl, { ...options, proxyTls }));
    for (const base of [lab.site.httpUrl, lab.site.httpsUrl]) {
      const answer = await got(`${base}/ip`);
      expect(JSON.parse(answer.body)).toMatchObject({ address: '127.0.0.2' });
      expect(await got(`${base}/ip`).json()).toMatchObject({ address: '127.0.0.2' });
      expect(await streamed(got.stream(`${base}/ip`))).toContain('127.0.0.2');
    }
    expect(settled.map(({ verdict }) => verdict)).toEqual(Array(6).fill('success'));
    expect(settled.every(({ latencyMs }) => latencyMs !== null && latencyMs > 0)).toBe(true);
    expect(world.acquired()).toBe(6);
    expect([...lab.site.byAddress.keys()]).toEqual(['127.0.0.2']);
    await whirl.close();
    await noSocketsLeft(lab);
  });

  it.each(failing)(
    'C-06 blames the proxy for %s by %s, in time, and lets nothing go direct',
    async (_, __, spec, verdict, options) => {
      await using sink = await startSink();
      await using world = await clientLab([spec]);
      const { lab, whirl, settled } = world;
      const got = gotScraping.extend(whirlGot(whirl, { ...options, proxyTls }), {
        timeout: { request: 1_500 },
      });
      for (const url of [`http://127.0.0.1:${sink.port}/`, `https://127.0.0.1:${sink.port}/`]) {
        const error = await got(url).catch((caught: unknown) => caught);
        expect(error).toBeInstanceOf(Error);
        const broken = await (async () => streamed(got.stream(url)))().catch((caught: unknown) => caught);
        expect(broken).toBeInstanceOf(Error);
        expect(String(error) + String(broken)).not.toContain('right');
      }
      expect(settled).toHaveLength(world.acquired());
      expect(settled.length).toBeGreaterThan(0);
      for (const event of settled) expect(event.verdict).toMatch(verdict);
      expect(sink.callers).toEqual([]);
      await whirl.close();
      // Got-scraping's own probe for HTTP/2 cannot be ended from outside.
      if (options.keepAlive) await noSocketsLeft(lab);
    },
  );

  it.each(modes)(
    'C-06 comes from the proxy alone, the question for HTTP/2 included, by %s',
    async (_, options) => {
      await using sink = await startSink();
      await using world = await clientLab([{}]);
      const got = gotScraping.extend(whirlGot(world.whirl, options));
      await got(`https://127.0.0.1:${sink.port}/`).catch(() => {});
      await streamed(got.stream(`https://127.0.0.1:${sink.port}/`)).catch(() => {});
      expect(sink.callers.length).toBeGreaterThan(0);
      expect(new Set(sink.callers)).toEqual(new Set(['127.0.0.2']));
      expect(world.settled).toHaveLength(world.acquired());
    },
  );

  it.each(modes)(
    'C-06 keeps the proxy of a session, named by the request or for all, by %s',
    async (_, options) => {
      await using world = await clientLab([{}, {}, {}]);
      const { lab, whirl } = world;
      const got = gotScraping.extend(whirlGot(whirl, { ...options, sessionId: 'all' }));
      const addresses = async (context: Record<string, unknown>): Promise<Set<string>> => {
        const seen = new Set<string>();
        for (let i = 0; i < 4; i++) {
          const { address } = await got(`${lab.site.httpUrl}/ip`, { context }).json<{ address: string }>();
          seen.add(address);
        }
        return seen;
      };
      const all = await addresses({});
      const one = await addresses({ sessionId: 'one' });
      expect([all.size, one.size]).toEqual([1, 1]);
      expect(one).not.toEqual(all);
      await expect(got(lab.site.httpUrl, { context: { country: 'DE' } })).rejects.toMatchObject({
        code: 'PW_NO_CANDIDATE',
      });
      await expect(got(lab.site.httpUrl, { context: { sessionId: '' } })).rejects.toMatchObject({
        code: 'PW_OPTIONS_INVALID',
      });
    },
  );

  it('C-06 uses one tunnel for many https requests', async () => {
    await using world = await clientLab([{}]);
    const { lab, whirl } = world;
    const got = gotScraping.extend(whirlGot(whirl, { keepAlive: true }));
    const sessionToken = {};
    for (let i = 0; i < 100; i++) await got(`${lab.site.httpsUrl}/ip`, { sessionToken });
    expect(lab.proxies[0]?.stats.connections).toBeLessThanOrEqual(5);
    await whirl.close();
    await noSocketsLeft(lab);
  });

  it.each([
    ['chrome', ['Host', 'User-Agent', 'Accept', 'Referer', 'Accept-Encoding', 'Accept-Language']],
    ['edge', ['Host', 'User-Agent', 'Accept', 'Referer', 'Accept-Encoding', 'Accept-Language']],
    ['firefox', ['Host', 'User-Agent', 'Accept', 'Accept-Language', 'Accept-Encoding', 'Referer']],
    ['safari', ['Referer', 'Accept', 'User-Agent', 'Accept-Encoding', 'Accept-Language', 'Host']],
  ])('C-06 sends its headers in the order of %s', async (browser, order) => {
    await using world = await clientLab([{}]);
    const { lab, whirl } = world;
    const got = gotScraping.extend(whirlGot(whirl, { keepAlive: true }));
    // The caller's own takes its place among them.
    const headers = { referer: 'https://shop.test/' };
    const request = { headers, sessionToken: {}, headerGeneratorOptions: { browsers: [browser] } };
    const seen = async (): Promise<string[]> => {
      const { rawHeaders } = await got(`${lab.site.httpsUrl}/headers`, request as object).json<{
        rawHeaders: string[];
      }>();
      return rawHeaders.filter((_, index) => index % 2 === 0);
    };
    const names = await seen();
    // Which of its versions is drawn differs; in all of them these follow each other.
    expect(names.filter((name) => order.includes(name))).toEqual(order);
    expect(await seen()).toEqual(names);
  });

  it('opens many connections at the same time without a warning', async () => {
    await using world = await clientLab([{}]);
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const got = gotScraping.extend(whirlGot(world.whirl, { keepAlive: true }));
    await Promise.all(Array.from({ length: 20 }, () => got(`${world.lab.site.httpsUrl}/ip`)));
    process.off('warning', onWarning);
    expect(world.lab.proxies[0]?.stats.connections).toBe(20);
    expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
  });

  it.each(modes)(
    'C-06 stays with the proxy over a redirect, and asks its target through it, by %s',
    async (_, options) => {
      await using sink = await startSink();
      const location = `https://127.0.0.1:${sink.port}/`;
      const answer = () => ({ status: 302, headers: { location }, body: '' });
      await using world = await clientLab([{}], {}, { answer });
      const got = gotScraping.extend(whirlGot(world.whirl, options));
      await expect(got(`${world.lab.site.httpUrl}/`)).rejects.toThrow();
      expect(sink.callers.length).toBeGreaterThan(0);
      expect(new Set(sink.callers)).toEqual(new Set(['127.0.0.2']));
      expect(world.settled.map(({ verdict }) => verdict)).toEqual(['ambiguous']);
    },
  );

  it('settles a ban, a cancelled request and a stream that its reader leaves', async () => {
    await using world = await clientLab([{ bannedBySite: true }]);
    const { lab, whirl, settled } = world;
    const got = gotScraping.extend(whirlGot(whirl));
    expect((await got(`${lab.site.httpsUrl}/page/1`)).statusCode).toBe(403);
    await expect(got(`${lab.site.httpUrl}/page/1`, { throwHttpErrors: true })).rejects.toThrow('403');
    const cancelled = got(`${lab.site.httpUrl}/slow?ms=20000`);
    cancelled.cancel();
    await expect(cancelled).rejects.toThrow();
    const left = got.stream(`${lab.site.httpUrl}/slow?ms=20000`);
    left.destroy();
    await once(left, 'close');
    expect(settled.map(({ verdict }) => verdict)).toEqual(['banned', 'banned', 'neutral', 'neutral']);
  });

  it('holds its own deadline where got has none', async () => {
    await using world = await clientLab([{ fault: 'hang' }]);
    const { lab, whirl, settled } = world;
    const got = gotScraping.extend(whirlGot(whirl, { deadlineMs: 1_100 }), {
      timeout: { request: undefined as never },
    });
    await expect(got(lab.site.httpsUrl)).rejects.toMatchObject({ code: 'PW_FETCH_DEADLINE' });
    await expect(streamed(got.stream(lab.site.httpsUrl))).rejects.toMatchObject({
      code: 'PW_FETCH_DEADLINE',
    });
    expect(settled.map(({ verdict }) => verdict)).toEqual(['ambiguous', 'ambiguous']);
  });

  it('refuses options that it does not know', async () => {
    await using world = await clientLab([{}]);
    const error = thrownBy(() => whirlGot(world.whirl, { keepalive: true, deadlineMs: -1 } as object));
    expect(error).toMatchObject({ code: 'PW_OPTIONS_INVALID' });
  });
});
