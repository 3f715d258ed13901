import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import type { CheckTarget, HealthOptions, ProbeResult, ProxyWhirl, ProxyWhirlOptions } from '../src/index.js';
import { proxywhirl } from '../src/index.js';
import { type Lab, type LabOptions, type ProxySpec, startLab } from '../src/lab/index.js';
import { loopTime } from './support/loop-time.js';
import { startTalkative } from './support/talkative-proxy.js';
import { record } from './support/test-engine.js';

const portal = (status: number, headers: Record<string, string> = {}): ProxySpec => ({
  fault: {
    kind: 'connect-status',
    status,
    body: '<html><body>Welcome to our hotel. Please log in.</body></html>',
    headers: { 'content-type': 'text/html', ...headers },
  },
});
const page = ({ site }: Lab): CheckTarget => ({ url: `${site.httpUrl}/page/1`, token: 'the text of page' });

interface World extends AsyncDisposable {
  readonly lab: Lab;
  readonly whirl: ProxyWhirl;
  /** Of the proxies, in order. */
  readonly ids: readonly string[];
}

/** Real proxies behind proxywhirl(); a check of a page of the site, unless `health` says what. */
async function world(
  proxies: LabOptions['proxies'],
  health: (lab: Lab) => HealthOptions = (lab) => ({ check: page(lab) }),
  { site, ...options }: Partial<ProxyWhirlOptions> & Pick<LabOptions, 'site'> = {},
): Promise<World> {
  const lab = await startLab({ proxies: proxies ?? 1, ...(site && { site }) });
  const whirl = proxywhirl({ proxies: lab.urls, ...options, health: health(lab) });
  return {
    lab,
    whirl,
    ids: whirl.rotator.pool.list().map(({ id }) => id),
    async [Symbol.asyncDispose]() {
      await whirl.close();
      await vi.waitFor(() =>
        expect(lab.proxies.map(({ stats }) => stats.openSockets)).toEqual(lab.proxies.map(() => 0)),
      );
      await lab.close();
    },
  };
}

const downs = ({ whirl, ids }: World): number[] =>
  ids.flatMap((id, i) => (whirl.rotator.pool.get(id)?.drained === true ? [i] : []));

/** The result of each proxy, in order, of one more check. */
async function checked({ whirl, ids }: World): Promise<(ProbeResult | undefined)[]> {
  const results = await whirl.health.check();
  return ids.map((id) => results.find(({ proxyId }) => proxyId === id));
}

describe('active checks of proxywhirl()', () => {
  it('row 15: take captive portals out, and bring them back when they have let go', async () => {
    await using lobby = await world([{}, portal(200), portal(302, { location: '/login' }), portal(511), {}]);
    const { lab, whirl } = lobby;
    await whirl.ready();
    for (let i = 0; i < 3; i++) await whirl.health.check();
    expect(downs(lobby)).toEqual([1, 2, 3]);
    const before = lab.proxies.map(({ stats }) => stats.requests);
    for (let i = 0; i < 8; i++) {
      const response = await whirl.fetch(`${lab.site.httpUrl}/page/2`);
      expect(await response.text()).toContain('the text of page');
      expect(response.attempts).toHaveLength(1);
    }
    const asked = lab.proxies.map(({ stats }, i) => stats.requests - (before[i] ?? 0));
    expect(asked).toEqual([4, 0, 0, 0, 4]);
    await lab.proxies[1]?.behave({ fault: 'none' });
    await whirl.health.check();
    expect(downs(lobby)).toContain(1);
    await whirl.health.check();
    expect(downs(lobby)).toEqual([2, 3]);
  });

  it('check nothing without a URL: nobody is asked, undici is not loaded, check() names the option', async () => {
    await using idle = await world([{}], () => ({ intervalMs: 2_000, fall: 1 }));
    await idle.whirl.ready();
    await expect(idle.whirl.health.check()).rejects.toMatchObject({
      code: 'PW_OPTIONS_INVALID',
      issues: [{ path: 'health.check.url' }],
    });
    expect(idle.lab.proxies[0]?.stats.connections).toBe(0);
    const loaded = await outputOf(`
      const loaded = () => Object.keys(Module._cache).some((file) => file.includes('/undici/'));
      const proxies = ['127.0.0.2:1'];
      await proxywhirl({ proxies, health: { fall: 2 } }).ready();
      const before = loaded();
      await proxywhirl({ proxies, health: { check: { url: 'http://127.0.0.1:1/' } } }).ready();
      console.log(before, loaded());
    `);
    // It also ended by itself, with rounds to come and without close().
    expect(loaded).toBe('false true');
  });

  it('begin by themselves, and ready() waits for the first that passes', async () => {
    await using some = await world([{ fault: 'hang' }, { latencyMs: 50 }, { fault: 'hang' }]);
    expect(some.lab.proxies[1]?.stats.requests).toBe(0);
    await some.whirl.ready();
    expect(some.lab.site.requests.map(({ path }) => path)).toEqual(['/page/1']);
  });

  it('ready() does not wait for ever: all failed, or the engine was closed', async () => {
    await using none = await world([{ fault: 'dead' }, { fault: 'auth' }]);
    await none.whirl.ready();
    await using stuck = await world([{ fault: 'hang' }]);
    const ready = stuck.whirl.ready();
    await stuck.whirl.close();
    await expect(ready).resolves.toBeUndefined();
  });

  it('end with the engine: what is under way is cut and blames nobody, and nothing is checked any more', async () => {
    await using closing = await world(Array(3).fill({ fault: 'hang' }));
    const { lab, whirl } = closing;
    const settled = record(whirl.rotator, 'settled');
    const told = vi.fn();
    whirl.health.on('progress', told);
    whirl.health.on('round', told);
    await vi.waitFor(() => expect(lab.proxies.every(({ stats }) => stats.openSockets === 1)).toBe(true));
    const passed = loopTime();
    await whirl.close();
    expect(passed()).toBeLessThan(1_000);
    expect(settled.map(({ verdict }) => verdict)).toEqual(['neutral', 'neutral', 'neutral']);
    await expect(whirl.health.check()).rejects.toMatchObject({ code: 'PW_CLOSED' });
    expect(told).not.toHaveBeenCalled();
  });

  it('tell exit address and anonymity as the judge sees them', async () => {
    const judge = ({ site }: Lab): HealthOptions => ({
      check: { url: `${site.httpUrl}/judge`, judge: true },
    });
    await using plain = await world(2, judge);
    expect(await checked(plain)).toMatchObject(
      plain.lab.proxies.map(({ address }) => ({ ok: true, anonymity: 'elite', exitAddress: address })),
    );
    await using talker = await startTalkative(() => ({ via: '1.1 squid', 'x-forwarded-for': '192.0.2.77' }));
    const seen = async (ownAddress?: string): Promise<unknown> => {
      const check = { ...page(plain.lab), judge: { url: `${plain.lab.site.httpUrl}/judge` }, ownAddress };
      await using whirl = proxywhirl({ proxies: [talker.url], health: { check } });
      return (await whirl.health.check())[0]?.anonymity;
    };
    expect([await seen(), await seen('192.0.2.77'), await seen('192.0.2.1')]).toEqual([
      null,
      'transparent',
      'anonymous',
    ]);
  });

  it('row 17: a banned check cools down as long as Retry-After says', async () => {
    const ban = { addresses: ['127.0.0.1', '127.0.0.2'], status: 429, retryAfterSeconds: 7 } as const;
    await using banned = await world(1, undefined, { site: { ban } });
    const cooldowns = record(banned.whirl.rotator, 'cooldown');
    await banned.whirl.ready();
    expect(cooldowns).toMatchObject([{ proxyId: banned.ids[0], cooldownMs: 7_000 }]);
  });

  it('probe a proxy whose open time is over: it is back without a request, long before the next round', async () => {
    await using revived = await world([{}, { fault: 'dead' }], undefined, {
      breaker: { threshold: 1, openMs: 100, maxOpenMs: 100, warmingMs: 0 },
    });
    const { lab, whirl, ids } = revived;
    const selected = record(whirl.rotator, 'selected');
    await whirl.ready();
    await vi.waitFor(() => expect(whirl.rotator.pool.get(ids[1] ?? '')?.health).not.toBe('closed'));
    await lab.proxies[1]?.behave({ fault: 'none' });
    await vi.waitFor(() => expect(whirl.rotator.pool.get(ids[1] ?? '')?.health).toBe('closed'));
    const reasons = selected.filter(({ proxyId }) => proxyId === ids[1]).map(({ reason }) => reason);
    expect(reasons.slice(-2)).toEqual(['probe', 'probe']);
    expect(reasons.filter((reason) => reason !== 'probe')).toEqual(['carrier']);
  });
});

describe('R-30 options of health, each read', () => {
  it('check.token: without it a portal that answers with 200 passes', async () => {
    const oks = async (token?: string): Promise<unknown> => {
      await using lobby = await world([portal(200)], (lab) => ({ check: { ...page(lab), token } }));
      return (await checked(lobby))[0]?.ok;
    };
    expect([await oks('the text of page'), await oks()]).toEqual([false, true]);
  });

  it('check.expectStatus: 200 by default', async () => {
    const oks = async (expectStatus?: number): Promise<unknown> => {
      await using one = await world(1, ({ site }) => ({
        check: { url: `${site.httpUrl}/status/404`, expectStatus },
      }));
      return (await checked(one))[0]?.ok;
    };
    expect([await oks(404), await oks()]).toEqual([true, false]);
  });

  it('check.judge: nothing is read of an answer by default', async () => {
    await using plain = await world(1, ({ site }) => ({ check: { url: `${site.httpUrl}/judge` } }));
    expect(await checked(plain)).toMatchObject([{ ok: true, anonymity: null, exitAddress: null }]);
  });

  it('intervalMs: the rounds follow each other', async () => {
    await using quick = await world(1, (lab) => ({ check: page(lab), intervalMs: 1_000 }));
    const rounds: number[] = [];
    quick.whirl.health.on('round', () => rounds.push(performance.now()));
    await vi.waitFor(() => expect(rounds).toHaveLength(2));
    const [first = 0, second = 0] = rounds;
    expect(second - first).toBeGreaterThanOrEqual(790);
  });

  it.each([
    [{}, 3, 2],
    [{ fall: 2, rise: 4 }, 2, 4],
  ])('fall and rise: with %o out after %i, back after %i', async (options, fall, rise) => {
    await using lobby = await world([{}, portal(511)], (lab) => ({ check: page(lab), ...options }), {
      breaker: { threshold: 1_000, rateShare: 0 },
    });
    const { lab, whirl, ids } = lobby;
    let inRow = 0;
    const counts: number[] = [];
    whirl.health.on('progress', ({ reason, result }) => {
      // The round that is under way at first has a part of the same checks.
      if (reason === 'call' && result?.proxyId === ids[1]) inRow += 1;
    });
    const changed = (): void => {
      // The check that decides is counted after its event.
      counts.push(inRow + 1);
      inRow = -1;
    };
    whirl.health.on('down', changed);
    whirl.health.on('up', changed);
    const checkUntil = async (events: number): Promise<void> => {
      for (let i = 0; i < 10 && counts.length < events; i++) await whirl.health.check();
    };
    await whirl.health.check();
    await checkUntil(1);
    await lab.proxies[1]?.behave({ fault: 'none' });
    await checkUntil(2);
    expect(counts).toEqual([fall, rise]);
  });

  it('concurrency: so many at the same time', async () => {
    for (const [concurrency, most] of [[undefined, 10] as const, [3, 3] as const]) {
      await using many = await world(Array(12).fill({ fault: 'hang' }), (lab) => ({
        check: page(lab),
        ...(concurrency && { concurrency }),
      }));
      const { lab, whirl } = many;
      const busy = (): number => lab.proxies.filter(({ stats }) => stats.openSockets > 0).length;
      await vi.waitFor(() => expect(busy()).toBe(most));
      expect(whirl.rotator.stats().active).toBe(most);
    }
  });

  it('timeoutMs: no check takes longer', async () => {
    await using stuck = await world([{ fault: 'hang' }], (lab) => ({ check: page(lab), timeoutMs: 200 }));
    const passed = loopTime();
    expect(await checked(stuck)).toMatchObject([{ ok: false, error: { code: 'PW_FETCH_DEADLINE' } }]);
    expect(passed()).toBeLessThan(2_000);
  });

  it.each([
    [{ check: { url: 'ftp://u:s3cret@x.test' } }, 'health.check.url'],
    [{ check: { url: 'http://u:s3cret@x.test' } }, 'health.check.url'],
    [{ check: { url: '/s3cret' } }, 'health.check.url'],
    [{ check: {} }, 'health.check.url'],
    [{ check: { url: 'http://x.test', token: '' } }, 'health.check.token'],
    [{ check: { url: 'http://x.test', expectStatus: 99 } }, 'health.check.expectStatus'],
    [{ check: { url: 'http://x.test', judge: { url: 's3cret' } } }, 'health.check.judge.url'],
    [{ check: { url: 'http://x.test', judge: 's3cret' } }, 'health.check.judge'],
    [{ check: { url: 'http://x.test', ownAddress: 's3cret' } }, 'health.check.ownAddress'],
    [{ check: { url: 'http://x.test', tokens: 's3cret' } }, 'health.check.tokens'],
    [{ url: 'http://x.test/s3cret' }, 'health.url'],
    [{ intervalMs: 999 }, 'health.intervalMs'],
    [{ intervalMs: 2 ** 31 }, 'health.intervalMs'],
    [{ concurrency: 0 }, 'health.concurrency'],
    [{ fall: 1.5 }, 'health.fall'],
    [{ rise: 0 }, 'health.rise'],
    [{ timeoutMs: Number.NaN }, 'health.timeoutMs'],
  ])('refuses %o', (health, path) => {
    let message = '';
    try {
      proxywhirl({ proxies: ['127.0.0.2:1'], health: health as HealthOptions });
    } catch (error) {
      expect(error).toMatchObject({ code: 'PW_OPTIONS_INVALID', issues: [{ path }] });
      message = String(error);
    }
    expect(message).toContain(path);
    expect(message).not.toContain('s3cret');
  });
});

/** What a program prints that has proxywhirl and Module at hand, and ends by itself. */
async function outputOf(program: string): Promise<string> {
  const script = `
    import { Module } from 'node:module';
    import { proxywhirl } from './src/index.ts';
    ${program}
  `;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 100_000 });
  return stdout.trim();
}
