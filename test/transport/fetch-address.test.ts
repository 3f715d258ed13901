import { describe, expect, it } from 'vitest';
import { startWorld } from './fetch-world.js';

describe('addressOf', () => {
  it.each(['http', 'https'] as const)(
    'asks the proxy for the address, and the target over %s for the name',
    async (scheme) => {
      await using world = await startWorld();
      const { port } = new URL(world.lab.site[`${scheme}Url`]);
      // The certificate of the lab is for localhost: TLS holds the name of the URL against it.
      const url = `${scheme}://localhost:${port}/headers`;
      for (let i = 0; i < 2; i++) {
        const response = await world.fetch(url, { addressOf: () => '127.0.0.1' });
        expect(response).toMatchObject({ status: 200, url });
        expect(JSON.parse(await response.text()).headers.host).toBe(`localhost:${port}`);
      }
      const asked = world.lab.proxies.flatMap((proxy) => proxy.requests.map(({ host }) => host));
      expect(new Set(asked)).toEqual(new Set([`127.0.0.1:${port}`]));
    },
  );

  it('is asked for each attempt with its proxy, and null leaves the name to the proxy', async () => {
    await using world = await startWorld({ proxies: [{ fault: 'dead' }, {}] });
    const { port } = new URL(world.lab.site.httpUrl);
    const told: string[] = [];
    const addressOf = (url: URL, proxy: { readonly id: string }) => {
      told.push(`${url.host} ${proxy.id}`);
      return null;
    };
    const response = await world.fetch(`http://localhost:${port}/ip`, { addressOf });
    await response.text();
    expect(told).toEqual(response.attempts.map(({ proxyId }) => `localhost:${port} ${proxyId}`));
    expect(world.lab.proxies[1]?.requests.map(({ host }) => host)).toEqual([`localhost:${port}`]);
  });
});
