import { Request, RequestState } from '@crawlee/core';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../src/core/outcome.js';
import { Attempt } from '../../src/integrations/crawlee-attempt.js';
import { testEngine } from '../support/test-engine.js';

const { BEFORE_NAV, AFTER_NAV, REQUEST_HANDLER, DONE, ERROR, ERROR_HANDLER } = RequestState;

function attempt(url = 'https://a.test/page') {
  const { rotator, clock } = testEngine(1);
  const request = new Request({ url });
  const lease = rotator.acquire({ url });
  const ends: { verdict: Verdict; error: unknown }[] = [];
  const subject = new Attempt(request, lease, clock, (ended, verdict, error) => {
    ends.push({ verdict, error });
    ended.settle(verdict, error);
  });
  /** As Crawlee does: one state after the other, `ms` between them. */
  const go = (...states: (RequestState | number)[]): void => {
    for (const state of states) request.state = state;
  };
  return { subject, request, lease, ends, go, clock, figures: () => rotator.stats().proxies[0] };
}

describe('an attempt', () => {
  it('that runs to its end is a success, with the time between the request and its answer', () => {
    const { go, clock, ends, figures } = attempt();
    clock.advance(5000);
    go(BEFORE_NAV);
    clock.advance(120);
    go(AFTER_NAV);
    clock.advance(9000);
    go(REQUEST_HANDLER, DONE);
    expect(ends).toEqual([{ verdict: 'success', error: undefined }]);
    expect(figures()).toMatchObject({ succeeded: 1, active: 0, emaLatencyMs: 120 });
  });

  it.each([
    { states: [], verdict: 'proxy' },
    { states: [BEFORE_NAV], verdict: 'proxy' },
    { states: [BEFORE_NAV, AFTER_NAV, REQUEST_HANDLER], verdict: 'neutral' },
  ])('that fails after the states $states with a refused connection is $verdict', ({ states, verdict }) => {
    const { go, request, ends, figures } = attempt();
    const error = new Error('connect ECONNREFUSED 192.0.2.1:8000');
    go(...states);
    request.pushErrorMessage(error);
    expect(ends).toEqual([{ verdict, error }]);
    expect(figures()).toMatchObject({ active: 0, failed: verdict === 'proxy' ? 1 : 0 });
  });

  it('ends once: what Crawlee writes afterwards is none of its business', () => {
    const { go, request, ends, subject, figures } = attempt();
    go(BEFORE_NAV);
    request.pushErrorMessage(new Error('read ECONNRESET'));
    go(ERROR_HANDLER, BEFORE_NAV, AFTER_NAV, DONE, ERROR);
    request.pushErrorMessage(new Error('connect ECONNREFUSED'));
    subject.end();
    subject.abandon();
    expect(ends.map(({ verdict }) => verdict)).toEqual(['ambiguous']);
    expect(figures()).toMatchObject({ started: 1, completed: 1, active: 0 });
    expect(Object.hasOwn(request, 'state')).toBe(false);
  });

  it("that skips its navigation is nobody's, whatever the code of the user throws", () => {
    for (const error of [undefined, new Error('connect ECONNREFUSED 127.0.0.1:5432')]) {
      const { go, request, ends, figures } = attempt();
      go(REQUEST_HANDLER);
      if (error === undefined) go(DONE);
      else request.pushErrorMessage(error);
      expect(ends).toEqual([{ verdict: 'neutral', error: undefined }]);
      expect(figures()).toMatchObject({ active: 0, succeeded: 0, failed: 0 });
    }
  });

  it('that meets a refused connection, twice, opens the breaker at once; a broken one does not', () => {
    const { rotator, clock } = testEngine(1);
    const failing = (message: string): string => {
      const request = new Request({ url: 'https://a.test/' });
      const subject = new Attempt(
        request,
        rotator.acquire(),
        clock,
        (ended, verdict, error) => void ended.settle(verdict, error),
      );
      subject.navigating();
      subject.end(new Error(message));
      return rotator.stats().proxies[0]?.health ?? '';
    };
    expect(['connect EHOSTUNREACH', 'connect EHOSTUNREACH'].map(failing)).toEqual(['closed', 'closed']);
    expect(['connect ECONNREFUSED', 'connect ECONNREFUSED'].map(failing)).toEqual(['closed', 'open']);
  });

  it("that is abandoned is nobody's", () => {
    const { go, ends, subject, figures } = attempt();
    go(BEFORE_NAV);
    subject.abandon();
    expect(ends).toEqual([{ verdict: 'neutral', error: undefined }]);
    expect(figures()).toMatchObject({ active: 0, failed: 0 });
  });

  it('that is done without an answer is no success', () => {
    const { go, ends } = attempt();
    go(BEFORE_NAV, DONE);
    expect(ends[0]?.verdict).toBe('neutral');
  });

  it('takes its latency from the last start of the navigation, and from hooks before states', () => {
    const { go, clock, subject, figures } = attempt();
    go(BEFORE_NAV);
    clock.advance(700);
    subject.navigating();
    clock.advance(100);
    go(AFTER_NAV);
    subject.navigating();
    clock.advance(50);
    subject.answered({ status: 200 });
    go(REQUEST_HANDLER, DONE);
    expect(figures()?.emaLatencyMs).toBe(100);
    const hooked = attempt();
    hooked.go(BEFORE_NAV);
    hooked.clock.advance(100);
    hooked.go(AFTER_NAV);
    hooked.subject.answered({ latencyMs: 42 });
    hooked.go(REQUEST_HANDLER, DONE);
    expect(hooked.figures()?.emaLatencyMs).toBe(42);
  });

  it.each([
    ['https://a.test/', 403, 'banned'],
    ['https://a.test/', 500, 'target'],
    ['http://a.test/', 500, 'ambiguous'],
    ['http://a.test/', 407, 'auth'],
  ] as const)('to %s that was answered with %s is %s', (url, status, verdict) => {
    const { go, subject, ends } = attempt(url);
    go(BEFORE_NAV);
    subject.answered({ status });
    go(AFTER_NAV, REQUEST_HANDLER, DONE);
    expect(ends[0]?.verdict).toBe(verdict);
  });

  it('looks at the answer when Crawlee refused it before a hook saw it', () => {
    const { go, subject, request, ends } = attempt('http://a.test/');
    subject.look = () => ({ status: 407 });
    go(BEFORE_NAV, AFTER_NAV);
    request.pushErrorMessage(new Error('Resource served Content-Type text/plain, but only text/html'));
    expect(ends[0]?.verdict).toBe('auth');
  });

  it('without a request that can be watched lives by its hooks alone', () => {
    const { rotator, clock } = testEngine(1);
    const request = Object.freeze({
      url: 'https://a.test/',
      retryCount: 0,
      state: 0,
      pushErrorMessage: () => {},
    });
    const subject = new Attempt(
      request,
      rotator.acquire(),
      clock,
      (ended, verdict) => void ended.settle(verdict),
    );
    expect(subject.watched).toBe(false);
    subject.navigating();
    clock.advance(30);
    subject.answered({ status: 200 });
    subject.end();
    expect(rotator.stats().proxies[0]).toMatchObject({ succeeded: 1, emaLatencyMs: 30 });
  });
});
