import { describe, expect, it } from 'vitest';
import { startWorld } from './fetch-world.js';

const chain = {
  site: {
    answer: ({ path }: { path: string }) =>
      path === '/a' || path === '/b'
        ? { status: 302, headers: { location: path === '/a' ? '/b' : '/ip' }, body: '' }
        : undefined,
  },
};

describe('onRedirect', () => {
  it('is told of each step before it is taken, and cannot change where it leads', async () => {
    await using world = await startWorld(chain);
    const { httpUrl } = world.lab.site;
    const told: string[] = [];
    const onRedirect = async (url: URL) => {
      told.push(`${url.href} after ${world.lab.site.counts.requests}`);
      url.pathname = '/elsewhere';
    };
    const response = await world.fetch(`${httpUrl}/a`, { onRedirect });
    expect(response).toMatchObject({ status: 200, url: `${httpUrl}/ip` });
    expect(told).toEqual([`${httpUrl}/b after 1`, `${httpUrl}/ip after 2`]);
    await response.text();
  });

  it('ends the request by what it throws, before anything is sent there', async () => {
    await using world = await startWorld(chain);
    const refusal = new Error('not there');
    const coming = world.fetch(`${world.lab.site.httpUrl}/a`, {
      onRedirect(url) {
        if (url.pathname === '/ip') throw refusal;
      },
    });
    await expect(coming).rejects.toBe(refusal);
    expect(world.lab.site.requests.map(({ path }) => path)).toEqual(['/a', '/b']);
  });

  it('is not asked where no redirect is followed', async () => {
    await using world = await startWorld(chain);
    let asked = 0;
    const onRedirect = () => {
      asked += 1;
    };
    await (await world.fetch(`${world.lab.site.httpUrl}/a`, { redirect: 'manual', onRedirect })).text();
    await (await world.fetch(`${world.lab.site.httpUrl}/ip`, { onRedirect })).text();
    expect(asked).toBe(0);
  });
});
