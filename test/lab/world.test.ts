import { describe, expect, it } from 'vitest';
import { demoWorld, startLab } from '../../src/lab/index.js';
import { loopbackAddress, loopbackTarget, parseAuthority } from '../../src/lab/loopback.js';
import { getThrough } from './raw-client.js';

/** TCP handles of this process, after the event loop has had its turn at closing those that were let go of. */
async function openHandles(): Promise<string[]> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP'));
}

describe('startLab', () => {
  it('gives each proxy an address of its own, and the site sees it', async () => {
    await using lab = await startLab({ proxies: 3 });
    expect(lab.proxies.map((p) => p.name)).toEqual(['proxy-1', 'proxy-2', 'proxy-3']);
    const seen = await Promise.all(lab.urls.map((url) => getThrough(url, `${lab.site.httpUrl}/ip`)));
    expect(seen.map((answer) => JSON.parse(answer.body).address)).toEqual(lab.proxies.map((p) => p.address));
    expect(new Set(lab.proxies.map((p) => p.address)).size).toBe(3);
    expect([lab.distinctAddresses, lab.notice]).toEqual([true, null]);
  });

  it('starts the demo world: good, dead, hanging, resetting, wrong password, banned', async () => {
    await using lab = await startLab({ proxies: demoWorld({ banned: true }) });
    expect(lab.proxies).toHaveLength(13);
    const fate = (name: string): Promise<unknown> =>
      getThrough(lab.proxy(name).url, `${lab.site.httpUrl}/`).then(
        (answer) => answer.status,
        (error: NodeJS.ErrnoException) => error.code,
      );
    const names = ['good-1', 'dead-1', 'resetting', 'wrong-password', 'banned'];
    expect(await Promise.all(names.map(fate))).toEqual([200, 'ECONNREFUSED', 'ECONNRESET', 407, 403]);
    expect(() => lab.proxy('nobody')).toThrow('no such proxy');
  });

  it('closes everything, however often it is asked', async () => {
    const lab = await startLab();
    const hanging = getThrough(lab.proxy('hanging-1').url, `${lab.site.httpUrl}/`).catch(() => 'broken');
    await lab.proxy('hanging-1').nextRequest();
    await Promise.all([lab.close(), lab.close()]);
    await lab.close();
    expect(await hanging).toBe('broken');
    expect(lab.proxies.map((p) => p.stats.openSockets + lab.site.openSockets)).toEqual(
      lab.proxies.map(() => 0),
    );
    expect(await openHandles()).toEqual([]);
  });

  it('has room for hundreds', async () => {
    const lab = await startLab({ proxies: 300 });
    expect(new Set(lab.proxies.map((p) => p.address)).size).toBe(300);
    await lab.close();
    expect(await openHandles()).toEqual([]);
  });

  it('leaves nothing behind when a part cannot start', async () => {
    const start = startLab({ proxies: [{}, { kind: 'socks5', fault: 'drip' }, { fault: 'dead' }] });
    await expect(start).rejects.toMatchObject({ code: 'PW_LAB_UNAVAILABLE' });
    expect(await openHandles()).toEqual([]);
  });

  it('shares 127.0.0.1 where there is nothing else, says so, and bans nobody by address', async () => {
    await using lab = await startLab({
      proxies: [{}, { bannedBySite: true }],
      probeAddress: async (address) => address === '127.0.0.2',
    });
    expect(lab.distinctAddresses).toBe(false);
    expect(lab.notice).toContain('127.0.0.1');
    expect(lab.proxies.map((p) => p.address)).toEqual(['127.0.0.1', '127.0.0.1']);
    const answers = await Promise.all(lab.urls.map((url) => getThrough(url, `${lab.site.httpUrl}/ip`)));
    expect(answers.map((a) => [a.status, JSON.parse(a.body).address])).toEqual([
      [200, '127.0.0.1'],
      [200, '127.0.0.1'],
    ]);
  });

  it('gives clock and seed to all parts', async () => {
    const fates = async (seed: number): Promise<(number | undefined)[]> => {
      await using lab = await startLab({
        proxies: [{ fault: { kind: 'connect-status', probability: 0.5 } }, {}],
        seed,
        now: () => 77,
      });
      const url = lab.urls[0] ?? '';
      const seen = [];
      for (let i = 0; i < 20; i += 1) seen.push((await getThrough(url, `${lab.site.httpUrl}/`)).status);
      expect(lab.site.requests[0]?.at).toBe(77);
      expect(lab.proxies[0]?.requests[0]?.at).toBe(77);
      return seen;
    };
    expect(await fates(3)).toEqual(await fates(3));
    expect(await fates(3)).not.toEqual(await fates(4));
  });
});

describe('loopback', () => {
  it.each([
    ['localhost', '127.0.0.1'],
    ['a.LOCALHOST.', '127.0.0.1'],
    ['shop.test', '127.0.0.1'],
    ['127.9.9.9', '127.9.9.9'],
    ['[::1]', '::1'],
    ['0000:0000:0000:0000:0000:0000:0000:0001', '0000:0000:0000:0000:0000:0000:0000:0001'],
    ['localhost.example.com', null],
    ['notlocalhost', null],
    ['128.0.0.1', null],
    ['0.0.0.0', null],
    ['::', null],
    ['', null],
  ])('%s is %s', (host, target) => expect(loopbackTarget(host)).toBe(target));

  it('counts addresses without .0, .1 and .255', () => {
    expect([0, 252, 253, 1000].map(loopbackAddress)).toEqual([
      '127.0.0.2',
      '127.0.0.254',
      '127.0.1.2',
      '127.0.3.243',
    ]);
  });

  it.each(['a', 'a:0', 'a:65536', 'a b:1', 'u@a:1', ':1', 'a:1\r\nX: y'])('"%s" is no authority', (text) =>
    expect(parseAuthority(text)).toBeNull(),
  );
});
