import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { headersSchema } from '../../src/server/header-policy.js';
import { countConnects } from '../matrix/connect-count.js';
import { onRequest } from '../transport/scripted-proxy.js';
import { callApi, startApi } from './api-world.js';

/** Answers every request with the lines of its head, as they came. */
async function strictTarget(): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const serve = (): void =>
      onRequest(socket, (head) => {
        const body = JSON.stringify(head.split('\r\n').slice(1, -2));
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
        serve();
      });
    serve();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const own = [
  ...['Host', 'content-length', 'Transfer-Encoding', 'CONNECTION', 'keep-alive', 'TE', 'Trailer', 'upgrade'],
  ...['Expect', 'Proxy-Authorization', 'proxy-connection', 'PROXY-anything'],
];

describe('headers of POST /request', () => {
  it.each([
    ...own.map((name) => [name, { [name]: '1' }] as const),
    ['CR', { 'x-a': 'a\rb' }],
    ['LF', { 'x-a': 'a\nHost: evil' }],
    ['NUL', { 'x-a': 'a\0b' }],
    ['a line break in the name', { 'x-a\r\nx-b': '1' }],
    ['a space in the name', { 'x a': '1' }],
    ['an empty name', { '': '1' }],
    ['a colon in the name', { 'x:a': '1' }],
    ['a name twice', { 'x-a': '1', 'X-A': '2' }],
    ['a character of more than a byte', { 'x-a': '☃' }],
    ['101 headers', Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x-${i}`, '1']))],
    ['more than 16 kB', { 'x-a': 'a'.repeat(16_384) }],
    ['a number', { 'x-a': 1 }],
  ] as const)(
    'section 6: refuses %s, without connecting and without repeating it',
    async (_what, headers) => {
      await using world = await startApi();
      using connects = countConnects();
      const order = {
        url: `${world.lab.site.httpUrl}/ip`,
        headers: { ...headers, 'x-canary': 'canary-4711' },
      };
      const { status, error, text } = await callApi(world.app, 'POST', '/request', order);
      expect([status, error.code, connects.total()]).toEqual([400, 'VALIDATION_ERROR', 0]);
      expect(text).not.toContain('canary-4711');
    },
  );

  it('section 6: takes 100 headers', () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, '1']));
    expect(headersSchema.safeParse(many).success).toBe(true);
  });

  const name = fc.oneof(
    fc.constantFrom(...own, 'X-A', 'x-a', 'Accept', 'accept', 'Cookie', 'Content-Type', 'User-Agent'),
    fc.stringMatching(/^[!#$%&'*+.^_`|~\w-]{1,12}$/),
    fc.string({ maxLength: 6 }),
  );
  const value = fc.oneof(
    fc.stringMatching(/^[\t\x20-\x7e]{0,20}$/),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom('a\r\nHost: evil', 'a\nb', '\0', ' padded ', '', 'é'),
  );
  const headerSet = fc.array(fc.tuple(name, value), { maxLength: 6 });

  it('section 6: of 10,000 random sets, none that passes can be more or other headers on the wire', () => {
    let passed = 0;
    fc.assert(
      fc.property(headerSet, (entries) => {
        const headers = Object.fromEntries(entries);
        if (!headersSchema.safeParse(headers).success) return;
        passed += 1;
        const names = Object.keys(headers).map((text) => text.toLowerCase());
        expect(new Set(names).size).toBe(names.length);
        for (const [header, text] of Object.entries(headers)) {
          expect(`${header}: ${text}`).not.toMatch(/[\r\n\0]/);
          expect(header).toMatch(/^[!#$%&'*+.^_`|~\w-]+$/);
          expect(header).not.toMatch(new RegExp(`^(?:${own.join('|')}|proxy-.*)$`, 'i'));
        }
      }),
      { numRuns: 10_000, seed: 6 },
    );
    expect(passed).toBeGreaterThan(1_000);
  });

  it('section 6: what passes arrives at a strict target byte by byte, and nothing beside it', async () => {
    await using world = await startApi({ lab: { proxies: 1 } });
    const url = await strictTarget();
    const sets = fc
      .sample(headerSet, { numRuns: 1_500, seed: 7 })
      .map((entries) => Object.fromEntries(entries));
    const good = sets.filter((headers) => headersSchema.safeParse(headers).success).slice(0, 200);
    expect(good.length).toBe(200);
    const added = /^(?:host|connection|accept|accept-encoding|via|x-forwarded-\w+|proxy-connection): /;
    for (const headers of good) {
      const { data } = await callApi<{ body: string }>(world.app, 'POST', '/request', { url, headers });
      const lines = JSON.parse(data.body) as string[];
      const seen = lines.map((line) => {
        const at = line.indexOf(':');
        return `${line.slice(0, at).toLowerCase()}: ${line.slice(at + 1).trim()}`;
      });
      const sent = Object.entries(headers).map(
        ([header, text]) => `${header.toLowerCase()}: ${text.replace(/^[\t ]+|[\t ]+$/g, '')}`,
      );
      expect(seen.filter((line) => !sent.includes(line) && !added.test(line))).toEqual([]);
      expect(sent.filter((line) => !seen.includes(line))).toEqual([]);
    }
  });
});
