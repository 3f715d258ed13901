import { mkdtemp, rm } from 'node:fs/promises';
import type { LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createProxy, proxywhirl } from '../../src/index.js';
import { startLab } from '../../src/lab/index.js';
import { resolveApiOptions } from '../../src/server/api-options.js';
import { buildApp, createApp } from '../../src/server/app.js';
import type { ProxyTest } from '../../src/server/proxy-checks.js';
import { ProxyPolicy } from '../../src/server/proxy-policy.js';
import type { ProxyResource } from '../../src/server/proxy-resource.js';
import { countConnects } from '../matrix/connect-count.js';
import { type ApiWorld, callApi, namesAre, startApi } from './api-world.js';

interface Page {
  readonly items: readonly ProxyResource[];
  readonly total: number;
  readonly page: number;
  readonly page_size: number;
  readonly has_next: boolean;
  readonly has_prev: boolean;
}
interface Added {
  readonly proxy: ProxyResource;
  readonly test: ProxyTest | null;
}
interface AllAdded {
  readonly items: readonly Added[];
  readonly duplicates: readonly string[];
}

const list = async (world: ApiWorld, query = '') => (await world.call<Page>('GET', `/proxies${query}`)).data;
const firstId = (world: ApiWorld): string => world.whirl.rotator.pool.list()[0]?.id ?? '';
const unchecked = '/proxies?check=false';

describe('GET /proxies', () => {
  it('A-20 A-24 tells of each proxy all there is to know, without credentials', async () => {
    await using world = await startApi({
      lab: { proxies: [{ credentials: { username: 'lab-user', password: 'canary-4711' } }] },
    });
    await world.call('POST', '/request', { url: `${world.lab.site.httpUrl}/ip` });
    const answer = await world.call<Page>('GET', '/proxies');
    const [proxy] = world.whirl.rotator.pool.list();
    expect(answer.data).toEqual({
      items: [
        {
          id: proxy?.id,
          url: proxy?.proxy.url,
          protocol: 'http',
          status: 'healthy',
          health: 'closed',
          stats: {
            total: 1,
            successful: 1,
            failed: 0,
            active: 0,
            emaLatencyMs: expect.any(Number),
            windowCount: 1,
          },
          geo: null,
          tags: [],
          weight: null,
          source: null,
          createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
          updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
        },
      ],
      total: 1,
      page: 1,
      page_size: 50,
      has_next: false,
      has_prev: false,
    });
    const [item] = answer.data.items;
    expect(Date.parse(item?.updatedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(item?.createdAt ?? ''));
    expect(answer.text).not.toContain('canary-4711');
    expect(answer.text).not.toContain('lab-user');
  });

  it('A-20 gives pages that together are the pool, each proxy once', async () => {
    await using world = await startApi();
    world.whirl.rotator.pool.add(...Array.from({ length: 8 }, (_, i) => `http://192.0.2.${i + 1}:80`));
    const pages = [];
    for (const page of [1, 2, 3]) pages.push(await list(world, `?page=${page}&page_size=4`));
    expect(
      pages.map(({ items, has_next, has_prev, total }) => [items.length, has_prev, has_next, total]),
    ).toEqual([
      [4, false, true, 11],
      [4, true, true, 11],
      [3, true, false, 11],
    ]);
    const seen = pages.flatMap(({ items }) => items.map(({ id }) => id));
    expect(seen).toEqual(world.whirl.rotator.pool.list().map(({ id }) => id));
    expect(await list(world, '?page=9')).toMatchObject({
      items: [],
      has_next: false,
      has_prev: true,
      total: 11,
    });
  });

  it('A-20 filters by status, country, protocol and tag', async () => {
    await using world = await startApi({ lab: { proxies: 1 } });
    const { pool } = world.whirl.rotator;
    const german = createProxy({ host: '192.0.2.1', port: 80, geo: { countryCode: 'DE' }, tags: ['home'] });
    const socks = createProxy({
      host: '192.0.2.2',
      port: 80,
      protocol: 'socks5h',
      geo: { countryCode: 'GB' },
    });
    pool.add(german, socks);
    pool.drain(socks.id);
    pool.adjust(german.id, { disabled: true });
    const ids = async (query: string) => (await list(world, query)).items.map(({ id }) => id);
    expect(await ids('?country=de')).toEqual([german.id]);
    expect(await ids('?country=uk')).toEqual([socks.id]);
    expect(await ids('?protocol=socks5h')).toEqual([socks.id]);
    expect(await ids('?tag=home')).toEqual([german.id]);
    expect(await ids('?status=drained')).toEqual([socks.id]);
    expect(await ids('?status=disabled&tag=home&country=DE')).toEqual([german.id]);
    expect(await ids('?status=healthy')).toEqual([pool.list()[0]?.id]);
    expect(await ids('?status=unhealthy')).toEqual([]);
  });

  it.each([
    'page=0',
    'page=-1',
    'page=1.5',
    'page=x',
    'page_size=501',
    'page_size=0',
    'status=well',
    'colour=red',
  ])('A-02 A-20 refuses ?%s', async (query) => {
    await using world = await startApi();
    const { status, error } = await world.call('GET', `/proxies?${query}`);
    expect([status, error.code]).toEqual([400, 'VALIDATION_ERROR']);
  });
});

describe('POST /proxies', () => {
  it('A-21 adds one, tests it through the check URL, and uses it', async () => {
    await using other = await startLab({
      proxies: [{ credentials: { username: 'u', password: 'canary-4711' } }],
    });
    await using world = await startApi({
      engine: { health: { check: { url: `${other.site.httpUrl}/ip` } } },
    });
    const { host } = new URL(other.urls[0] ?? '');
    const body = { url: `http://${host}`, username: 'u', password: 'canary-4711', tags: ['new'], weight: 2 };
    const answer = await world.call<Added>('POST', '/proxies', body);
    expect(answer.status).toBe(201);
    expect(answer.data).toMatchObject({
      proxy: { url: `http://${host}`, status: 'healthy', source: 'api', tags: ['new'], weight: 2 },
      test: { status: 'working', latencyMs: expect.any(Number), error: null },
    });
    expect(other.proxies[0]?.stats.requests).toBe(1);
    expect(answer.text).not.toContain('canary-4711');
    expect((await list(world, '?tag=new')).items.map(({ id }) => id)).toEqual([answer.data.proxy.id]);
  });

  it('A-21 tests by connecting where no check URL is known, and says what it knows', async () => {
    await using other = await startLab({ proxies: [{}, { fault: 'dead' }] });
    await using world = await startApi();
    const proxies = other.urls.map((url) => ({ url }));
    const { status, data } = await world.call<AllAdded>('POST', '/proxies', { proxies });
    expect(status).toBe(201);
    expect(data.items.map(({ test }) => [test?.status, test?.error])).toEqual([
      ['reachable', null],
      ['failed', { code: 'PW_PROXY_REFUSED' }],
    ]);
    expect(data.items[1]?.proxy.stats).toMatchObject({ failed: 1 });
  });

  it('A-02 A-21 says which of many breaks a rule, without its credentials, and adds none', async () => {
    await using world = await startApi();
    const proxies = [{ url: 'http://192.0.2.1:80' }, { url: 'http://me:secret-word@192.0.2.2:99999' }];
    const { status, error, text } = await world.call('POST', unchecked, { proxies });
    expect([status, error.code]).toEqual([400, 'VALIDATION_ERROR']);
    expect(error.details).toEqual([{ path: 'body.proxies.1', rule: expect.stringContaining('G5') }]);
    expect(text).not.toContain('secret-word');
    expect(world.whirl.rotator.pool.size).toBe(3);
  });

  it('A-21 check=false adds without a connection', async () => {
    await using world = await startApi();
    using connects = countConnects();
    const { status, data } = await world.call<Added>('POST', unchecked, { url: 'socks5h://192.0.2.9:1080' });
    expect([status, data.test, connects.total()]).toEqual([201, null, 0]);
    expect(data.proxy).toMatchObject({ protocol: 'socks5h', status: 'healthy' });
  });

  it('A-21 a duplicate is a 409, also by another spelling, and stays as it was', async () => {
    await using world = await startApi();
    const url = 'http://192.0.2.9:3128';
    const { data } = await world.call<Added>('POST', unchecked, { url, tags: ['first'] });
    const again = await world.call('POST', unchecked, { url: '192.0.2.9:3128', tags: ['second'] });
    expect([again.status, again.error.code, again.error.details]).toEqual([
      409,
      'PROXY_EXISTS',
      { ids: [data.proxy.id] },
    ]);
    expect((await list(world, '?tag=first')).total).toBe(1);
    // Other credentials are another proxy.
    const other = await world.call('POST', unchecked, { url, username: 'u', password: 'p' });
    expect(other.status).toBe(201);
  });

  it('A-21 adds 100 at once, says which were there, and refuses 101', async () => {
    await using world = await startApi();
    const lines = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ url: `http://192.0.2.${i + 1}:8080` }));
    await world.call('POST', unchecked, { proxies: lines(2) });
    const { status, data } = await world.call<AllAdded>('POST', unchecked, { proxies: lines(100) });
    expect([status, data.items.length, data.duplicates.length]).toEqual([201, 98, 2]);
    expect((await world.call('POST', unchecked, { proxies: lines(100) })).status).toBe(409);
    const many = await world.call('POST', unchecked, { proxies: lines(101) });
    expect([many.status, many.error.code]).toEqual([400, 'VALIDATION_ERROR']);
  });

  it.each([
    ['no proxy', { url: 'canary-4711' }],
    ['no port', { url: 'http://192.0.2.1:0' }],
    ['an unknown key', { url: 'http://192.0.2.1:80', colour: 'canary-4711' }],
    ['credentials twice', { url: 'http://a:canary-4711@192.0.2.1:80', username: 'b', password: 'c' }],
    ['a user name that SOCKS4 has no place for', { url: 'socks4://192.0.2.1:80', password: 'canary-4711' }],
    ['no country', { url: 'http://192.0.2.1:80', geo: { countryCode: 'XX' } }],
    ['a negative weight', { url: 'http://192.0.2.1:80', weight: -1 }],
    ['an empty list', { proxies: [] }],
    [
      'one that is wrong among others',
      { proxies: [{ url: 'http://192.0.2.1:80' }, { url: 'canary-4711:x' }] },
    ],
  ])('A-02 A-21 refuses %s, adds nothing and repeats nothing', async (_what, body) => {
    await using world = await startApi();
    const { status, error, text } = await world.call('POST', unchecked, body);
    expect([status, error.code]).toEqual([400, 'VALIDATION_ERROR']);
    expect(world.whirl.rotator.pool.size).toBe(3);
    expect(text).not.toContain('canary-4711');
  });

  it.each([
    ...['127.0.0.1:6379', '169.254.169.254:80', '10.0.0.1:3128', '192.168.0.1:8080', 'localhost:8080'],
    ...['[::1]:8080', '[::ffff:127.0.0.1]:8080', '[64:ff9b::a00:1]:80', '100.64.0.1:80', 'db.internal:5432'],
  ])('section 6: refuses %s, alike and with 0 connections', async (host) => {
    await using world = await startApi({ api: { allowPrivateProxies: false } });
    using connects = countConnects();
    for (const scheme of ['http', 'socks5']) {
      const answer = await world.call('POST', '/proxies', { url: `${scheme}://${host}` });
      expect([answer.status, answer.error]).toEqual([
        403,
        { code: 'TARGET_REFUSED', message: expect.any(String), details: null },
      ]);
    }
    expect([connects.total(), world.whirl.rotator.pool.size]).toEqual([0, 3]);
  });

  it('section 6: refuses a name that leads to a private address, and all that come with it', async () => {
    await using world = await startApi({
      api: { allowPrivateProxies: false, lookup: namesAre('8.8.8.8', '10.0.0.1') },
    });
    using connects = countConnects();
    const proxies = [{ url: 'http://8.8.8.8:80' }, { url: 'http://proxy.example.com:80' }];
    expect((await world.call('POST', '/proxies', { proxies })).status).toBe(403);
    expect([connects.total(), world.whirl.rotator.pool.size]).toEqual([0, 3]);
  });

  it('row 51: refuses its own listeners, whatever else is allowed', async () => {
    await using world = await startApi();
    const { context, handle, close } = buildApp(
      world.whirl,
      resolveApiOptions({ allowPrivateProxies: true }),
    );
    expect(handle).toBeDefined();
    onTestFinished(close);
    context.listeners.push({ address: '127.0.0.1', port: 8000 });
    const policy = new ProxyPolicy(context);
    const at = (host: string, port = 8000) => policy.check(createProxy({ host, port }));
    for (const host of ['127.0.0.1', '127.0.0.9', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1', 'localhost'])
      await expect(at(host)).rejects.toMatchObject({ code: 'TARGET_REFUSED' });
    await expect(at('127.0.0.1', 8001)).resolves.toBeUndefined();
    await expect(at('8.8.8.8')).resolves.toBeUndefined();
  });
});

describe('/proxies/{id}', () => {
  it('A-22 GET tells of one, or is a 404', async () => {
    await using world = await startApi();
    const { status, data } = await world.call<ProxyResource>('GET', `/proxies/${firstId(world)}`);
    expect([status, data.id]).toEqual([200, firstId(world)]);
    const missing = await world.call('GET', '/proxies/px_0000000000000000');
    expect([missing.status, missing.error.code]).toEqual([404, 'PROXY_NOT_FOUND']);
  });

  it('A-22 DELETE takes one out, and is a 404 the second time', async () => {
    await using world = await startApi();
    const id = firstId(world);
    expect((await world.call('DELETE', `/proxies/${id}`)).status).toBe(204);
    expect(world.whirl.rotator.pool.get(id)).toBeUndefined();
    const again = await world.call('DELETE', `/proxies/${id}`);
    expect([again.status, again.error.code]).toEqual([404, 'PROXY_NOT_FOUND']);
  });

  it('A-22 PATCH disables, drains, weighs and tags, and the next request goes by it', async () => {
    await using world = await startApi({ engine: { strategy: 'weighted' } });
    const [a, b, c] = world.whirl.rotator.pool.list().map(({ id }) => id) as [string, string, string];
    const patch = async (id: string, change: object) =>
      (await world.call<ProxyResource>('PATCH', `/proxies/${id}`, change)).data;
    const used = async () => {
      const order = { url: `${world.lab.site.httpUrl}/ip` };
      const ids = [];
      for (let i = 0; i < 12; i++)
        ids.push(
          (await world.call<{ proxyUsed: { id: string } }>('POST', '/request', order)).data.proxyUsed.id,
        );
      return new Set(ids);
    };
    expect(await patch(a, { disabled: true })).toMatchObject({ status: 'disabled' });
    expect(await patch(b, { drain: true, tags: ['spare'] })).toMatchObject({
      status: 'drained',
      tags: ['spare'],
    });
    expect(await used()).toEqual(new Set([c]));
    expect(await patch(a, { disabled: false, weight: 0 })).toMatchObject({ status: 'healthy', weight: 0 });
    expect(await used()).toEqual(new Set([c]));
    expect(await patch(b, { drain: false })).toMatchObject({ status: 'healthy', tags: ['spare'] });
    expect(await patch(c, { weight: 0 })).toMatchObject({ weight: 0 });
    expect(await used()).toEqual(new Set([b]));
    expect(await patch(a, { weight: null })).toMatchObject({ weight: null });
  });

  it.each([{}, { colour: 1 }, { weight: 'much' }, { disabled: 'yes' }, { tags: [''] }])(
    'A-02 A-22 PATCH refuses %j',
    async (change) => {
      await using world = await startApi();
      const { status, error } = await world.call('PATCH', `/proxies/${firstId(world)}`, change);
      expect([status, error.code]).toEqual([400, 'VALIDATION_ERROR']);
    },
  );

  it('A-22 PATCH of one that is not there is a 404', async () => {
    await using world = await startApi();
    expect((await world.call('PATCH', '/proxies/px_none', { disabled: true })).status).toBe(404);
  });
});

describe('POST /proxies/test', () => {
  it('A-23 tests all, updates their health and tells results, not answers', async () => {
    await using world = await startApi({
      lab: {
        proxies: [
          {},
          { fault: 'dead' },
          { credentials: { username: 'u', password: 'p' }, wrongPassword: true },
        ],
      },
      engine: { health: { check: { url: 'http://127.0.0.1:1/' } } },
    });
    // The site's port is known when it runs; the check goes by the settings of the engine.
    const whirl = proxywhirl({
      proxies: [...world.lab.urls],
      health: { check: { url: `${world.lab.site.httpUrl}/ip` } },
    });
    const app = createApp({ whirl });
    onTestFinished(async () => {
      app.close();
      await whirl.close();
    });
    const { status, data } = await callApi<ProxyTest[]>(app, 'POST', '/proxies/test', {});
    expect(status).toBe(200);
    const ids = whirl.rotator.pool.list().map(({ id }) => id);
    const byId = new Map(data.map((test) => [test.proxyId, test]));
    expect(ids.map((id) => byId.get(id))).toEqual([
      {
        proxyId: ids[0],
        status: 'working',
        latencyMs: expect.any(Number),
        error: null,
        testedAt: expect.stringMatching(/Z$/),
      },
      expect.objectContaining({ status: 'failed', error: { code: 'PW_PROXY_REFUSED' } }),
      expect.objectContaining({ status: 'failed', error: { code: 'PW_PROXY_AUTH' } }),
    ]);
    expect(whirl.rotator.stats().proxies.map(({ succeeded, failed }) => [succeeded, failed])).toEqual([
      [1, 0],
      [0, 1],
      [0, 1],
    ]);
  });

  it('A-23 tests those that are named, without a body all', async () => {
    await using world = await startApi();
    const { data } = await world.call<ProxyTest[]>('POST', '/proxies/test', { proxy_ids: [firstId(world)] });
    expect(data.map(({ proxyId, status }) => [proxyId, status])).toEqual([[firstId(world), 'reachable']]);
    expect((await world.call<ProxyTest[]>('POST', '/proxies/test')).data.length).toBe(3);
    const missing = await world.call('POST', '/proxies/test', { proxy_ids: ['px_none'] });
    expect([missing.status, missing.error.code]).toEqual([404, 'PROXY_NOT_FOUND']);
  });

  it('section 6: does not connect to a name that leads elsewhere than when it was added', async () => {
    let addresses = ['8.8.8.8'];
    await using world = await startApi({
      api: { allowPrivateProxies: false, lookup: (...args) => namesAre(...addresses)(...args) },
    });
    const url = 'http://proxy.example.com:8080';
    const { data } = await world.call<Added>('POST', unchecked, { url });
    addresses = ['127.0.0.1'];
    using connects = countConnects();
    const { status, error } = await world.call('POST', '/proxies/test', { proxy_ids: [data.proxy.id] });
    expect([status, error.code, connects.total()]).toEqual([403, 'TARGET_REFUSED', 0]);
  });

  it('section 6: nor to one whose second answer is another than the first', async () => {
    let answers = 0;
    const rebinding: LookupFunction = (...args) => {
      answers += 1;
      namesAre(answers === 1 ? '8.8.8.8' : '127.0.0.1')(...args);
    };
    await using world = await startApi({ api: { allowPrivateProxies: false, lookup: rebinding } });
    const { port } = new URL(world.lab.urls[0] ?? '');
    using connects = countConnects();
    const url = `http://proxy.example.com:${port}`;
    const { status, data } = await world.call<Added>('POST', '/proxies', { url });
    expect([status, data.test?.status, connects.total()]).toEqual([201, 'failed', 0]);
  });

  it('A-23 of a pool of more than 1,000 wants to know which', async () => {
    await using world = await startApi();
    const { pool } = world.whirl.rotator;
    pool.add(...Array.from({ length: 1_000 }, (_, i) => `http://192.0.2.1:${i + 1}`));
    using connects = countConnects();
    const { status, error } = await world.call('POST', '/proxies/test');
    expect([status, error.code, connects.total()]).toEqual([400, 'VALIDATION_ERROR', 0]);
  });
});

describe('A-25 changes of the pool', () => {
  it('are there again after a restart, without a flush of anybody', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    const open = () =>
      proxywhirl({ proxies: ['http://192.0.2.1:80', 'http://192.0.2.2:80'], cache: { dir } });
    const first = open();
    const app = createApp({ whirl: first, allowPrivateProxies: true });
    await first.ready();
    const [kept, tagged] = first.rotator.pool.list().map(({ id }) => id) as [string, string];
    const call = <T>(method: string, path: string, body?: unknown) => callApi<T>(app, method, path, body);
    const { data } = await call<Added>('POST', unchecked, {
      url: 'http://192.0.2.9:80',
      weight: 3,
      tags: ['new'],
    });
    const gone = await call<Added>('POST', unchecked, { url: 'http://192.0.2.10:80' });
    await call('DELETE', `/proxies/${gone.data.proxy.id}`);
    await call('PATCH', `/proxies/${kept}`, { disabled: true });
    await call('PATCH', `/proxies/${tagged}`, { tags: ['spare'], weight: 0 });
    // As after a crash: nothing is written from here on but what was answered.
    const second = open();
    onTestFinished(async () => {
      await second.close();
      await first.close();
    });
    await second.ready();
    expect(
      second.rotator.pool.list().map(({ id, disabled, weight, proxy }) => [id, disabled, weight, proxy.tags]),
    ).toEqual([
      [kept, true, undefined, []],
      [tagged, false, 0, ['spare']],
      [data.proxy.id, false, 3, ['new']],
    ]);
  });
});
