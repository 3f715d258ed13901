import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import type { CheckTarget } from '../../src/health/check-target.js';
import { readJudgement } from '../../src/health/judge.js';
import { type ProbeResult, probe } from '../../src/health/probe.js';
import { type Lab, labCaPem, type ProxySpec, startLab } from '../../src/lab/index.js';
import { ProxyDispatchers } from '../../src/transport/dispatcher.js';
import { loopTime } from '../support/loop-time.js';
import { startTalkative } from '../support/talkative-proxy.js';

const clock = { now: () => performance.now() };
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function openDispatchers(): ProxyDispatchers {
  const dispatchers = new ProxyDispatchers({ tls: { ca: labCaPem } });
  cleanups.push(() => dispatchers.destroy());
  return dispatchers;
}

async function labOf(spec: ProxySpec): Promise<Lab> {
  const lab = await startLab({ proxies: [spec] });
  cleanups.push(() => lab.close());
  return lab;
}

/** One check through the only proxy of a lab; then nothing may be left open. */
async function probed(
  spec: ProxySpec,
  check: (lab: Lab) => CheckTarget,
  timeoutMs?: number,
): Promise<ProbeResult> {
  const lab = await labOf(spec);
  const dispatchers = new ProxyDispatchers({ tls: { ca: labCaPem } });
  const proxy = parseProxy(lab.urls[0] ?? '');
  const result = await probe({ proxy, dispatchers, check: check(lab), clock, timeoutMs });
  expect(result.proxyId).toBe(proxy.id);
  await dispatchers.destroy();
  await vi.waitFor(() => expect([lab.proxies[0]?.stats.openSockets, lab.site.openSockets]).toEqual([0, 0]));
  return result;
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A site that echoes as a judge does. */
function startJudge(): Promise<string> {
  return listening(
    createServer((request, response) => {
      response.end(JSON.stringify({ address: request.socket.remoteAddress, headers: request.headers }));
    }),
  );
}

/** A forward proxy that adds headers to what it passes on. */
async function startTalker(headers: Record<string, string>): Promise<string> {
  const talkative = await startTalkative(() => headers);
  cleanups.push(async () => talkative[Symbol.asyncDispose]());
  return talkative.url;
}

const portal = '<html><body>Welcome to our hotel. Please log in.</body></html>';
const page =
  (scheme: 'http' | 'https', path = '/page/1') =>
  (lab: Lab): CheckTarget => ({ url: `${lab.site[`${scheme}Url`]}${path}`, token: 'the text of page' });

describe.each(['http', 'https'] as const)('a check over %s', (scheme) => {
  it('passes through a good proxy, with its time to the first byte', async () => {
    const result = await probed({ latencyMs: 30 }, page(scheme));
    expect(result).toMatchObject({ ok: true, verdict: 'success', status: 200, error: null });
    expect(result).toMatchObject({ exitAddress: null, anonymity: null });
    expect(result.latencyMs).toBeGreaterThanOrEqual(29);
  });

  it('uses the credentials of real traffic', async () => {
    const credentials = { username: 'us', password: 'right' };
    expect(await probed({ credentials }, page(scheme))).toMatchObject({ ok: true });
  });

  it.each([
    [{ fault: 'dead' }, 'proxy', 'PW_PROXY_REFUSED'],
    [{ fault: 'auth' }, 'auth', 'PW_PROXY_AUTH'],
    [{ credentials: { username: 'us', password: 'right' }, wrongPassword: true }, 'auth', 'PW_PROXY_AUTH'],
  ] as const)('fails through %o: %s', async (spec, verdict, code) => {
    const result = await probed(spec, page(scheme));
    expect(result).toMatchObject({ ok: false, verdict, latencyMs: null, status: null, error: { code } });
  });

  it('ends in time through a proxy that hangs', async () => {
    const passed = loopTime();
    const result = await probed({ fault: 'hang' }, page(scheme), 300);
    expect(passed()).toBeLessThan(1_500);
    expect(result).toMatchObject({ ok: false, verdict: 'ambiguous', error: { code: 'PW_FETCH_DEADLINE' } });
  });

  it('tells that the site has banned the proxy', async () => {
    const result = await probed({ bannedBySite: true }, page(scheme));
    expect(result).toMatchObject({
      ok: false,
      verdict: 'banned',
      status: 403,
      error: { code: 'CHECK_STATUS' },
    });
  });

  it('passes on how long the site asked to stay away', async () => {
    const lab = await startLab({
      proxies: 1,
      site: { ban: { addresses: ['127.0.0.1', '127.0.0.2'], status: 429, retryAfterSeconds: 7 } },
    });
    cleanups.push(() => lab.close());
    const proxy = parseProxy(lab.urls[0] ?? '');
    const banned = await probe({ proxy, dispatchers: openDispatchers(), check: page(scheme)(lab), clock });
    expect(banned).toMatchObject({ verdict: 'banned', status: 429, retryAfterMs: 7_000 });
    lab.site.ban(null);
    const passed = await probe({ proxy, dispatchers: openDispatchers(), check: page(scheme)(lab), clock });
    expect(passed).toMatchObject({ ok: true, retryAfterMs: null });
  });

  it('expects another status when it is told to', async () => {
    const check = (expectStatus?: number) => (lab: Lab) => ({
      url: `${lab.site[`${scheme}Url`]}/status/404`,
      expectStatus,
    });
    expect(await probed({}, check(404))).toMatchObject({ ok: true, verdict: 'success', status: 404 });
    const verdict = scheme === 'https' ? 'target' : 'ambiguous';
    expect(await probed({}, check())).toMatchObject({ ok: false, verdict, error: { code: 'CHECK_STATUS' } });
  });

  it('blames nobody when it is aborted', async () => {
    const lab = await labOf({ fault: 'hang' });
    const stopping = new AbortController();
    const coming = probe({
      proxy: parseProxy(lab.urls[0] ?? ''),
      dispatchers: openDispatchers(),
      check: page(scheme)(lab),
      clock,
      signal: stopping.signal,
    });
    setTimeout(() => stopping.abort(), 50);
    expect(await coming).toMatchObject({
      ok: false,
      verdict: 'neutral',
      error: { code: 'PW_FETCH_ABORTED' },
    });
    await vi.waitFor(() => expect(lab.proxies[0]?.stats.openSockets).toBe(0));
  });
});

describe('a captive portal', () => {
  const answering = (status: number, headers: Record<string, string> = {}): ProxySpec => ({
    fault: {
      kind: 'connect-status',
      status,
      body: portal,
      headers: { 'content-type': 'text/html', ...headers },
    },
  });

  it('that answers with 200 is found by the token, and passes without one', async () => {
    const withToken = await probed(answering(200), page('http'));
    expect(withToken).toMatchObject({ ok: false, verdict: 'ambiguous', error: { code: 'CHECK_TOKEN' } });
    const without = await probed(answering(200), (lab) => ({ url: lab.site.httpUrl }));
    expect(without.ok).toBe(true);
  });

  it('that redirects to its login is not followed', async () => {
    const lab = await labOf({});
    const spec = answering(302, { location: `${lab.site.httpUrl}/page/1` });
    const result = await probed(spec, page('http'));
    expect(result).toMatchObject({ ok: false, status: 302, error: { code: 'CHECK_STATUS' } });
    expect(lab.site.requests).toEqual([]);
  });

  it('that says so itself is to blame', async () => {
    expect(await probed(answering(511), page('http'))).toMatchObject({ ok: false, verdict: 'proxy' });
  });

  it.each([302, 511])('that answers CONNECT with %s opens no tunnel', async (status) => {
    const result = await probed(answering(status), page('https'));
    expect(result).toMatchObject({ ok: false, verdict: 'proxy', status: null });
    expect(result.error?.code).toBe('PW_PROXY_CONNECT_STATUS');
  });
});

describe('a judge', () => {
  const ownAddress = '192.0.2.77';

  it.each([
    ['elite', {}],
    ['anonymous', { via: '1.1 squid' }],
    ['anonymous', { 'x-forwarded-for': '198.51.100.1' }],
    ['transparent', { 'x-forwarded-for': `10.0.0.1, ${ownAddress}` }],
    ['transparent', { forwarded: `for="${ownAddress}:4711";proto=http` }],
  ] as const)('finds %s by %o', async (anonymity, headers) => {
    const [judge, url] = await Promise.all([startJudge(), startTalker(headers)]);
    const parts = { proxy: parseProxy(url), dispatchers: openDispatchers(), clock };
    const own = { url: judge, judge: true, ownAddress };
    expect(await probe({ ...parts, check: own })).toMatchObject({
      ok: true,
      anonymity,
      exitAddress: '127.0.0.1',
    });
    const lab = await labOf({});
    const other = { url: `${lab.site.httpUrl}/ip`, judge: { url: judge }, ownAddress };
    expect(await probe({ ...parts, check: other })).toMatchObject({ ok: true, anonymity });
  });

  it('tells the exit address of a proxy, and no more than it was told', async () => {
    const lab = await startLab({ proxies: 2 });
    cleanups.push(() => lab.close());
    const check = { url: `${lab.site.httpUrl}/ip`, judge: true };
    const second = lab.proxies[1];
    const proxy = parseProxy(second?.url ?? '');
    const result = await probe({ proxy, dispatchers: openDispatchers(), check, clock });
    expect(result).toMatchObject({ ok: true, exitAddress: second?.address, anonymity: null });
  });

  it('that is broken does not fail the check', async () => {
    const result = await probed({}, (lab) => ({
      ...page('http')(lab),
      judge: { url: `${lab.site.httpUrl}/status/500` },
    }));
    expect(result).toMatchObject({ ok: true, verdict: 'success', exitAddress: null, anonymity: null });
  });

  it.each([
    ['not JSON', undefined, null, null],
    ['null', undefined, null, null],
    ['{"address":"<script>","headers":{}}', undefined, null, 'elite'],
    ['{"address":"::ffff:192.0.2.1","headers":{"host":"x"}}', undefined, '192.0.2.1', 'elite'],
    ['{"headers":{"Via":"1.1 a"}}', undefined, null, 'anonymous'],
    // It may be ours: without our own address there is no telling.
    ['{"headers":{"X-Forwarded-For":"198.51.100.9"}}', undefined, null, null],
    [
      '{"address":"198.51.100.9","headers":{"X-Forwarded-For":"198.51.100.9"}}',
      undefined,
      '198.51.100.9',
      'anonymous',
    ],
    [
      '{"headers":{"Forwarded":["for=a","for=\\"[2001:DB8:0::1]:80\\""]}}',
      '2001:db8::1',
      null,
      'transparent',
    ],
    ['{"headers":{"Proxy-Connection":"close"}}', ownAddress, null, 'anonymous'],
    ['{"headers":{"host":"192.0.2.77"}}', ownAddress, null, 'elite'],
  ] as const)('may answer %s', (body, own, exitAddress, anonymity) => {
    expect(readJudgement(body, own)).toEqual({ exitAddress, anonymity });
  });
});

describe('a result', () => {
  it('shows no credential, not even of a proxy that echoes them', async () => {
    const echo = await listening(
      createServer((request, response) => {
        const told = String(request.headers['proxy-authorization']);
        response.writeHead(407, { 'proxy-authenticate': told, 'x-told': told }).end(told);
      }).on('connect', (request, socket) => {
        socket.on('error', () => {});
        socket.end(`HTTP/9.9 ${request.headers['proxy-authorization']}\r\n\r\n`);
      }),
    );
    const url = new URL(echo);
    const proxy = parseProxy(`http://us:c4n4ry@${url.host}`);
    const dispatchers = openDispatchers();
    for (const target of ['http://shop.test/?key=k3y', 'https://shop.test/?key=k3y']) {
      const result = await probe({ proxy, dispatchers, check: { url: target, token: 't0ken' }, clock });
      expect(result.ok).toBe(false);
      const shown = inspect(result, { depth: 20, showHidden: true });
      const encoded = Buffer.from('us:c4n4ry').toString('base64');
      for (const secret of ['c4n4ry', encoded, 'k3y', 't0ken']) expect(shown).not.toContain(secret);
    }
  });

  it('is none for a URL that cannot be asked for', async () => {
    const parts = { proxy: parseProxy('127.0.0.1:1'), dispatchers: openDispatchers(), clock };
    await expect(probe({ ...parts, check: { url: 'ftp://shop.test/' } })).rejects.toMatchObject({
      code: 'PW_FETCH_INVALID',
    });
  });
});
