import type { LookupFunction } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { proxywhirl } from '../../src/index.js';
import { startLab } from '../../src/lab/index.js';
import { type ApiOptions, resolveApiOptions } from '../../src/server/api-options.js';
import { buildApp, createApp } from '../../src/server/app.js';
import { TargetPolicy } from '../../src/server/target-policy.js';
import { FetchError } from '../../src/transport/fetch-error.js';
import { countConnects } from '../matrix/connect-count.js';
import { type ApiAnswer, callApi, namesAre } from './api-world.js';

/** Hosts as a URL may spell them; none may be reached, and none may be told from another. */
const refusedHosts = [
  // Spellings of 127.0.0.1: decimal, hexadecimal, octal, short, circled, full-width, escaped, with a final dot.
  ...['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001'],
  ...['127.0.0.1.', '①②⑦.⓪.⓪.①', '127。0。0。1', '１２７.0.0.1', '%31%32%37.0.0.1', '127.255.255.254'],
  // This network, private, CGNAT, link-local and the metadata services there, multicast, reserved.
  ...['0', '0.0.0.0', '10.0.0.1', '012.0.0.1', '100.64.0.1', '100.100.100.200', '169.254.169.254'],
  ...['0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '169.254.170.2', '172.16.0.1', '172.31.255.255'],
  ...['192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '203.0.113.1', '224.0.0.1'],
  ...['240.0.0.1', '255.255.255.255'],
  // IPv6: unspecified, loopback, compatible, mapped, NAT64, 6to4, Teredo, link-local, ULA, multicast.
  ...['[::]', '[::1]', '[0:0:0:0:0:0:0:1]', '[::127.0.0.1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
  ...[
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::a9fe:a9fe]',
    '[64:ff9b:1::1]',
    '[2002:7f00:1::]',
  ],
  ...['[2001:0:7f00:1::]', '[fe80::1]', '[fd00:ec2::254]', '[fc00::1]', '[ff02::1]', '[2001:db8::1]'],
  // Names of a machine for itself, of its network, and of the metadata services.
  ...['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'ⓛocalhost', 'loc%61lhost', 'redis', 'metadata'],
  ...[
    'printer.local',
    'db.internal',
    'metadata.google.internal',
    'router.lan',
    'x.home.arpa',
    'instance-data',
  ],
];

async function startServer(options: ApiOptions = {}) {
  const lab = await startLab({ proxies: 2 });
  const whirl = proxywhirl({ proxies: [...lab.urls] });
  const app = createApp({ whirl, rateLimits: { perMinute: 1e6, requestsPerMinute: 1e6 }, ...options });
  onTestFinished(async () => {
    app.close();
    await whirl.close();
    await lab.close();
  });
  const send = (url: string): Promise<ApiAnswer> => callApi(app, 'POST', '/request', { url });
  return { lab, whirl, app, send };
}

/** What of an answer may not depend on what was asked for. */
const shownBy = ({ status, text, headers }: ApiAnswer): unknown => {
  const { meta: _, ...envelope } = JSON.parse(text);
  const { 'content-length': __, date: ___, ...rest } = Object.fromEntries(headers);
  return { status, envelope, rest };
};

describe('section 6: what POST /request may reach', () => {
  it(`SSRF: ${refusedHosts.length} addresses and names are refused, all with the same answer, and with 0 connections`, async () => {
    let lookups = 0;
    const counting: LookupFunction = (...args) => {
      lookups += 1;
      namesAre('8.8.8.8')(...args);
    };
    const { lab, send } = await startServer({ lookup: counting });
    expect(new Set(refusedHosts).size).toBe(refusedHosts.length);
    expect(refusedHosts.length).toBeGreaterThanOrEqual(60);
    using connects = countConnects();
    const answers: unknown[] = [];
    for (const host of refusedHosts)
      for (const url of [`http://${host}/`, `https://${host}:8443/x?y#z`])
        answers.push(shownBy(await send(url)));
    expect(answers[0]).toMatchObject({
      status: 403,
      envelope: { error: { code: 'TARGET_REFUSED', details: null } },
    });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect([connects.total(), lookups, lab.site.counts.requests]).toEqual([0, 0, 0]);
    expect(lab.proxies.map((proxy) => proxy.stats.connections)).toEqual([0, 0]);
  });

  it('refuses ports that are not listed, with the same answer', async () => {
    const { send } = await startServer({ targetPorts: [80, 443], lookup: namesAre('8.8.8.8') });
    const [first, ...others] = await Promise.all(
      [
        'http://10.0.0.1/',
        'http://example.com:22/',
        'https://8.8.8.8:6379/',
        'http://example.com:443443/',
      ].map(send),
    );
    expect(others.slice(0, 2).map(shownBy)).toEqual([1, 2].map(() => first && shownBy(first)));
    // No port at all is no URL.
    expect(others[2]?.status).toBe(400);
  });

  it('refuses its own listener, whatever else is allowed', async () => {
    const { whirl, lab } = await startServer({ allowPrivateTargets: true });
    const { context, close } = buildApp(whirl, resolveApiOptions({ allowPrivateTargets: true }));
    onTestFinished(close);
    context.listeners.push({ address: '127.0.0.1', port: 8000 });
    const policy = new TargetPolicy(context);
    for (const url of ['http://127.0.0.1:8000/', 'http://[::ffff:127.0.0.1]:8000/', 'http://0.0.0.0:8000/'])
      await expect(policy.check(new URL(url))).rejects.toMatchObject({ code: 'TARGET_REFUSED' });
    await expect(policy.check(new URL(lab.site.httpUrl))).resolves.toBeNull();
  });

  describe('rule B: while a proxy of the pool is in our own network', () => {
    it.each([
      ['a private address', ['10.0.0.1']],
      ['a public one and a private one', ['8.8.8.8', '127.0.0.1']],
      ['a mapped one', ['::ffff:127.0.0.1']],
    ])('a name that means %s here is refused like the address itself', async (_what, addresses) => {
      const { send } = await startServer({ lookup: namesAre(...addresses) });
      using connects = countConnects();
      const answer = await send('http://public.example.com/');
      expect(shownBy(answer)).toEqual(shownBy(await send('http://127.0.0.1/')));
      expect(connects.total()).toBe(0);
    });

    it('a name that means nothing here is not asked for', async () => {
      const nothing: LookupFunction = (_host, _options, callback) =>
        callback(Object.assign(new Error('none'), { code: 'ENOTFOUND' }), '', 0);
      const { send } = await startServer({ lookup: nothing });
      using connects = countConnects();
      const { status, error } = await send('http://public.example.com/');
      expect([status, error.code, connects.total()]).toEqual([504, 'TARGET_UNREACHABLE', 0]);
    });

    it('the proxy is asked for the address that was checked, once looked up, and the target gets the name', async () => {
      let lookups = 0;
      // As a hostile resolver does: the second answer is another one.
      const rebinding: LookupFunction = (...args) => {
        lookups += 1;
        namesAre(lookups === 1 ? '127.0.0.1' : '127.0.0.99')(...args);
      };
      const { send, lab } = await startServer({ lookup: rebinding, allowPrivateTargets: ['127.0.0.1'] });
      const { port } = new URL(lab.site.httpUrl);
      const { status, text } = await send(`http://public.example.com:${port}/ip`);
      expect([status, JSON.parse(text).data?.statusCode, lookups]).toEqual([200, 200, 1]);
      const asked = lab.proxies.flatMap((proxy) => proxy.requests.map(({ host }) => host));
      expect(asked).toEqual([`127.0.0.1:${port}`]);
      expect(lab.site.requests.map(({ host, path }) => [host, path])).toEqual([
        ['public.example.com', '/ip'],
      ]);
    });

    it('ends with the last such proxy, and begins with the next one', async () => {
      let lookups = 0;
      const counting: LookupFunction = (...args) => {
        lookups += 1;
        namesAre('127.0.0.1')(...args);
      };
      const { whirl } = await startServer();
      const { context, close } = buildApp(whirl, resolveApiOptions({ lookup: counting }));
      onTestFinished(close);
      const policy = new TargetPolicy(context);
      const url = new URL('http://public.example.com/');
      const { pool } = whirl.rotator;
      pool.replace(['http://8.8.8.8:8080', 'socks5h://8.8.4.4:1080']);
      await expect(policy.check(url)).resolves.toBeNull();
      expect(lookups).toBe(0);
      const [near] = pool.add('socks5://8.8.8.8:1080');
      await expect(policy.check(url)).rejects.toMatchObject({ code: 'PW_ADDRESS_REFUSED' });
      pool.remove(near?.id ?? '');
      await expect(policy.check(url)).resolves.toBeNull();
      expect(lookups).toBe(1);
    });

    it('holds for a proxy whose name leads into our own network, and for one whose name leads nowhere yet', async () => {
      const asked: string[] = [];
      const addresses: Record<string, string> = {
        'squid.example.com': '10.0.0.3',
        'far.example.com': '8.8.8.8',
      };
      const lookup: LookupFunction = (host, options, callback) => {
        asked.push(host);
        namesAre(addresses[host] ?? '127.0.0.1')(host, options, callback);
      };
      const { whirl } = await startServer({ lookup });
      const { context, close } = buildApp(whirl, resolveApiOptions({ lookup }));
      onTestFinished(close);
      const policy = new TargetPolicy(context);
      const url = new URL('http://public.example.com/');
      const { pool } = whirl.rotator;
      pool.replace(['http://far.example.com:8080']);
      await setImmediate();
      await expect(policy.check(url)).resolves.toBeNull();
      pool.add('http://squid.example.com:8080');
      await setImmediate();
      await expect(policy.check(url)).rejects.toMatchObject({ code: 'PW_ADDRESS_REFUSED' });
      expect(new Set(asked)).toEqual(new Set(['far.example.com', 'squid.example.com', 'public.example.com']));
    });

    it('holds for one that joins after the check: it is asked for nothing, rather than for a name', async () => {
      const { whirl } = await startServer();
      const { context, close } = buildApp(whirl, resolveApiOptions({}));
      onTestFinished(close);
      const policy = new TargetPolicy(context);
      const { pool } = whirl.rotator;
      pool.replace(['http://8.8.8.8:8080']);
      const [url, literal] = [new URL('http://public.example.com/'), new URL('http://8.8.8.8/')];
      const checked = await policy.check(url);
      const [near] = pool.add('http://127.0.0.1:8080').map(({ proxy }) => proxy);
      if (near === undefined) throw new Error('not added');
      expect(() => policy.addressOf(url, near, checked)).toThrow(FetchError);
      expect(policy.addressOf(literal, near, await policy.check(literal))).toBeNull();
    });
  });
});
