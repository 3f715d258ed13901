import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createProxy, type Proxy, type ProxyFields, proxyUrl, withMetadata } from '../../src/core/proxy.js';
import { Secret } from '../../src/core/secret.js';
import { OptionsError, ProxyParseError } from '../../src/errors.js';

const full: ProxyFields = {
  protocol: 'socks5',
  host: 'Proxy.Example.COM.',
  port: 1080,
  username: 'user',
  password: 'hunter2',
  geo: { countryCode: 'uk' },
  tags: ['fast'],
  cost: 0.5,
  source: 'list',
};

describe('createProxy', () => {
  it('makes a value of all fields', () => {
    const proxy = createProxy(full);
    const { password, id, ...rest } = proxy;
    expect(rest).toEqual({
      protocol: 'socks5',
      host: 'proxy.example.com',
      port: 1080,
      username: 'user',
      geo: { countryCode: 'GB' },
      tags: ['fast'],
      cost: 0.5,
      source: 'list',
      url: 'socks5://proxy.example.com:1080',
    });
    expect(id).toMatch(/^px_[0-9a-f]{16}$/);
    expect(password?.reveal()).toBe('hunter2');
  });

  it('is http without credentials when nothing else is said', () => {
    const proxy = createProxy({ host: '203.0.113.7', port: 8000 });
    expect(proxy).toMatchObject({ protocol: 'http', username: null, password: null, tags: [] });
    expect(proxy).not.toHaveProperty('geo');
  });

  it('R-07 is frozen through and through', () => {
    const proxy = createProxy(full);
    for (const part of [proxy, proxy.tags, proxy.geo, proxy.password])
      expect(Object.isFrozen(part)).toBe(true);
    expect(() => {
      (proxy as { port: number }).port = 1;
    }).toThrow(TypeError);
  });

  it('does not keep the arrays and objects of the caller', () => {
    const tags = ['one'];
    const proxy = createProxy({ host: '203.0.113.7', port: 80, tags });
    tags.push('two');
    expect(proxy.tags).toEqual(['one']);
  });

  it('takes IPv6 with and without brackets', () => {
    const proxy = createProxy({ host: '2001:DB8:0:0::1', port: 80 });
    expect(proxy.host).toBe('2001:db8::1');
    expect(proxy.url).toBe('http://[2001:db8::1]:80');
    expect(createProxy({ host: '[2001:db8::1]', port: 80 }).id).toBe(proxy.id);
  });

  it('takes a Secret for a password', () => {
    expect(createProxy({ ...full, password: Secret.of('hunter2') }).id).toBe(createProxy(full).id);
  });

  it('gives a password without a user name an empty one, as a URL would', () => {
    expect(createProxy({ host: 'h', port: 1, password: 'p' }).username).toBe('');
  });

  it.each<[string, Record<string, unknown>]>([
    ['G4', { protocol: 'ftp' }],
    ['G4', { protocol: 'HTTP' }],
    ['G4', { protocol: 'toString' }],
    ['G5', { port: 0 }],
    ['G5', { port: 65_536 }],
    ['G5', { port: 80.5 }],
    ['G5', { port: '80' }],
    ['G6', { host: '' }],
    ['G6', { host: '1.2.3' }],
    ['G6', { host: undefined }],
    ['G6', { host: 'a b' }],
    ['G13', { username: 7 }],
    ['G13', { password: {} }],
    ['G13', { username: 'a\r\nb' }],
    ['G13', { protocol: 'http', username: 'a:b' }],
    ['G13', { password: 'p'.repeat(256) }],
    ['G13', { protocol: 'socks4' }],
    ['G13', { password: '\ud800' }],
  ])('refuses by rule %s: %j', (rule, change) => {
    let thrown: unknown;
    try {
      createProxy({ ...full, ...change } as ProxyFields);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ProxyParseError);
    expect((thrown as ProxyParseError).rule).toBe(rule);
    expect(inspect(thrown)).not.toContain('hunter2');
  });

  it.each<[string, Record<string, unknown>]>([
    ['tags', { tags: ['', 'a'] }],
    ['tags', { tags: 'fast' }],
    ['cost', { cost: -1 }],
    ['cost', { cost: Number.POSITIVE_INFINITY }],
    ['source', { source: '' }],
    ['geo.countryCode', { geo: { countryCode: 'XX' } }],
  ])('names %s when it is wrong: %j', (path, change) => {
    expect(() => createProxy({ ...full, ...change } as ProxyFields)).toThrow(OptionsError);
    expect(() => createProxy({ ...full, ...change } as ProxyFields)).toThrow(path);
  });
});

describe('K-05 id', () => {
  const id = (change: Partial<ProxyFields> = {}): string => createProxy({ ...full, ...change }).id;

  it('stays the same in every version', () => {
    // Files of earlier runs are keyed by it: a change of these values orphans them.
    expect(createProxy({ host: '203.0.113.7', port: 8000 }).id).toBe('px_2451d66dac0d3024');
    expect(id()).toBe('px_f6671db95a8a8f66');
  });

  it('depends on every part of the identity', () => {
    const ids = [
      id(),
      id({ protocol: 'socks5h' }),
      id({ host: 'proxy.example.org' }),
      id({ port: 1081 }),
      id({ username: 'user2' }),
      id({ password: 'hunter3' }),
      id({ username: '', password: null }),
      id({ username: null, password: null }),
      id({ username: 'user', password: '' }),
      id({ username: 'user', password: null }),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('cannot be shifted across the border of two parts', () => {
    expect(id({ username: 'ab', password: 'c' })).not.toBe(id({ username: 'a', password: 'bc' }));
    expect(id({ username: 'a1:b', password: 'c' })).not.toBe(id({ username: 'a', password: '1:bc' }));
  });

  it('does not depend on metadata', () => {
    expect(id({ geo: { countryCode: 'FR' }, tags: [], cost: 9, source: 'other' })).toBe(id());
  });

  it('R-12 has no collision among 200,000 neighbours', () => {
    const ids = new Set<string>();
    for (let i = 0; i < 200_000; i++)
      ids.add(createProxy({ host: `198.51.${i >> 16}.${(i >> 8) & 255}`, port: 1000 + (i & 255) }).id);
    expect(ids.size).toBe(200_000);
  });
});

describe('Q-04 printing', () => {
  it.each<[string, (proxy: Proxy) => string]>([
    ['JSON', (proxy) => JSON.stringify({ ...proxy })],
    ['inspect', (proxy) => inspect(proxy, { depth: 9, showHidden: true })],
    ['template', (proxy) => `${proxy.password} ${proxy} ${proxy.url}`],
    ['entries', (proxy) => Object.values(proxy).map(String).join()],
  ])('shows no password in %s', (_, print) => {
    expect(print(createProxy(full))).not.toContain('hunter2');
  });

  it('has no credentials in url', () => {
    expect(createProxy(full).url).not.toMatch(/user|@/);
  });
});

describe('proxyUrl', () => {
  it.each<[Partial<ProxyFields>, string]>([
    [{}, 'http://203.0.113.7:8000'],
    [{ username: 'u' }, 'http://u@203.0.113.7:8000'],
    [{ username: '' }, 'http://@203.0.113.7:8000'],
    [{ username: 'u', password: '' }, 'http://u:@203.0.113.7:8000'],
    [{ username: '', password: 'p' }, 'http://:p@203.0.113.7:8000'],
    [
      { username: 'u@x', password: 'a:b/c?d#e%f g' },
      'http://u%40x:a%3Ab%2Fc%3Fd%23e%25f%20g@203.0.113.7:8000',
    ],
    [{ host: '::1', username: 'ü' }, 'http://%C3%BC@[::1]:8000'],
  ])('%j is %s', (fields, url) => {
    expect(proxyUrl(createProxy({ host: '203.0.113.7', port: 8000, ...fields }))).toBe(url);
  });
});

describe('R-07 withMetadata', () => {
  const proxy = createProxy(full);

  it('keeps identity, id and password', () => {
    const changed = withMetadata(proxy, { tags: ['slow'], geo: { countryCode: 'FR' } });
    expect(changed).toMatchObject({
      id: proxy.id,
      tags: ['slow'],
      geo: { countryCode: 'FR' },
      cost: 0.5,
      source: 'list',
    });
    expect(changed.password?.reveal()).toBe('hunter2');
    expect(Object.isFrozen(changed)).toBe(true);
    expect(proxy.tags).toEqual(['fast']);
  });

  it('removes what is undefined, and refuses what is wrong', () => {
    const bare = withMetadata(proxy, { geo: undefined, tags: undefined, cost: undefined, source: undefined });
    expect(bare.tags).toEqual([]);
    expect(Object.keys(bare)).not.toEqual(expect.arrayContaining(['geo']));
    expect(() => withMetadata(proxy, { cost: -1 })).toThrow(OptionsError);
  });
});
