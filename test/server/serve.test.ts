import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { OptionsError, type ProxyWhirlError } from '../../src/errors.js';
import { type ProxyWhirl, proxywhirl } from '../../src/index.js';
import { startLab } from '../../src/lab/index.js';
import { apiOptionNames } from '../../src/server/api-options.js';
import { type ApiServer, apiErrors, type ServeOptions, serve } from '../../src/server/index.js';
import { listenDefaults } from '../../src/server/serve-options.js';
import { allTableRows, readPages } from '../support/doc-pages.js';

interface Served extends AsyncDisposable {
  readonly server: ApiServer;
  readonly whirl: ProxyWhirl;
}

async function served(options: ServeOptions = {}, proxies = ['http://192.0.2.1:8000']): Promise<Served> {
  const whirl = proxywhirl({ proxies });
  const server = await serve({ whirl, port: 0, ...options });
  return {
    server,
    whirl,
    async [Symbol.asyncDispose]() {
      await server.close();
      await whirl.close();
    },
  };
}

interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Over a port, with every header as it is given. */
function ask(
  { host, port }: ApiServer,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string; agent?: Agent } = {},
): Promise<RawAnswer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, path, ...rest }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Everything that comes until the server ends the connection. */
async function rawExchange(server: ApiServer, text: string): Promise<string> {
  const socket = connect(server.port, server.host);
  socket.write(text);
  let got = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    got += chunk;
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  return got;
}

describe('A-05 where serve() listens', () => {
  it('A-05 on loopback at port 8000 by default, as the README says', async () => {
    expect([listenDefaults.host, listenDefaults.port]).toEqual(['127.0.0.1', 8_000]);
    await using world = await served();
    expect(world.server.url).toBe(`http://127.0.0.1:${world.server.port}`);
    expect((await ask(world.server, '/api/v1/health')).status).toBe(200);
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', '10.0.0.1', '::ffff:10.0.0.1'])(
    'A-05 refuses to start at %s without a key, says how to make one, and opens no port',
    async (host) => {
      const whirl = proxywhirl({ proxies: ['http://192.0.2.1:8000'] });
      const error = await serve({ whirl, host, port: 0 }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(OptionsError);
      expect((error as OptionsError).issues).toEqual([
        { path: 'keys', rule: expect.stringContaining('openssl rand -hex 32') },
      ]);
      await whirl.close();
    },
  );

  it('A-05 starts beyond loopback with a key, and asks for it', async () => {
    const key = 'k'.repeat(32);
    await using world = await served({ host: '0.0.0.0', keys: [{ name: 'me', key }] });
    const local = { ...world.server, host: '127.0.0.1', port: world.server.port } as ApiServer;
    expect((await ask(local, '/api/v1/status')).status).toBe(401);
    expect((await ask(local, '/api/v1/status', { headers: { 'x-api-key': key } })).status).toBe(200);
  });

  it('A-05 answers for the address that it was told to listen at', async () => {
    await using world = await served({ host: '127.0.0.77' });
    expect((await ask(world.server, '/api/v1/health')).status).toBe(200);
    expect((await ask(world.server, '/api/v1/health', { headers: { host: 'evil.example' } })).status).toBe(
      421,
    );
  });

  it('says that a port is taken by PW_SERVER_LISTEN, and leaves the engine open', async () => {
    await using world = await served();
    const { whirl, server } = world;
    const error = await serve({ whirl, port: server.port }).catch((thrown: unknown) => thrown);
    expect((error as ProxyWhirlError).code).toBe('PW_SERVER_LISTEN');
    expect(whirl.rotator.acquire().proxy.host).toBe('192.0.2.1');
  });

  it.each([
    [{ port: 65_536 }, 'port'],
    [{ host: 'example.com' }, 'host'],
    [{ drainMs: -1 }, 'drainMs'],
    [{ maxConnections: 0 }, 'maxConnections'],
    [{ headersTimeoutMs: 0.5 }, 'headersTimeoutMs'],
    [{ requestTimeoutMs: 2 ** 31 }, 'requestTimeoutMs'],
    [{ timeout: 301 }, 'timeout'],
    [{ nonsense: 1 }, 'nonsense'],
  ])('refuses %o', async (options, path) => {
    const whirl = proxywhirl({ proxies: ['http://192.0.2.1:8000'] });
    const error = await serve({ whirl, port: 0, ...(options as ServeOptions) }).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as OptionsError).issues.map((issue) => issue.path)).toEqual([path]);
    await whirl.close();
  });

  it('has its options in the table of docs/api.md', () => {
    const rows = allTableRows(readPages().get('docs/api.md') ?? '', ['option', 'default', 'meaning']);
    const documented = rows.map(([name]) => (name ?? '').replaceAll('`', ''));
    const names = [...apiOptionNames.filter((name) => name !== 'rateLimits'), ...Object.keys(listenDefaults)];
    const limits = ['rateLimits.perMinute', 'rateLimits.requestsPerMinute', 'rateLimits.failedAuthPerMinute'];
    expect(documented.sort()).toEqual([...names, ...limits].sort());
  });

  it('A-02 has its errors in the table of docs/api.md, with their statuses and messages', () => {
    const rows = allTableRows(readPages().get('docs/api.md') ?? '', ['code', 'http status', 'message']);
    expect(
      rows.map(([code, status, message]) => [code?.replaceAll('`', ''), Number(status), message]),
    ).toEqual(Object.entries(apiErrors).map(([code, row]) => [code, row.status, row.message]));
  });
});

describe('what comes over a socket', () => {
  it('A-07 is answered as by the function: head, body, and the address of the socket', async () => {
    const lines: string[] = [];
    await using world = await served({ log: (line) => lines.push(line) });
    const put = await ask(world.server, '/api/v1/config', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ timeout: 9 }),
    });
    expect(put.status).toBe(200);
    expect(JSON.parse(put.body).data.timeout).toBe(9);
    expect(put.headers).toMatchObject({
      'content-length': String(put.body.length),
      'cache-control': 'no-store',
    });
    expect(put.headers['x-powered-by']).toBeUndefined();
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'config', address: '127.0.0.1' });
    const head = await ask(world.server, '/api/v1/health', { method: 'HEAD' });
    expect([head.status, head.body]).toEqual([200, '']);
    expect((await ask(world.server, '/docs')).headers['content-security-policy']).toContain(
      "script-src 'self'",
    );
    expect((await ask(world.server, '/api/v1/proxies/%2e%2e%2fconfig')).status).toBe(404);
  });

  it('A-52 a connection is used again', async () => {
    await using world = await served();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 5; i++)
      expect((await ask(world.server, '/api/v1/health', { agent })).status).toBe(200);
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
    agent.destroy();
  });

  it('413 for a body that is too large, announced or chunked, and the connection ends', async () => {
    await using world = await served({ maxBodyBytes: 1_000 });
    const head = 'PUT /api/v1/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    const announced = await rawExchange(world.server, `${head}Content-Length: 100000\r\n\r\n{`);
    expect(announced).toMatch(/^HTTP\/1\.1 413 [\s\S]*Connection: close[\s\S]*PAYLOAD_TOO_LARGE/i);
    const chunk = `800\r\n${'x'.repeat(2_048)}\r\n`;
    const chunked = await rawExchange(
      world.server,
      `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`,
    );
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
  });

  it.each([
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n'],
    ['a length and chunks', 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n'],
    ['a space before the colon', 'X-A : 1\r\n'],
    ['a head above 16 kB', `X-A: ${'a'.repeat(17_000)}\r\n`],
    ['a zero byte', 'X-A: a\0b\r\n'],
  ])('refuses %s, and ends the connection', async (_name, field) => {
    await using world = await served();
    const got = await rawExchange(
      world.server,
      `POST /api/v1/config HTTP/1.1\r\nHost: localhost\r\n${field}\r\n{}GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    );
    expect(got).toMatch(/^HTTP\/1\.1 4(?:00|31) /);
    expect(got.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it.each(['http://evil.example/api/v1/config', '*', '//api/v1/config', '/api/v1/../v1/config'])(
    'has nothing at the target %s',
    async (target) => {
      await using world = await served();
      const got = await rawExchange(
        world.server,
        `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect(got).toMatch(/^HTTP\/1\.1 404 /);
    },
  );

  it('slow clients are cut off by headersTimeoutMs and requestTimeoutMs, and others do not notice', async () => {
    await using world = await served({ headersTimeoutMs: 300, requestTimeoutMs: 600 });
    const slow: Promise<string>[] = [];
    for (let i = 0; i < 50; i++) {
      slow.push(rawExchange(world.server, 'GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: '));
      slow.push(
        rawExchange(
          world.server,
          'PUT /api/v1/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
        ),
      );
    }
    expect((await ask(world.server, '/api/v1/health')).status).toBe(200);
    for (const got of await Promise.all(slow)) expect(got).toMatch(/^(?:HTTP\/1\.1 408 |$)/);
    expect((await ask(world.server, '/api/v1/health')).status).toBe(200);
  });

  it('takes no more than maxConnections clients', async () => {
    await using world = await served({ maxConnections: 2 });
    const open = (): Socket => connect(world.server.port, world.server.host).on('error', () => {});
    const first = [open(), open()];
    await Promise.all(first.map((socket) => once(socket, 'connect')));
    const third = open();
    await once(third, 'close');
    for (const socket of first) socket.destroy();
    await expect
      .poll(() =>
        ask(world.server, '/api/v1/health').then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
  });
});

describe('row 44: close()', () => {
  it('row 44 /ready says 503 at once, nothing new is taken, what is under way ends, and the port closes', async () => {
    await using lab = await startLab({ proxies: [{ fault: 'hang' }] });
    const world = await served({ allowPrivateTargets: true, drainMs: 60_000 }, [...lab.urls]);
    const agent = new Agent({ keepAlive: true });
    await ask(world.server, '/api/v1/ready', { agent });
    const target = `${lab.site.httpUrl}/ip`;
    const working = ask(world.server, '/api/v1/request', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      // Long enough for all that is asked below to be answered meanwhile.
      body: JSON.stringify({ url: target, timeout: 4 }),
    });
    await expect.poll(() => world.whirl.rotator.stats().active).toBe(1);
    const closed = world.server.close();
    const ready = await ask(world.server, '/api/v1/ready', { agent });
    expect([ready.status, JSON.parse(ready.body).data.checks.proxy_pool, ready.headers.connection]).toEqual([
      503,
      'draining',
      'close',
    ]);
    const refused = await ask(world.server, '/api/v1/config');
    expect([refused.status, JSON.parse(refused.body).error.code]).toEqual([503, 'SHUTTING_DOWN']);
    expect((await working).status).toBe(504);
    await closed;
    await expect(ask(world.server, '/api/v1/ready')).rejects.toThrow(/ECONNREFUSED/);
    // The engine is not the server's.
    expect(world.whirl.rotator.acquire().settled).toBe(false);
    agent.destroy();
    await world.whirl.close();
  });

  it('row 44 what takes longer than drainMs is cut, and close() resolves', async () => {
    await using lab = await startLab({ proxies: [{ fault: 'hang' }] });
    const world = await served({ allowPrivateTargets: true, drainMs: 50 }, [...lab.urls]);
    const working = ask(world.server, '/api/v1/request', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url: `${lab.site.httpUrl}/ip`, timeout: 60 }),
    }).catch((error: NodeJS.ErrnoException) => error.code);
    await expect.poll(() => world.whirl.rotator.stats().active).toBe(1);
    await world.server.close();
    expect(await working).toBe('ECONNRESET');
    await expect.poll(() => world.whirl.rotator.stats().active).toBe(0);
    await world.server.close();
    await world.whirl.close();
  });

  it('row 44 streams of events end, and idle connections do not hold it up', async () => {
    const world = await served();
    const idle = connect(world.server.port, world.server.host);
    await once(idle, 'connect');
    const ended = new Promise<void>((resolve) => {
      request({ host: world.server.host, port: world.server.port, path: '/api/v1/events' }, (response) => {
        response.resume().on('close', resolve);
        void world.server.close();
      }).end();
    });
    await ended;
    await world.server.close();
    await world.whirl.close();
  });
});

describe('section 6: answers that nobody takes', () => {
  it('keep their room until they are taken, and for no longer than requestTimeoutMs', async () => {
    const bytes = 30 * 1024 * 1024;
    const site = createServer((_, response) => response.end(Buffer.alloc(bytes, 'a')));
    site.listen(0, '127.0.0.1');
    await once(site, 'listening');
    await using lab = await startLab({ proxies: 1 });
    await using world = await served(
      {
        allowPrivateTargets: true,
        maxResponseBytes: 2 * bytes,
        requestTimeoutMs: 2_000,
        rateLimits: { requestsPerMinute: 1_000 },
      },
      [...lab.urls],
    );
    const { server } = world;
    const order = JSON.stringify({ url: `http://127.0.0.1:${(site.address() as AddressInfo).port}/` });
    const headers = { 'content-type': 'application/json' };
    const send = () => ask(server, '/api/v1/request', { method: 'POST', headers, body: order });
    const idle = await Promise.all(
      [1, 2].map(async () => {
        const socket = connect(server.port, server.host);
        socket.on('error', () => {});
        socket.write(
          `POST /api/v1/request HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${order.length}\r\n\r\n${order}`,
        );
        // The answer has begun; the rest of it is not read.
        await once(socket, 'readable');
        return socket;
      }),
    );
    const refused = await send();
    expect([refused.status, JSON.parse(refused.body).error.code]).toEqual([503, 'BUSY']);
    await expect.poll(async () => (await send()).status, { timeout: 15_000, interval: 200 }).toBe(200);
    const taken = await Promise.all(
      idle.map(async (socket) => {
        let size = 0;
        for await (const chunk of socket) size += (chunk as Buffer).length;
        return size;
      }),
    );
    for (const size of taken) expect(size).toBeLessThan(bytes);
    site.closeAllConnections();
    site.close();
  });
});
