import { describe, expect, it } from 'vitest';
import { isDocument, peek } from '../../src/transport/document-peek.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeTimers } from '../support/fake-timers.js';

const KB = 1024;

/** A body whose chunks come when the test says so. */
function scripted() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
  });
  return { body, controller };
}

/** An endless body in chunks of 16 kB that counts those that are asked for. */
function endless() {
  let chunks = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        chunks += 1;
        controller.enqueue(new Uint8Array(16 * KB).fill(chunks % 251));
      },
    },
    { highWaterMark: 0 },
  );
  return { body, chunks: () => chunks };
}

const never = new AbortController().signal;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (body: ReadableStream<Uint8Array>): Promise<string> => new Response(body).text();
/** Lets what was resolved go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a look at the beginning of a body', () => {
  it('shows it, and leaves every byte to the reader', async () => {
    const timers = new FakeTimers(new FakeClock());
    const all = Array.from({ length: 200_000 }, (_, i) => i % 256);
    const source = new Response(Uint8Array.from(all)).body as ReadableStream<Uint8Array>;
    const { text, body } = await peek(source, timers, never);
    expect(text.slice(0, 9)).toBe(new TextDecoder().decode(Uint8Array.from(all.slice(0, 9))));
    expect([...new Uint8Array(await new Response(body).arrayBuffer())]).toEqual(all);
    expect(timers.pending).toBe(0);
  });

  it('keeps 64 kB and two chunks at most, and asks for more only when it is read', async () => {
    const { body: source, chunks } = endless();
    const { text, body } = await peek(source, new FakeTimers(new FakeClock()), never);
    expect(text.length).toBeLessThanOrEqual(64 * KB);
    await turn();
    expect(chunks()).toBeLessThanOrEqual(6);
    const reader = body.getReader();
    for (let i = 1; i <= 20; i++) expect((await reader.read()).value?.[0]).toBe(i % 251);
    await reader.cancel();
    await turn();
    expect(chunks()).toBeLessThanOrEqual(23);
  });

  it.each([
    ['after a second when nothing comes', [], 1000, ''],
    ['after 250 ms of silence when something came', [0], 250, 'x'],
    ['after a second though a byte comes now and then', [0, 200, 400, 600, 800, 990], 1000, 'xxxxxx'],
  ])('ends %s', async (_what, arrivals, endsAfter, seen) => {
    const clock = new FakeClock();
    const timers = new FakeTimers(clock);
    const startedAt = clock.now();
    const { body: source, controller } = scripted();
    for (const at of arrivals) timers.setTimeout(() => controller.enqueue(bytes('x')), at);
    let endedAt = 0;
    const looking = peek(source, timers, never).finally(() => {
      endedAt = clock.now();
    });
    await timers.runUntil(() => endedAt > 0);
    const { text, body } = await looking;
    expect([text, endedAt - startedAt]).toEqual([seen, endsAfter]);
    expect(timers.pending).toBe(0);
    controller.enqueue(bytes('rest'));
    controller.close();
    expect(await textOf(body)).toBe(`${seen}rest`);
  });

  it('ends when it is cut', async () => {
    const timers = new FakeTimers(new FakeClock());
    const cut = new AbortController();
    const looking = peek(scripted().body, timers, cut.signal);
    cut.abort();
    expect((await looking).text).toBe('');
    expect(timers.pending).toBe(0);
  });

  it('leaves what goes wrong to the reader', async () => {
    const { body: source, controller } = scripted();
    controller.enqueue(bytes('half'));
    const looking = peek(source, new FakeTimers(new FakeClock()), never);
    await turn();
    controller.error(new Error('it broke off'));
    const { text, body } = await looking;
    expect(text).toBe('half');
    const reader = body.getReader();
    expect((await reader.read()).value).toEqual(bytes('half'));
    await expect(reader.read()).rejects.toThrow('it broke off');
  });
});

describe('what is looked at', () => {
  it.each([
    [200, 'text/html; charset=utf-8', true, true],
    [200, 'application/xhtml+xml', true, true],
    [307, 'text/html', true, true],
    [403, 'text/html', true, true],
    [403, 'application/json', true, true],
    [403, 'application/problem+json', true, true],
    [202, 'text/plain', true, true],
    [429, null, true, true],
    [200, 'application/json', false, true],
    [200, null, false, true],
    [200, 'application/octet-stream', false, false],
    [403, 'application/octet-stream', false, false],
    [200, 'video/mp4', false, false],
    [200, 'text/event-stream', false, false],
    [200, 'text/csv', false, false],
  ])('status %s, %s: %s; by a rule of the user’s: %s', (status, type, expected, all) => {
    const headers = new Headers(type === null ? {} : { 'content-type': type });
    expect([isDocument(status, headers, false), isDocument(status, headers, true)]).toEqual([expected, all]);
  });

  it('is no page that only leads elsewhere', () => {
    const headers = new Headers({ 'content-type': 'text/html', location: '/' });
    expect(isDocument(302, headers, true)).toBe(false);
  });
});
