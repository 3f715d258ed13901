import { PassThrough } from 'node:stream';
import type { Dispatcher } from 'undici';
import { describe, expect, it } from 'vitest';
import { createRotator } from '../../src/create-rotator.js';
import { Deadline } from '../../src/transport/deadline.js';
import { attempt, isFailure } from '../../src/transport/fetch-attempt.js';
import { defaultFetchLimits, readOrder } from '../../src/transport/fetch-init.js';
import { Judge } from '../../src/transport/judge.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeTimers } from '../support/fake-timers.js';
import { proxyLines } from '../support/test-engine.js';

/** An attempt whose answer has this head, and a body that the test writes. */
async function begin(statusCode: number, type: string) {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const rotator = createRotator({ proxies: proxyLines(1), clock });
  const lease = rotator.acquire({ url: 'https://shop.test/' });
  const body = new PassThrough();
  const dispatcher = { request: async () => ({ statusCode, headers: { 'content-type': type }, body }) };
  const order = await readOrder('https://shop.test/', {}, defaultFetchLimits);
  const deadline = new Deadline(clock, 30_000, null, timers);
  const lost = new AbortController();
  let ends = 0;
  const result = attempt({
    request: order.request,
    order,
    lease,
    dispatcher: dispatcher as unknown as Dispatcher,
    deadline,
    clock,
    judge: new Judge({ clock, wallNow: () => 0, onSuspect() {} }),
    patienceMs: null,
    lost: lost.signal,
    attempts: [],
    ended: () => {
      ends += 1;
    },
  });
  return { result, lease, body, lost, timers, deadline, ends: () => ends };
}

describe('an attempt that is beaten by its hedge', () => {
  it('while the beginning of its page is looked at, costs nothing and leaves nothing behind', async () => {
    const { result, lease, body, lost, timers, deadline, ends } = await begin(403, 'text/html');
    await new Promise((resolve) => setImmediate(resolve));
    expect(lease.settled).toBe(false);
    lost.abort();
    const failure = await result;
    expect(isFailure(failure) && [failure.code, failure.verdict]).toEqual(['HEDGE_LOST', 'neutral']);
    expect([lease.verdict, ends(), body.destroyed]).toEqual(['neutral', 1, true]);
    deadline.end();
    expect(timers.pending).toBe(0);
  });
});

describe('a ban', () => {
  it('is charged as soon as it is found; the request is under way until its body ends', async () => {
    const { result, lease, body, timers, ends } = await begin(200, 'text/html');
    body.write('<title>Access denied</title><p>Complete the captcha: unusual traffic from your network.</p>');
    await timers.runUntil(() => lease.settled);
    const failure = await result;
    expect(isFailure(failure) && [failure.code, failure.verdict, failure.answer?.rule]).toEqual([
      null,
      'banned',
      'captcha-page',
    ]);
    expect([lease.verdict, ends()]).toEqual(['banned', 0]);
    body.end();
    if (isFailure(failure)) await new Response(failure.answer?.body).text();
    expect(ends()).toBe(1);
  });
});
