import { execFile } from 'node:child_process';
import { Agent } from 'node:http';
import { promisify } from 'node:util';
import { ProxyAgent, request } from 'undici';
import { describe, expect, it } from 'vitest';
import { type LabProxyKind, labCaPem, type ProxySpec } from '../../src/lab/index.js';
import { connectThrough, getInside, getThrough } from '../lab/raw-client.js';
import { openSockets, relayWorld, socksThrough } from './relay-clients.js';

const login = { username: 'lab user', password: 'p@ss:word' };
const upstreams: [string, ProxySpec][] = [
  ['http', { kind: 'http' }],
  ['http with credentials', { kind: 'http', credentials: login }],
  ['https', { kind: 'https' }],
  ['socks5', { kind: 'socks5' }],
  ['socks5 with credentials', { kind: 'socks5', credentials: login }],
  ['socks4a', { kind: 'socks4a' as LabProxyKind }],
];
const curl = promisify(execFile);

describe.each(upstreams)('C-07 clients of a relay over a proxy of kind %s', (_name, spec) => {
  it('absolute form, CONNECT, SOCKS5, undici and curl reach http and https sites, and nobody goes direct', async () => {
    const world = await relayWorld({ proxies: [spec] });
    const { lab, relay, whirl } = world;
    const { httpUrl, httpsUrl } = lab.site;
    const answers: [string, string][] = [];
    const take = (name: string, body: string): void => {
      answers.push([name, (JSON.parse(body) as { address: string }).address]);
    };

    take('absolute form', (await getThrough(relay.url, `${httpUrl}/ip`)).body);
    const authority = new URL(httpsUrl).host;
    const tunnel = await connectThrough(relay.url, authority);
    expect(tunnel.status).toBe(200);
    take('CONNECT', (await getInside(tunnel.socket, `${httpsUrl}/ip`)).body);
    const target = { host: 'localhost', port: Number(new URL(httpsUrl).port) };
    take('SOCKS5', (await getInside(await socksThrough(relay, target), `${httpsUrl}/ip`)).body);

    const agent = new ProxyAgent({ uri: relay.url, requestTls: { ca: labCaPem } });
    for (const url of [httpUrl, httpsUrl])
      take(`undici ${url}`, await (await request(`${url}/ip`, { dispatcher: agent })).body.text());
    await agent.close();

    for (const proxy of [relay.url, relay.socksUrl.replace('socks5:', 'socks5h:')]) {
      for (const url of [httpUrl, httpsUrl]) {
        const { stdout } = await curl('curl', ['-sS', '-k', '--noproxy', '', '-x', proxy, `${url}/ip`]);
        take(`curl ${proxy} ${url}`, stdout);
      }
    }

    const [{ address } = { address: '' }] = lab.proxies;
    expect(answers.filter(([, seen]) => seen !== address)).toEqual([]);
    expect(answers).toHaveLength(9);
    expect([...lab.site.byAddress.keys()]).toEqual([address]);
    await expect.poll(() => whirl.rotator.stats()).toMatchObject({ active: 0, succeeded: 9, failed: 0 });
    await relay.close();
    await expect.poll(() => openSockets(world)).toBe(0);
  });
});

describe('plain HTTP through the relay', () => {
  it('is judged by the rule of the engine’s own user', async () => {
    const { lab, relay, whirl } = await relayWorld({ proxies: 1, engine: { classify: () => 'banned' } });
    const verdicts: string[] = [];
    whirl.rotator.on('settled', ({ verdict }) => verdicts.push(verdict));
    await getThrough(relay.url, `${lab.site.httpUrl}/page/1`);
    expect(verdicts).toEqual(['banned']);
  });

  it('keeps connections to the proxy alive', async () => {
    const { lab, relay } = await relayWorld({ proxies: 1 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 20; i++)
      expect((await getThrough(relay.url, `${lab.site.httpUrl}/page/1`, { agent })).status).toBe(200);
    agent.destroy();
    expect(lab.proxies[0]?.stats).toMatchObject({ requests: 20, connections: 1 });
    expect(relay.stats()).toMatchObject({ requests: 20, connections: 1 });
  });
});
