import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiDocument } from '../../src/server/openapi.js';
import { seededRandom } from '../support/seeded-random.js';
import { expectDocumented, type Operation, operationsOf, readDocument, send } from './api-contract.js';
import { type ApiWorld, startApi } from './api-world.js';

const key = 'a'.repeat(40);
const canaries = Array.from(
  { length: 20 },
  (_, i) => `canary-${i}-${(i * 7_919 + 104_729).toString(36)}-S3cret!`,
);

let world: ApiWorld;
let operations: Operation[];
let document: ApiDocument;
const lines: string[] = [];

beforeAll(async () => {
  world = await startApi({
    lab: { proxies: 3 },
    api: {
      keys: [
        { name: 'admin', key },
        { name: 'canary', key: `${canaries[0]}-${'k'.repeat(32)}` },
      ],
      rateLimits: { perMinute: 1_000_000, requestsPerMinute: 1_000_000, failedAuthPerMinute: 1_000_000 },
      log: (line) => lines.push(line),
    },
  });
  // Proxies whose credentials are the canaries; nothing listens there.
  world.whirl.rotator.pool.add(
    ...canaries.map(
      (canary, i) =>
        `http://${encodeURIComponent(canary)}:${encodeURIComponent(canary)}@127.0.0.${200 + i}:9`,
    ),
  );
  document = JSON.parse(
    JSON.stringify(await readDocument(world.app)).replaceAll('198.51.100.7:8000', '127.0.0.250:9'),
  );
  operations = operationsOf(document);
});
afterAll(() => world[Symbol.asyncDispose]());

describe('10,000 random header sets and bodies', () => {
  it('are all answered, none by a 500, and always in the envelope', async () => {
    const random = seededRandom(20_260_102);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const text = (most: number): string =>
      Array.from({ length: Math.floor(random() * most) }, () =>
        String.fromCharCode(Math.floor(random() * 0x250)),
      ).join('');
    const value = (depth: number): unknown =>
      pick<() => unknown>([
        () => null,
        () => true,
        () => random() * 1e6,
        () => Math.floor(random() * 400) - 50,
        () => text(20),
        () => pick(['http://127.0.0.1/', 'random', 'true', 'DE', '__proto__', 'http://x@y:1', '']),
        () => (depth > 3 ? [] : Array.from({ length: 3 }, () => value(depth + 1))),
        () => (depth > 3 ? {} : object(depth + 1)),
      ])();
    const names = [
      'url',
      'timeout',
      'strategy',
      'proxies',
      'headers',
      'tags',
      'weight',
      'body',
      'method',
      'constructor',
      'x',
    ];
    const object = (depth: number): unknown =>
      Object.fromEntries(Array.from({ length: Math.floor(random() * 4) }, () => [pick(names), value(depth)]));
    const statuses = new Map<number, number>();
    for (let i = 0; i < 10_000; i++) {
      const operation = pick(operations);
      const headers: Record<string, string> = {};
      for (let n = 0; n < 5; n++) {
        const name = pick([
          'host',
          'origin',
          'accept',
          'accept-encoding',
          'x-forwarded-for',
          'x-api-key',
          'content-type',
          'content-encoding',
          'sec-fetch-site',
          'if-none-match',
          'last-event-id',
          `x-${n}`,
        ]);
        // What Headers takes: nothing beyond latin1, no control characters.
        const free = text(30)
          .replace(/[^\t\x20-\x7e\x80-\xff]/g, '')
          .trim();
        if (random() < 0.2)
          headers[name] = pick([
            free,
            '*',
            'null',
            'gzip',
            'localhost',
            'application/json',
            'text/plain',
            key,
          ]);
      }
      const body = pick([
        () => JSON.stringify(object(0)),
        () => text(200),
        () => JSON.stringify(value(0)) ?? '',
      ])();
      const id = pick(['x', '%', '..', text(10) || 'y']);
      const got = await send(world.app, operation, {
        key: random() < 0.9 ? key : null,
        headers,
        params: { id },
        query: pick([
          '',
          'page=2',
          'page=-1',
          `tag=${encodeURIComponent(text(9))}`,
          'check=false',
          'type=x',
          '%',
          text(12).replace('#', ''),
        ]),
        ...(operation.method === 'GET' ? {} : { body }),
      });
      statuses.set(got.status, (statuses.get(got.status) ?? 0) + 1);
      if (got.status === 500) throw new Error(`${i} ${operation.name} ${JSON.stringify(headers)} ${body}`);
      if (got.type === 'application/json')
        expect(Object.keys(JSON.parse(got.text))).toEqual(['status', 'data', 'error', 'meta']);
    }
    // Not everything was stopped at the door.
    expect([...statuses.keys()].sort()).toEqual(expect.arrayContaining([200, 400, 401, 403, 404, 415, 421]));
    expect(statuses.get(200)).toBeGreaterThan(500);
  });
});

describe('20 canary secrets', () => {
  it('are in no answer of any route, good or bad, raw, encoded or reversed, and in no line of the log', async () => {
    const member = world.whirl.rotator.pool.list().at(-1);
    const texts: string[] = [];
    for (const operation of operationsOf(document).sort((a) => (a.method === 'DELETE' ? 1 : -1))) {
      for (const given of [key, null]) {
        for (const sent of [
          {},
          { query: 'nonsense=1' },
          { params: { id: member?.id ?? '' } },
          { headers: { accept: 'application/json' } },
          ...canaries.map((canary, i) => ({
            params: { id: canary },
            query: i % 2 === 0 ? '' : `page_size=${canary}`,
            headers: { accept: `application/${canary}`, cookie: canary, authorization: canary },
            ...(operation.body === null
              ? {}
              : { body: JSON.stringify({ strategy: canary, url: `http://${canary}` }) }),
          })),
        ]) {
          const got = await send(world.app, operation, { key: given, ...sent });
          expectDocumented(document, operation, got);
          texts.push(got.text, JSON.stringify([...got.headers]));
        }
      }
    }
    const duplicate = await send(
      world.app,
      operationsOf(document).find(({ name }) => name === 'POST /proxies') as Operation,
      {
        key,
        body: JSON.stringify({ url: `http://${canaries[3]}:${canaries[4]}@127.0.0.300:9` }),
      },
    );
    const shown = [...texts, duplicate.text, ...lines].join('\n');
    const hits = canaries.flatMap((canary) =>
      formsOf(canary)
        .filter((form) => shown.includes(form))
        .map((form) => `${canary}: ${form}`),
    );
    expect(hits).toEqual([]);
    // The search finds what is there.
    expect(formsOf('round-robin').some((form) => shown.includes(form))).toBe(true);
    expect(shown).toContain(member?.id);
  });
});

/** As a leak could look: raw, percent-encoded, in base64 and hex, reversed, and each half of it reversed. */
function formsOf(secret: string): string[] {
  const reversed = (text: string): string => [...text].reverse().join('');
  const half = secret.length / 2;
  return [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('base64url'),
    Buffer.from(secret).toString('hex'),
    reversed(secret),
    reversed(secret.slice(0, half)),
    reversed(secret.slice(half)),
    // Both halves of credentials, as Basic carries them.
    Buffer.from(`${secret}:${secret}`).toString('base64'),
  ];
}
