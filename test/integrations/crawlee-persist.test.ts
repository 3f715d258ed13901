import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheerioCrawler, Configuration, type EventManager, type EventType } from 'crawlee';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PersistState } from '../../src/integrations/crawlee-persist.js';
import { labOf, pageUrls, whirlOver } from './crawling.js';

async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return join(dir, 'cache');
}

/** The enum is one of types only. */
const persistState = 'persistState' as EventType;

describe("C-08 Crawlee's persistState", () => {
  it('keeps all that was learned before run() resolves, without flush() or close()', async () => {
    const lab = await labOf([{}, {}, { fault: 'dead' }]);
    const dir = await place();
    const whirl = whirlOver(lab, { cache: { dir } });
    const configuration = new Configuration({ persistStorage: false });
    const options = whirl.wire({ ignoreSslErrors: true, requestHandler: () => {} });
    const crawler = new CheerioCrawler(options, configuration);
    await crawler.run(pageUrls(lab.site.httpsUrl, 12));
    // A run that begins at once, while the statistics of the last second would still wait to be written behind.
    const next = whirlOver(lab, { cache: { dir } });
    await next.ready();
    const { succeeded, failed } = whirl.rotator.stats();
    expect(succeeded).toBe(12);
    expect(next.rotator.stats()).toMatchObject({ succeeded, failed });
  });

  it('listens once to each event manager, and no more after close()', async () => {
    const lab = await labOf([{}]);
    const whirl = whirlOver(lab, { cache: { dir: await place() } });
    const configuration = new Configuration({ persistStorage: false });
    const events = configuration.getEventManager();
    const before = events.listenerCount(persistState);
    const options = whirl.wire({ ignoreSslErrors: true, requestHandler: () => {} });
    for (let round = 0; round < 2; round++) {
      const crawler = new CheerioCrawler(options, configuration);
      await crawler.run(pageUrls(lab.site.httpsUrl, 6).map((url) => `${url}?${round}`));
    }
    const own = (events: EventManager): number => events.listenerCount(persistState) - before;
    const during = own(events);
    await whirl.close();
    expect(during - own(events)).toBe(1);
  });

  it('does without: a context of another host, or of another version, is passed over', async () => {
    let kept = 0;
    const persist = new PersistState(async () => {
      kept += 1;
    });
    const odd = [{}, { crawler: null }, { crawler: {} }, { crawler: { config: {} } }];
    for (const context of odd) persist.see(context);
    const listeners: (() => Promise<void>)[] = [];
    const manager = {
      on: (_: string, listener: () => Promise<void>) => listeners.push(listener),
      off: () => {},
    };
    const context = { crawler: { config: { getEventManager: () => manager } } };
    persist.see(context);
    persist.see(context);
    expect(listeners).toHaveLength(1);
    await listeners[0]?.();
    expect(kept).toBe(1);
  });
});
