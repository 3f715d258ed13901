import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { OptionsError, type ProxyWhirlError } from '../../src/errors.js';
import { createRotator } from '../../src/index.js';
import { RelayLoopError, type RelayOptions, startRelay } from '../../src/integrations/relay.js';
import { RelayDoor } from '../../src/integrations/relay-auth.js';
import { allowsPort, relayDefaults, resolveRelayOptions } from '../../src/integrations/relay-options.js';
import { connectThrough, getThrough } from '../lab/raw-client.js';
import { converse, relayWorld, socksThrough } from './relay-clients.js';

const credentials = { username: 'relay-user', password: 'canary-7f3a' };
const basic = (username: string, password: string): Record<string, string> => ({
  'proxy-authorization': `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
});
const errorOf = (options: object): OptionsError => {
  try {
    resolveRelayOptions(options as RelayOptions);
  } catch (error) {
    if (error instanceof OptionsError) return error;
    throw error;
  }
  throw new Error('accepted');
};

describe('options of the relay', () => {
  it.each([
    ['hots', 'x'],
    ['host', 'example.com'],
    ['port', 65_536],
    ['credentials', { username: 'a:b', password: 'secret-canary' }],
    ['credentials', { username: 'a', password: '' }],
    ['credentials', { username: 'a', password: 'b', extra: 1 }],
    ['connectPorts', [0]],
    ['connectPorts', [[1, 70_000]]],
    ['maxConnections', 0],
    ['attempts', 11],
    ['deadlineMs', 0],
    ['headersTimeoutMs', 1.5],
    ['requestTimeoutMs', -1],
    ['idleMs', '5'],
    ['drainMs', Number.NaN],
    ['proxyCa', 5],
    ['onRefused', 'yes'],
  ])('refuses %s: %j and repeats no value', (path, value) => {
    const error = errorOf({ [path]: value });
    expect(error.issues.map((issue) => issue.path)).toEqual([path]);
    expect(error.message).not.toContain('secret-canary');
  });

  it('has the defaults that are documented', () => {
    expect(resolveRelayOptions({})).toEqual(relayDefaults);
  });

  it('documents every option with its default', () => {
    const page = readFileSync('docs/relay.md', 'utf8').split('## Options')[1] ?? '';
    const rows = [...page.matchAll(/^\| `(\w+)` \| `([^`]+)` \|/gm)].map(([, name, value]) => [name, value]);
    const shown = (value: unknown): string => JSON.stringify(value).replaceAll('"', "'").replace(/,/g, ', ');
    expect(rows).toEqual(Object.entries(relayDefaults).map(([name, value]) => [name, shown(value)]));
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', '2001:db8::1'])(
    'does not listen at %s without credentials',
    (host) => {
      expect(errorOf({ host }).issues).toEqual([
        { path: 'credentials', rule: 'are needed to listen beyond loopback: it would be an open proxy' },
      ]);
      expect(resolveRelayOptions({ host, credentials }).host).toBe(host);
    },
  );

  it('connects to web ports and high ports only, unless told otherwise', () => {
    const allowed = [22, 25, 80, 443, 993, 1023, 1024, 8443, 65_535].filter((port) =>
      allowsPort(relayDefaults.connectPorts, port),
    );
    expect(allowed).toEqual([80, 443, 1024, 8443, 65_535]);
  });
});

describe('the door', () => {
  const open = new RelayDoor(null);
  const locked = new RelayDoor(credentials);

  it.each([
    ['', {}],
    ['session-abc', { sessionId: 'abc' }],
    ['country-de', { country: 'DE' }],
    ['session-abc-country-de', { sessionId: 'abc', country: 'DE' }],
    ['country-uk-session-a-b-c', { sessionId: 'a-b-c', country: 'GB' }],
  ])('reads the wishes of user name %j', (name, wishes) => {
    expect(open.admit(name, 'anything')).toEqual(wishes);
    const whole = name === '' ? credentials.username : `${credentials.username}-${name}`;
    expect(locked.admit(whole, credentials.password)).toEqual(wishes);
  });

  it.each([
    'nobody',
    'session-',
    'session-a-session-b',
    'country-xx',
    'country-de-country-fr',
    'session-a b',
    'x-session-a',
  ])('does not let %j in', (name) => {
    expect(open.admit(name, '')).toBeNull();
    expect(locked.admit(`${credentials.username}-${name}`, credentials.password)).toBeNull();
  });

  it('wants the whole name and the whole password', () => {
    expect(locked.admit(credentials.username, 'canary-7f3')).toBeNull();
    expect(locked.admit('relay-use', credentials.password)).toBeNull();
    expect(locked.admit(`${credentials.username}2`, credentials.password)).toBeNull();
    expect(locked.admitBasic(undefined)).toBeNull();
    expect(locked.admitBasic('Bearer abc')).toBeNull();
    expect(open.admitBasic('Basic ???')).toBeNull();
  });
});

describe('a relay with credentials', () => {
  it('asks every client for them, and shows them to nobody upstream', async () => {
    const proxies = [{}, { kind: 'socks5' as const, credentials: { username: 'up', password: 'stream' } }];
    const { lab, relay } = await relayWorld({ proxies, relay: { credentials } });
    const url = `${lab.site.httpUrl}/headers`;
    const refused = await getThrough(relay.url, url);
    expect(refused.status).toBe(407);
    expect(refused.headers['proxy-authenticate']).toBe('Basic realm="ProxyWhirl"');
    expect((await connectThrough(relay.url, new URL(url).host)).status).toBe(407);
    const target = { host: 'localhost', port: Number(new URL(url).port) };
    await expect(socksThrough(relay, target)).rejects.toThrow();
    await expect(socksThrough(relay, target, { ...credentials, password: 'no' })).rejects.toThrow();
    expect(lab.site.requests).toEqual([]);

    for (let i = 0; i < 4; i++) {
      const headers = basic(credentials.username, credentials.password);
      const seen = await getThrough(relay.url, url, { headers });
      expect(seen.status).toBe(200);
      expect(seen.body).not.toMatch(/canary|relay-user|proxy-auth/i);
    }
    const secret = headersText(lab.site.requests);
    expect(secret).not.toContain('canary');
    expect(secret).not.toContain(Buffer.from('relay-user:canary-7f3a').toString('base64'));
    (await socksThrough(relay, target, credentials)).destroy();
  });

  it('R-39 keeps a session on its proxy, for HTTP, CONNECT and SOCKS alike, and finds the country', async () => {
    const { lab, relay, whirl } = await relayWorld({ proxies: 4, relay: { credentials } });
    const ip = async (name: string): Promise<string> => {
      const headers = basic(`${credentials.username}-${name}`, credentials.password);
      const { body } = await getThrough(relay.url, `${lab.site.httpUrl}/ip`, { headers });
      return (JSON.parse(body) as { address: string }).address;
    };
    const first = await ip('session-one');
    const others = new Set<string>();
    for (let i = 0; i < 8; i++) {
      expect(await ip('session-one')).toBe(first);
      others.add(await ip(`session-other-${i}`));
    }
    expect(others.size).toBe(4);
    const user = { username: `${credentials.username}-session-one`, password: credentials.password };
    const port = Number(new URL(lab.site.httpUrl).port);
    const before = lab.proxies.find(({ address }) => address === first)?.stats.requests ?? 0;
    (await socksThrough(relay, { host: 'localhost', port }, user)).destroy();
    expect(lab.proxies.find(({ address }) => address === first)?.stats.requests).toBe(before + 1);

    whirl.rotator.pool.remove(whirl.rotator.pool.list()[0]?.id ?? '');
    const headers = basic(`${credentials.username}-country-de`, credentials.password);
    const nobody = await getThrough(relay.url, `${lab.site.httpUrl}/ip`, { headers });
    expect(nobody.status).toBe(503);
    expect(nobody.headers['proxy-status']).toContain('PW_NO_CANDIDATE');
  });
});

describe('what the relay does not carry', () => {
  it.each([
    ['CONNECT localhost:25 HTTP/1.1\r\nHost: x\r\n\r\n', 403],
    ['CONNECT localhost HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['CONNECT user@localhost:443 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['CONNECT localhost:0 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['GET https://localhost/ HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['GET ftp://localhost/ HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
    ['OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
    [`GET http://a/ HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [`GET http://a/ HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(300)}\r\n`, 431],
  ])('%.60s', async (raw, status) => {
    const { lab, relay } = await relayWorld({ proxies: 1 });
    expect(await converse(relay, raw)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(lab.proxies[0]?.stats.connections).toBe(0);
  });

  it.each([
    '\x04\x01\x00\x50\x7f\x00\x00\x01\x00',
    '\x16\x03\x01\x00\x05hello',
    'get / HTTP/1.1\r\n\r\n',
    '\r\n',
  ])('answers nothing to %j', async (raw) => {
    const { relay } = await relayWorld({ proxies: 1 });
    expect(await converse(relay, raw)).toBe('');
  });

  it('SOCKS to a port that is not allowed, BIND, and half a handshake', async () => {
    const { lab, relay } = await relayWorld({ proxies: 1, relay: { headersTimeoutMs: 200 } });
    await expect(socksThrough(relay, { host: 'localhost', port: 25 })).rejects.toThrow(/NotAllowed/);
    expect(await converse(relay, '\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50')).toBe(
      '\x05\x00\x05\x07',
    );
    expect(await converse(relay, '\x05')).toBe('');
    expect(await converse(relay, 'GET http://a/ HT')).toMatch(/^HTTP\/1\.1 408 /);
    expect(lab.proxies[0]?.stats.connections).toBe(0);
  });

  it('removes what belongs to one connection, and keeps the rest as it came', async () => {
    const { lab, relay } = await relayWorld({ proxies: 1 });
    const { host } = new URL(lab.site.httpUrl);
    await converse(
      relay,
      `GET http://${host}/headers HTTP/1.1\r\nHost: lies.example\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n` +
        'Proxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Kept: a, b\r\nX-kept: c\r\n\r\n',
    );
    const [seen] = lab.site.requests;
    expect(seen?.headers).toMatchObject({ host, 'x-kept': 'a, b, c' });
    expect(
      Object.keys(seen?.headers ?? {}).filter((name) => /hop|proxy|keep-alive|^te$|upgrade/.test(name)),
    ).toEqual([]);
  });
});

describe('loops', () => {
  it('refuses to start where the pool holds the relay itself', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => probe.once('listening', resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    for (const name of ['127.0.0.1', 'localhost', 'relay.localhost']) {
      const rotator = createRotator({ proxies: [`socks5://${name}:${port}`] });
      const error = await startRelay(rotator, { port }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RelayLoopError);
      expect(error).toMatchObject({ code: 'PW_RELAY_LOOP', data: { proxyId: rotator.pool.list()[0]?.id } });
    }
  });

  it('takes a proxy out that is added and is the relay itself', async () => {
    const refused: ProxyWhirlError[] = [];
    const { lab, relay, whirl } = await relayWorld({
      proxies: 1,
      relay: { onRefused: (error) => void refused.push(error) },
    });
    const [added] = whirl.rotator.pool.add(relay.url);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => getThrough(relay.url, `${lab.site.httpUrl}/ip`)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(relay.stats().requests).toBe(4);
    expect(refused).toMatchObject([{ code: 'PW_RELAY_LOOP', data: { proxyId: added?.id } }]);
    expect(whirl.rotator.pool.size).toBe(1);
  });

  it('answers 508 to a request that has been here before', async () => {
    const { lab, relay } = await relayWorld({ proxies: 1 });
    const { host } = new URL(lab.site.httpUrl);
    await getThrough(relay.url, `http://${host}/ip`);
    const via = String(lab.site.requests[0]?.headers.via);
    expect(via).toMatch(/^1\.1 proxywhirl-[0-9a-f]{16}$/);
    const again = await getThrough(relay.url, `http://${host}/ip`, { headers: { via: `1.0 other, ${via}` } });
    expect(again.status).toBe(508);
    expect(lab.site.requests).toHaveLength(1);
  });

  it('says when it cannot listen', async () => {
    const { relay, whirl } = await relayWorld();
    const error = await startRelay(whirl, { port: relay.port }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'PW_RELAY_LISTEN', data: { why: 'EADDRINUSE' } });
  });
});

function headersText(requests: readonly { headers: object }[]): string {
  return JSON.stringify(requests.map(({ headers }) => headers));
}
