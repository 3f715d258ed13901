import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createRotator } from '../../src/create-rotator.js';
import { SocksBridges } from '../../src/integrations/socks-bridges.js';
import { type Lab, type ProxySpec, startLab, type TargetSiteOptions } from '../../src/lab/index.js';
import { connectThrough, getInside, getThrough } from '../lab/raw-client.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource.close();
});

const credentials = { username: 'lab user', password: 'p@ss:word' };

async function bridgeOver(spec: ProxySpec, site: TargetSiteOptions = {}) {
  const lab = await startLab({ proxies: [spec], site });
  open.push(lab);
  const rotator = createRotator({ proxies: lab.urls });
  const [member] = rotator.pool.list();
  if (member === undefined) throw new Error('no proxy');
  const bridges = new SocksBridges(rotator);
  open.push(bridges);
  return { lab, rotator, bridges, proxy: member.proxy, url: await bridges.urlFor(member.proxy) };
}

async function noSockets(lab: Lab): Promise<void> {
  await expect.poll(() => lab.proxies[0]?.stats.openSockets).toBe(0);
}

/** Writes, and reads until the bridge closes. */
async function converse(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  let heard = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    heard += chunk;
  });
  socket.on('error', () => {}).write(text, 'latin1');
  await once(socket, 'close');
  return heard;
}

describe('a bridge to a SOCKS proxy', () => {
  it.each([
    ['socks5', {}],
    ['socks5', { credentials }],
    ['socks4a', {}],
    ['socks4', { credentials: { username: 'lab', password: '' } }],
  ] as const)('C-07 carries both schemes over %s with %j, and leaves nothing open', async (kind, more) => {
    const { lab, rotator, bridges, url } = await bridgeOver({ kind, ...more });
    const { httpUrl, httpsUrl } = lab.site;
    expect(JSON.parse((await getThrough(url, `${httpUrl}/ip`)).body)).toEqual({ address: '127.0.0.2' });
    const { status, socket } = await connectThrough(url, new URL(httpsUrl).host);
    expect(status).toBe(200);
    expect((await getInside(socket, `${httpsUrl}/ip`)).body).toContain('127.0.0.2');
    bridges.close();
    await noSockets(lab);
    const [{ bytesUp, bytesDown } = { bytesUp: 0, bytesDown: 0 }] = lab.proxies.map(({ stats }) => stats);
    expect(rotator.stats().proxies[0]).toMatchObject({ bytesUp, bytesDown });
  });

  it('passes a body on, and the head of the answer as it is', async () => {
    const seen: string[] = [];
    const { lab, url } = await bridgeOver(
      { kind: 'socks5' },
      {
        answer: ({ method, headers }) => {
          seen.push(
            `${method} ${headers['content-length']} ${headers['proxy-connection']} ${headers['x-own']}`,
          );
          return { status: 418, headers: { 'x-answer': ['1', '2'] }, body: 'tea' };
        },
      },
    );
    const headers = { 'proxy-connection': 'keep-alive', 'x-own': 'yes', 'content-length': '4' };
    const options = { method: 'POST', body: 'milk', headers };
    const answer = await getThrough(url, `${lab.site.httpUrl}/`, options);
    expect(seen).toEqual(['POST 4 undefined yes']);
    expect(answer).toMatchObject({ status: 418, body: 'tea' });
    expect(answer.headers['x-answer']).toBe('1, 2');
  });

  it('shows the target one request where a body hides a second one', async () => {
    const { lab, url } = await bridgeOver({ kind: 'socks5' });
    const hidden = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n';
    const size = hidden.length.toString(16);
    const host = `Host: ${new URL(lab.site.httpUrl).host}`;
    const head = `GET ${lab.site.httpUrl}/ip HTTP/1.1\r\n${host}\r\nConnection: close\r\n`;
    await converse(url, `${head}Transfer-Encoding: chunked\r\n\r\n${size}\r\n${hidden}\r\n0\r\n\r\n`);
    const twice = `Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    expect(await converse(url, head + twice)).toMatch(/^(?:HTTP\/1.1 400|$)/);
    expect(lab.site.requests.map(({ path }) => path)).toEqual(['/ip']);
  });

  it('refuses what is no request to a proxy', async () => {
    const { lab, url } = await bridgeOver({ kind: 'socks5' });
    for (const line of ['GET /ip HTTP/1.1', 'GET https://localhost/ HTTP/1.1', 'CONNECT localhost HTTP/1.1'])
      expect(await converse(url, `${line}\r\nHost: a\r\nConnection: close\r\n\r\n`)).toMatch(
        /^HTTP\/1.1 400/,
      );
    expect(lab.proxies[0]?.stats.connections).toBe(0);
  });

  it('says why nobody was led to a target, of that target alone and not of earlier', async () => {
    const { rotator, bridges, proxy, url } = await bridgeOver({ kind: 'socks5', fault: 'dead' });
    const since = rotator.clock.now();
    expect((await connectThrough(url, '127.0.0.1:443')).status).toBe(502);
    await expect(getThrough(url, 'http://LocalHost/x')).rejects.toThrow();
    for (const target of ['https://127.0.0.1/', 'http://localhost/y'])
      expect(bridges.faultOf(proxy.id, target, since)).toMatchObject({
        code: 'PW_PROXY_REFUSED',
        verdict: 'proxy',
      });
    expect(bridges.faultOf(proxy.id, 'http://127.0.0.1/', since)).toBeUndefined();
    expect(bridges.faultOf(proxy.id, 'https://127.0.0.1/', rotator.clock.now() + 1)).toBeUndefined();
    expect(bridges.faultOf('px_other', 'https://127.0.0.1/', since)).toBeUndefined();
  });

  it('breaks off where the proxy does, and ends when its proxy is gone', async () => {
    const cut = await bridgeOver({ kind: 'socks5', fault: { kind: 'truncate', afterBytes: 10 } });
    await expect(getThrough(cut.url, `${cut.lab.site.httpUrl}/page/1`)).rejects.toThrow();
    const { lab, bridges, proxy, url } = await bridgeOver({ kind: 'socks5' });
    const { socket } = await connectThrough(url, new URL(lab.site.httpsUrl).host);
    bridges.drop(proxy.id);
    await once(socket, 'close');
    await noSockets(lab);
    await expect(connectThrough(url, '127.0.0.1:443')).rejects.toThrow('ECONNREFUSED');
    const again = await bridges.urlFor(proxy);
    expect((await connectThrough(again, new URL(lab.site.httpsUrl).host)).status).toBe(200);
  });

  it('lets go of the proxy when the client leaves before there is a tunnel', async () => {
    const { lab, url } = await bridgeOver({ kind: 'socks5', fault: 'hang' });
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.write(`CONNECT ${new URL(lab.site.httpsUrl).host} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await expect.poll(() => lab.proxies[0]?.stats.openSockets).toBe(1);
    socket.end();
    await noSockets(lab);
  });

  it('passes heads on that are longer than Node takes by itself', async () => {
    const long = 'x'.repeat(20_000);
    const answer = () => ({ status: 200, headers: { 'x-long': long }, body: 'ok' });
    const { lab, url } = await bridgeOver({ kind: 'socks5' }, { answer });
    const outgoing = await converse(
      url,
      `GET ${lab.site.httpUrl}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-own: ${'y'.repeat(14_000)}\r\n\r\n`,
    );
    expect(outgoing).toMatch(/^HTTP\/1.1 200/);
    expect(outgoing).toContain(long);
  });

  it('takes an answer that breaks HTTP for none', async () => {
    const { lab, url } = await bridgeOver({ kind: 'socks5' });
    const rude = createServer((socket) => {
      socket.on('error', () => {}).end('HTTP/1.1 007 no\r\nContent-Length: 0\r\n\r\n');
    });
    open.push(rude);
    rude.listen(0, '127.0.0.1');
    await once(rude, 'listening');
    const { port } = rude.address() as AddressInfo;
    await expect(getThrough(url, `http://127.0.0.1:${port}/`)).rejects.toThrow();
    expect((await getThrough(url, `${lab.site.httpUrl}/ip`)).status).toBe(200);
  });

  it('does not keep a process alive', async () => {
    const script = `
      const { proxywhirl } = await import('./src/index.ts');
      const whirl = proxywhirl({ proxies: ['socks5://192.0.2.1:1080'] });
      console.log((await whirl.newProxyInfo('s')).url);`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { timeout: 100_000 },
    );
    expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\n$/);
  });
});
