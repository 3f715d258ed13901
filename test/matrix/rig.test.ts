import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { labCaPem } from '../../src/lab/index.js';
import { connectThrough, exchange, getInside, getThrough } from '../lab/raw-client.js';
import { fdCount, type Rig, socketsTo, startRig } from './rig.js';

let rig: Rig;

beforeAll(async () => {
  rig = await startRig();
});
beforeEach(() => rig.target.script([]));
afterAll(() => rig[Symbol.asyncDispose]());

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

/** As `ps` prints it; undefined when there is no such process. */
function stateOf(pid: number): string | undefined {
  try {
    return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

describe('the rig', () => {
  it('runs target and proxies in processes of their own, which cost less than a second to start', async () => {
    const proxy = await rig.proxy();
    const alone = await rig.proxy({ group: 'alone' });
    const pids = [process.pid, rig.target.process.pid, proxy.process.pid, alone.process.pid];
    expect(new Set(pids).size).toBe(4);
    expect((await rig.proxy()).process).toBe(proxy.process);
    // Of processor time: the machine may be busy with other tests.
    expect(alone.process.startCpuMs).toBeLessThan(1000);
  });

  it('gives each proxy an address of its own, which the target sees', async () => {
    const [one, two] = [await rig.proxy(), await rig.proxy()];
    expect(one.address).not.toBe(two.address);
    await rig.target.forget();
    await getThrough(one.url, `${rig.target.httpUrl}/a`);
    await getThrough(two.url, `${rig.target.httpUrl}/a?b`);
    expect(await rig.target.counts()).toMatchObject({
      requests: 2,
      byPath: { '/a': 2 },
      byFrom: { [one.address]: 1, [two.address]: 1 },
    });
  });

  it('starts each kind of proxy, with credentials and faults that can be changed', async () => {
    const credentials = { username: 'u', password: 'p' };
    const proxy = await rig.proxy({ credentials, fault: { kind: 'connect-status', status: 502 } });
    const authority = new URL(rig.target.httpsUrl).host;
    expect((await connectThrough(proxy.url, authority)).status).toBe(502);
    await proxy.behave({ fault: 'none' });
    const { socket } = await connectThrough(proxy.url, authority);
    expect((await getInside(socket, `${rig.target.httpsUrl}/`)).body).toBe('ok\n');
    expect((await connectThrough(proxy.url.replace('u:p@', ''), authority)).status).toBe(407);
    for (const kind of ['https', 'socks5'] as const)
      expect(new URL((await rig.proxy({ kind })).url).protocol).toBe(`${kind}:`);
    await expect(rig.proxy({ kind: 'socks5', fault: 'drip' })).rejects.toMatchObject({
      code: 'PW_LAB_UNAVAILABLE',
    });
  });

  it.each(['http', 'https', 'socks5'] as const)(
    'keeps the first bytes and counts connections: %s',
    async (kind) => {
      const proxy = await rig.proxy({ kind, fault: 'close' });
      const hello = kind === 'socks5' ? '\x05\x01\x00' : 'GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n';
      for (let i = 0; i < 3; i += 1) {
        const to = { host: proxy.address, port: proxy.port, ca: labCaPem };
        const socket = kind === 'https' ? tlsConnect(to) : connect(to);
        socket.resume().write(hello, 'latin1');
        await once(socket, 'close');
      }
      expect(await proxy.drained()).toMatchObject({
        connections: 3,
        openSockets: 0,
        firstBytes: [hello, hello, hello],
      });
    },
  );

  it('hands over a request of which it has peeked, in whatever pieces it came', async () => {
    const proxy = await rig.proxy();
    const socket = connect({ host: proxy.address, port: proxy.port });
    await once(socket, 'connect');
    socket.write('POS');
    while ((await proxy.seen()).firstBytes.length === 0);
    socket.write(
      `T ${rig.target.httpUrl}/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbo`,
    );
    socket.write('dy');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 200 /);
    expect((await rig.target.counts()).bodies).toMatchObject({ [sha256('body')]: 1 });
    expect((await proxy.seen()).firstBytes).toEqual(['POS']);
  });
});

describe('the target', () => {
  const raw = (path: string): ReturnType<typeof exchange> => {
    const { hostname, port } = new URL(rig.target.httpUrl);
    return exchange(
      { host: hostname, port: Number(port) },
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
  };

  it('answers by script: status, headers, body, in turn', async () => {
    await rig.target.script([
      { path: '/busy', answer: [{ status: 503, headers: { 'retry-after': '7' } }, { body: 'back' }] },
      { host: 'b.lab.test', answer: { status: 403 } },
      { from: '127.0.0.250', answer: { status: 500 } },
    ]);
    expect(await raw('/busy')).toMatchObject({ ended: 'FIN' });
    expect(String((await raw('/busy')).received)).toMatch(/back$/);
    expect(String((await raw('/busy')).received)).toMatch(/back$/);
    const other = await rig.proxy({ address: '127.0.0.250' });
    expect((await getThrough(other.url, `${rig.target.httpUrl}/x`)).status).toBe(500);
    const { port } = new URL(rig.target.httpUrl);
    expect((await getThrough(other.url, `http://b.lab.test:${port}/x`)).status).toBe(403);
  });

  it('drips, waits, cuts, keeps silent and talks nonsense', async () => {
    await rig.target.script([
      { path: '/drip', answer: { body: 'abcdef', drip: { bytes: 1, everyMs: 2 } } },
      { path: '/late', answer: { body: 'late', delayMs: 30 } },
      { path: '/cut', answer: { bodyBytes: 1000, cut: { afterBytes: 10 } } },
      { path: '/rst', answer: { bodyBytes: 1000, cut: { afterBytes: 10, reset: true } } },
      { path: '/raw', answer: { raw: 'nonsense' } },
      { path: '/silent', answer: { silent: true } },
    ]);
    expect(String((await raw('/drip')).received)).toMatch(/abcdef$/);
    const before = performance.now();
    expect(String((await raw('/late')).received)).toMatch(/late$/);
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
    const bodyOf = (received: Buffer): number => received.length - received.indexOf('\r\n\r\n') - 4;
    const cut = await raw('/cut');
    expect([bodyOf(cut.received), cut.ended]).toEqual([10, 'FIN']);
    const reset = await raw('/rst');
    expect([bodyOf(reset.received), reset.ended]).toEqual([10, 'ECONNRESET']);
    expect(String((await raw('/raw')).received)).toBe('nonsense');
    const heard: unknown[] = [];
    const silent = connect(Number(new URL(rig.target.httpUrl).port), '127.0.0.1');
    silent.on('data', (chunk) => heard.push(chunk)).write('GET /silent HTTP/1.1\r\nHost: x\r\n\r\n');
    while ((await rig.target.counts()).byPath['/silent'] !== 1);
    silent.destroy();
    expect(heard).toEqual([]);
  });

  it('sends bodies whose hash it names, chunked or not', async () => {
    await rig.target.script([
      { path: '/plain', answer: { bodyBytes: 100_001 } },
      { path: '/chunked', answer: { bodyBytes: 100_001, chunked: true } },
    ]);
    const proxy = await rig.proxy();
    for (const path of ['/plain', '/chunked']) {
      const { headers, body } = await getThrough(proxy.url, `${rig.target.httpUrl}${path}`);
      expect(headers['content-length']).toBe(path === '/plain' ? '100001' : undefined);
      expect(sha256(Buffer.from(body, 'latin1'))).toBe(headers['x-sha256']);
    }
  });

  it('counts each body that came whole', async () => {
    const proxy = await rig.proxy();
    await rig.target.forget();
    for (const body of ['one', 'two', 'two'])
      await getThrough(proxy.url, `${rig.target.httpUrl}/post`, { method: 'POST', body });
    expect((await rig.target.counts()).bodies).toEqual({ [sha256('one')]: 1, [sha256('two')]: 2 });
    expect(await rig.target.log()).toMatchObject([{ method: 'POST', bodyBytes: 3 }, {}, {}]);
  });

  it.each([
    ['lab', undefined],
    ['expired', 'CERT_HAS_EXPIRED'],
    ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['wrong-name', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['intercept', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ] as const)('shows the certificate %s, which is refused for that one reason', async (certificate, code) => {
    const { port } = new URL(await rig.target.badHttpsUrl(certificate));
    const socket = tlsConnect({ host: 'localhost', port: Number(port), ca: labCaPem });
    const refused = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once('error', resolve).once('secureConnect', () => resolve(undefined));
    });
    socket.destroy();
    expect(refused?.code).toBe(code);
  });
});

describe('processes', () => {
  it('stop, resume and die alone', async () => {
    const [victim, other] = [await rig.proxy({ group: 'victim' }), await rig.proxy()];
    await victim.process.stop();
    expect(stateOf(victim.process.pid)).toBe('T');
    const waiting = getThrough(victim.url, `${rig.target.httpUrl}/a`);
    expect((await getThrough(other.url, `${rig.target.httpUrl}/a`)).status).toBe(200);
    expect(socketsTo(victim.port)).toBe(1);
    victim.process.resume();
    expect((await waiting).status).toBe(200);

    const { socket } = await connectThrough(victim.url, new URL(rig.target.httpUrl).host);
    const broken = new Promise((resolve) => socket.once('close', resolve).resume());
    await victim.process.kill();
    await broken;
    expect(victim.process.running).toBe(false);
    await expect(victim.seen()).rejects.toThrow('has ended');
    expect((await exchange({ host: victim.address, port: victim.port }, 'x')).ended).toBe('ECONNREFUSED');

    const { address, port } = victim;
    const again = await rig.proxy({ group: 'victim', address, port });
    expect(again.url).toBe(victim.url);
    expect((await getThrough(again.url, `${rig.target.httpUrl}/a`)).status).toBe(200);
  });

  it('replace a killed process once, whoever asks first', async () => {
    const first = await rig.proxy({ group: 'killed' });
    await first.process.kill();
    const [one, two] = await Promise.all([rig.proxy({ group: 'killed' }), rig.proxy({ group: 'killed' })]);
    expect(one.process).toBe(two.process);
    expect(one.process).not.toBe(first.process);
  });

  it('end with their rig, the stopped ones included', async () => {
    const own = await startRig();
    const proxy = await own.proxy();
    await proxy.process.stop();
    await own[Symbol.asyncDispose]();
    expect([proxy.process.running, own.target.process.running]).toEqual([false, false]);
  });

  it('end with the process that started them, even when it is killed and they are stopped', async () => {
    const program = `
      import { startRig } from './test/matrix/rig.ts';
      const rig = await startRig();
      const proxy = await rig.proxy();
      await proxy.process.stop();
      console.log(rig.target.process.pid, proxy.process.pid);`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(parent.stdout, 'data');
    const pids = String(line).trim().split(' ').map(Number);
    expect(pids.map(stateOf)).toEqual([expect.stringMatching(/[SR]/), 'T']);
    parent.kill('SIGKILL');
    await Promise.all(pids.map(gone));
    expect(pids).toHaveLength(2);
  });
});

describe('a blackhole', () => {
  it('leaves connections hanging: neither accepted nor refused', async () => {
    const hole = await rig.blackhole();
    const socket = connect({ host: hole.address, port: hole.port });
    const fate = Promise.race(['connect', 'error'].map((event) => once(socket, event).then(() => event)));
    // A SYN is sent again after a second; a listener that is only slow would take that one.
    const patience = new Promise((resolve) => setTimeout(() => resolve('hangs'), 1300));
    expect(await Promise.race([fate, patience])).toBe('hangs');
    expect(socketsTo(hole.port)).toBe(1);
    socket.destroy();
    fate.catch(() => {});
    expect(socketsTo(hole.port)).toBe(0);
  });
});

describe('what this process holds', () => {
  it('is counted: descriptors, and sockets by the port at their other end', async () => {
    const proxy = await rig.proxy();
    const fds = fdCount();
    const sockets = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const socket = connect({ host: proxy.address, port: proxy.port });
        await once(socket, 'connect');
        return socket;
      }),
    );
    expect([fdCount() - fds, socketsTo(proxy.port)]).toEqual([5, 5]);
    await Promise.all(sockets.map((socket: Socket) => once(socket.destroy(), 'close')));
    expect([fdCount() - fds, socketsTo(proxy.port)]).toEqual([0, 0]);
  });
});

/** Resolves when the process is gone, or a zombie that nobody here can reap. */
async function gone(pid: number): Promise<void> {
  while ([undefined, 'Z'].includes(stateOf(pid)) === false) await new Promise(setImmediate);
}
