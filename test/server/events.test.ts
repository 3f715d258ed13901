import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createRotator } from '../../src/create-rotator.js';
import { ApiError } from '../../src/server/api-error.js';
import { resolveApiOptions } from '../../src/server/api-options.js';
import { EventHub, eventTypes } from '../../src/server/event-hub.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeTimers } from '../support/fake-timers.js';
import { thrownBy } from '../support/thrown-by.js';
import { startApi } from './api-world.js';

interface Told {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

const everything = { types: null, proxyId: null };

/** The engine, a hub over it, and what one of its clients reads. */
function startHub(options: { maxEventClients?: number } = {}) {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const rotator = createRotator({ proxies: ['192.0.2.1:80', '192.0.2.2:80'], clock, random: () => 0 });
  const draining = new AbortController();
  const hub = new EventHub({
    rotator,
    options: resolveApiOptions({ timers, now: () => 1_700_000_000_000, ...options }),
    draining: draining.signal,
  });
  return { clock, timers, rotator, draining, hub };
}

function reading(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  return {
    /** All that has come so far; ends with what the next read would have to wait for. */
    async next(): Promise<string | null> {
      const { done, value } = await reader.read();
      return done ? null : decoder.decode(value);
    },
    leave: () => reader.cancel(),
  };
}

function parse(text: string): Told[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
      return { id: field('id'), event: field('event') ?? '', data: JSON.parse(field('data') ?? '{}') };
    });
}

describe('GET /events', () => {
  it('tells of selections, outcomes, sessions, strategy swaps and health as they happen', async () => {
    await using world = await startApi({ lab: { proxies: [{}, { fault: 'dead' }] } });
    const leaving = new AbortController();
    const request = new Request('http://localhost/api/v1/events', { signal: leaving.signal });
    const response = await world.app(request);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toContain('no-store');
    const client = reading(response.body as ReadableStream<Uint8Array>);
    let text = '';
    const { rotator } = world.whirl;
    const order = { url: `${world.lab.site.httpUrl}/ip`, sessionId: 'canary-session-4711' };
    for (let i = 0; i < 3; i++) await world.call('POST', '/request', order);
    rotator.setStrategy('random');
    const [a, b] = rotator.pool.list().map(({ id }) => id) as [string, string];
    for (let i = 0; i < 5; i++) rotator.acquireCarrier(b)?.fail({ verdict: 'proxy' });
    await world.call('PATCH', `/proxies/${a}`, { disabled: true });
    await world.call('DELETE', `/proxies/${b}`);
    await vi.waitFor(async () => {
      text += await client.next();
      expect(text).toContain('"change":"removed"');
    });
    const told = parse(text);
    expect(new Set(told.map(({ event }) => event))).toEqual(
      new Set(['selected', 'settled', 'session', 'strategy', 'breaker', 'adjusted', 'pool']),
    );
    expect(told.find(({ event }) => event === 'strategy')?.data).toEqual({
      timestamp: expect.stringMatching(/Z$/),
      from: 'round-robin',
      to: 'random',
    });
    const ids = told.map(({ id }) => Number(id));
    expect(ids).toEqual(ids.map((_, i) => (ids[0] ?? 0) + i));
    expect(text).not.toContain('canary-session-4711');
    leaving.abort();
    // A signal is gone with its request, which a server holds on to.
    expect(request.signal.aborted).toBe(true);
    expect(await client.next()).toBeNull();
  });

  it('filters by type and by proxy', async () => {
    const { hub, rotator } = startHub();
    const [a, b] = rotator.pool.list().map(({ id }) => id) as [string, string];
    const { signal } = new AbortController();
    const settled = reading(hub.follow({ types: new Set(['settled']), proxyId: null }, signal));
    const ofB = reading(hub.follow({ types: null, proxyId: b }, signal));
    for (const stream of [settled, ofB]) await stream.next();
    rotator.acquire().succeed({ latencyMs: 5 });
    rotator.setStrategy('random');
    rotator.acquireCarrier(b)?.fail({ verdict: 'target' });
    const text = [await settled.next(), await settled.next()].join('');
    expect(parse(text).map(({ event, data }) => [event, data.proxyId, data.verdict])).toEqual([
      ['settled', a, 'success'],
      ['settled', b, 'target'],
    ]);
    const mine = [await ofB.next(), await ofB.next()].join('');
    expect(parse(mine).map(({ event, data }) => [event, data.proxyId])).toEqual([
      ['selected', b],
      ['settled', b],
    ]);
  });

  it.each(['type=selected,listener-error', 'type=', 'type=x', 'colour=1', 'proxyId='])(
    'A-02 refuses ?%s',
    async (query) => {
      await using world = await startApi();
      const { status, error } = await world.call('GET', `/events?${query}`);
      expect([status, error.code]).toEqual([400, 'VALIDATION_ERROR']);
    },
  );

  it('keeps no more than 512 events for a client that does not read, and tells how many it missed', async () => {
    const { hub, rotator } = startHub();
    const client = reading(
      hub.follow({ types: new Set(['selected']), proxyId: null }, new AbortController().signal),
    );
    await client.next();
    for (let i = 0; i < 10_000; i++) rotator.acquire().release();
    const told: Told[] = [];
    while (told.at(-1)?.event !== 'dropped') told.push(...parse((await client.next()) ?? ''));
    expect(told.length).toBeLessThanOrEqual(520);
    expect(told.at(-1)?.data.count).toBe(10_000 - (told.length - 1));
    rotator.acquire().release();
    expect(parse((await client.next()) ?? '').map(({ event }) => event)).toEqual(['selected']);
  });

  it('takes no more clients than allowed, and the next one when one has left', async () => {
    const { hub } = startHub({ maxEventClients: 2 });
    const { signal } = new AbortController();
    const first = reading(hub.follow(everything, signal));
    hub.follow(everything, signal);
    const error = thrownBy(() => hub.follow(everything, signal));
    expect(error).toMatchObject({ code: 'TOO_MANY_STREAMS', status: 503 });
    expect((error as ApiError).retryAfter).toBeGreaterThan(0);
    await first.leave();
    expect(hub.follow(everything, signal)).toBeInstanceOf(ReadableStream);
  });

  it('keeps an idle connection alive, and stops when the last client has left', async () => {
    const { hub, timers } = startHub();
    const client = reading(hub.follow(everything, new AbortController().signal));
    expect(await client.next()).toBe(':\n\n');
    expect(timers.fireNext()).toBe(true);
    expect(await client.next()).toBe(':\n\n');
    expect(timers.pending).toBe(1);
    await client.leave();
    expect(timers.pending).toBe(0);
  });

  it('listens to the engine only while somebody follows', async () => {
    const { hub, rotator } = startHub();
    const on = vi.spyOn(rotator, 'on');
    expect(on).toHaveBeenCalledTimes(0);
    const client = reading(hub.follow(everything, new AbortController().signal));
    expect(on).toHaveBeenCalledTimes(eventTypes.length);
    await client.leave();
    const again = reading(hub.follow(everything, new AbortController().signal));
    await again.next();
    rotator.acquire().release();
    // Once each, though this is the second time that somebody follows.
    expect(parse([await again.next(), await again.next()].join('')).map(({ event }) => event)).toEqual([
      'selected',
      'settled',
    ]);
  });

  it('row 44: ends when the server drains, and takes nobody from then on', async () => {
    const { hub, draining, timers } = startHub();
    const client = reading(hub.follow(everything, new AbortController().signal));
    await client.next();
    draining.abort();
    expect(await client.next()).toBeNull();
    expect(timers.pending).toBe(0);
    expect(thrownBy(() => hub.follow(everything, new AbortController().signal))).toBeInstanceOf(ApiError);
  });

  it('tells nothing of errors, and lets nothing break out of an event', async () => {
    const { hub, rotator } = startHub();
    const client = reading(hub.follow(everything, new AbortController().signal));
    await client.next();
    rotator.setStrategy({
      name: 'shaky',
      choose() {
        throw new Error('canary-4711');
      },
    });
    rotator.acquire({ host: 'a.test\n\nevent: forged\ndata: {}' }).release();
    let text = '';
    while (!text.includes('settled')) text += await client.next();
    expect(text).not.toContain('canary-4711');
    expect(parse(text).map(({ event }) => event)).toEqual(['strategy', 'fallback', 'selected', 'settled']);
    onTestFinished(() => client.leave());
  });
});
