import { Writable } from 'node:stream';
import { getGlobalDispatcher, interceptors, request, stream, fetch as undiciFetch } from 'undici';
import { describe, expect, it } from 'vitest';
import { whirlDispatcher } from '../../src/integrations/undici.js';
import { TunnelError } from '../../src/transport/tunnel-error.js';
import { thrownBy } from '../support/thrown-by.js';
import { clientLab, faults, labTls, noSocketsLeft, startSink, upstreams } from './client-lab.js';

type Whirl = Parameters<typeof whirlDispatcher>[0];
const over = (whirl: Whirl, options = {}) => whirlDispatcher(whirl, { ...labTls, ...options });

describe('whirlDispatcher', () => {
  it.each(upstreams)('C-06 carries request, stream and both fetches through %s', async (_, spec) => {
    await using world = await clientLab([spec]);
    const { lab, whirl, settled } = world;
    const dispatcher = over(whirl);
    for (const base of [lab.site.httpUrl, lab.site.httpsUrl]) {
      const answer = await request(`${base}/ip`, { dispatcher });
      expect(await answer.body.json()).toMatchObject({ address: '127.0.0.2' });
      const chunks: string[] = [];
      await stream(`${base}/ip`, { dispatcher, method: 'GET' }, () => {
        return new Writable({
          write(chunk, _encoding, done) {
            chunks.push(String(chunk));
            done();
          },
        });
      });
      expect(chunks.join('')).toContain('127.0.0.2');
      const fetched = await undiciFetch(`${base}/ip`, { dispatcher });
      expect(await fetched.json()).toMatchObject({ address: '127.0.0.2' });
      const built = await fetch(`${base}/ip`, { dispatcher } as RequestInit);
      expect(await built.json()).toMatchObject({ address: '127.0.0.2' });
    }
    expect(settled.map(({ verdict }) => verdict)).toEqual(Array(8).fill('success'));
    expect(world.acquired()).toBe(8);
    expect([...lab.site.byAddress.keys()]).toEqual(['127.0.0.2']);
    await dispatcher.close();
    await noSocketsLeft(lab);
  });

  it.each(faults)(
    'C-06 blames the proxy for %s, in time, and lets nothing go direct',
    async (_, spec, verdict) => {
      await using sink = await startSink();
      await using world = await clientLab([spec]);
      const { lab, whirl, settled } = world;
      const dispatcher = over(whirl, { firstByteMs: 1_000 });
      for (const url of [`http://127.0.0.1:${sink.port}/`, `https://127.0.0.1:${sink.port}/`]) {
        const limit = AbortSignal.timeout(15_000);
        const error = await request(url, { dispatcher, signal: limit }).catch((caught: unknown) => caught);
        expect(error).toBeInstanceOf(Error);
        expect(String(error)).not.toContain('right');
        expect(limit.aborted).toBe(false);
      }
      expect(settled).toHaveLength(world.acquired());
      expect(settled.length).toBeGreaterThan(0);
      for (const event of settled) expect(event.verdict).toMatch(verdict);
      expect(sink.callers).toEqual([]);
      await dispatcher.destroy();
      await noSocketsLeft(lab);
    },
  );

  it('C-06 keeps the proxy of a session, and shares its connections with others', async () => {
    await using world = await clientLab([{}, {}, {}]);
    const { lab, whirl } = world;
    await using dispatcher = over(whirl);
    const one = dispatcher.with({ sessionId: 'one' });
    const seen = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const { body } = await request(`${lab.site.httpsUrl}/ip`, { dispatcher: one });
      seen.add(((await body.json()) as { address: string }).address);
      await (await request(`${lab.site.httpsUrl}/ip`, { dispatcher })).body.dump();
    }
    expect(seen.size).toBe(1);
    expect(lab.site.byAddress.size).toBe(3);
    // A body may be read before undici has freed its connection: then a second one is made.
    const connections = lab.proxies.map(({ stats }) => stats.connections);
    expect(Math.max(...connections)).toBeLessThanOrEqual(2);
  });

  it('C-06 asks for the country and the tags of its options', async () => {
    await using world = await clientLab([{}, {}]);
    const { whirl, lab } = world;
    await using dispatcher = over(whirl, { tags: ['home'] });
    const error = await request(lab.site.httpUrl, { dispatcher }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'PW_NO_CANDIDATE' });
    const abroad = await request(lab.site.httpUrl, {
      dispatcher: dispatcher.with({ tags: [], country: 'DE' }),
    }).catch((caught: unknown) => caught);
    expect(abroad).toMatchObject({ code: 'PW_NO_CANDIDATE' });
    expect(lab.site.counts.requests).toBe(0);
  });

  it('settles a ban by the text of its page, and only once', async () => {
    await using world = await clientLab([{ bannedBySite: true }]);
    const { whirl, lab, settled } = world;
    await using dispatcher = over(whirl);
    const { statusCode, body } = await request(`${lab.site.httpsUrl}/page/1`, { dispatcher });
    expect(statusCode).toBe(403);
    await body.text();
    expect(settled.map(({ verdict }) => verdict)).toEqual(['banned']);
  });

  it('composes with interceptors, in either of undici’s interfaces', async () => {
    await using world = await clientLab([{ fault: 'dead' }, {}]);
    const { whirl, lab, settled } = world;
    await using dispatcher = over(whirl);
    const retrying = dispatcher.compose(
      interceptors.retry({ maxRetries: 3, minTimeout: 1, errorCodes: ['PW_PROXY_REFUSED'] }),
    );
    for (let i = 0; i < 4; i++) {
      const { body } = await request(`${lab.site.httpUrl}/ip`, { dispatcher: retrying });
      expect(await body.json()).toMatchObject({ address: '127.0.0.3' });
    }
    expect(settled.filter(({ verdict }) => verdict === 'success')).toHaveLength(4);
    expect(settled.filter(({ verdict }) => verdict === 'proxy').length).toBeGreaterThan(0);
    expect(settled).toHaveLength(world.acquired());
  });

  it('lets a caller leave at any time, and charges nobody', async () => {
    await using world = await clientLab([{ fault: 'hang' }]);
    const { whirl, lab, settled } = world;
    await using dispatcher = over(whirl);
    const leaving = new AbortController();
    const coming = request(`${lab.site.httpsUrl}/ip`, { dispatcher, signal: leaving.signal });
    leaving.abort();
    await expect(coming).rejects.toThrow(/abort/i);
    expect(settled.map(({ verdict }) => verdict)).toEqual(['neutral']);
    await noSocketsLeft(lab);
  });

  it('is global until it is closed, and closes with the engine', async () => {
    await using world = await clientLab([{}]);
    const { whirl, lab } = world;
    const before = getGlobalDispatcher();
    const dispatcher = over(whirl, { global: true });
    expect(getGlobalDispatcher()).toBe(dispatcher);
    expect(await (await fetch(`${lab.site.httpsUrl}/ip`)).json()).toMatchObject({ address: '127.0.0.2' });
    await whirl.close();
    expect(getGlobalDispatcher()).toBe(before);
    await noSocketsLeft(lab);
    await expect(request(lab.site.httpUrl, { dispatcher })).rejects.toMatchObject({ code: 'PW_CLOSED' });
  });

  it('honours its limits of silence', async () => {
    await using world = await clientLab([{}, {}]);
    const { whirl, lab, settled } = world;
    await using dispatcher = over(whirl, { firstByteMs: 1_000 });
    const coming = request(`${lab.site.httpsUrl}/slow?ms=20000`, { dispatcher });
    await expect(coming).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
    expect(settled.map(({ verdict }) => verdict)).toEqual(['ambiguous']);
    await using dripping = await clientLab([{ fault: { kind: 'drip', part: 'body', everyMs: 60_000 } }]);
    await using impatient = over(dripping.whirl, { idleMs: 1_000 });
    const { body } = await request(`${dripping.lab.site.httpUrl}/page/1`, { dispatcher: impatient });
    await expect(body.text()).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
    expect(dripping.settled.map(({ verdict }) => verdict)).toEqual(['ambiguous']);
  });

  it('refuses options that it does not know, and certificates that nobody vouches for', async () => {
    await using world = await clientLab([{}]);
    const { whirl, lab, settled } = world;
    const error = thrownBy(() =>
      whirlDispatcher(whirl, { sesionId: 'x', firstByteMs: 0, tags: [''] } as object),
    );
    expect(error).toMatchObject({ code: 'PW_OPTIONS_INVALID' });
    expect((error as { issues: { path: string }[] }).issues.map(({ path }) => path)).toEqual([
      'sesionId',
      'firstByteMs',
      'tags',
    ]);
    await using dispatcher = whirlDispatcher(whirl);
    const refused = await request(lab.site.httpsUrl, { dispatcher }).catch((caught: unknown) => caught);
    expect(refused).toBeInstanceOf(TunnelError);
    expect(settled.map(({ verdict }) => verdict)).toEqual(['target']);
  });
});
