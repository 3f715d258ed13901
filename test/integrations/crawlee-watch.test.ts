import { Request, RequestState } from '@crawlee/core';
import { describe, expect, it } from 'vitest';
import { type CrawleeRequest, requestState, watchRequest } from '../../src/integrations/crawlee-watch.js';

const options = { url: 'https://a.test/page', userData: { label: 'x' } };

function watched(request: Request = new Request(options)) {
  const seen: unknown[] = [];
  const stop = watchRequest(request, {
    onState: (state) => seen.push(state),
    onError: (error) => seen.push(error),
  });
  return { request, seen, stop };
}

describe('requestState', () => {
  it('is that of the installed Crawlee', () => {
    expect(requestState).toEqual({
      beforeNav: RequestState.BEFORE_NAV,
      afterNav: RequestState.AFTER_NAV,
      requestHandler: RequestState.REQUEST_HANDLER,
      done: RequestState.DONE,
    });
  });
});

describe('watchRequest, on the Request of Crawlee', () => {
  it('tells each state and error, after the request has them', () => {
    const { request, seen } = watched();
    request.state = RequestState.BEFORE_NAV;
    request.state = RequestState.AFTER_NAV;
    const error = new Error('of the page');
    request.pushErrorMessage(error);
    expect(seen).toEqual([1, 2, error]);
    expect(request.state).toBe(RequestState.AFTER_NAV);
    expect(request.errorMessages).toHaveLength(1);
    expect(request.errorMessages[0]).toContain('of the page');
  });

  it('hands the options of an error on', () => {
    const { request } = watched();
    request.pushErrorMessage(new Error('of the page'), { omitStack: true });
    expect(request.errorMessages).toEqual(['of the page']);
  });

  it('leaves the object as it was, and tells nothing any more', () => {
    const request = new Request(options);
    const before = Object.getOwnPropertyDescriptors(request);
    const { seen, stop } = watched(request);
    expect(Object.getOwnPropertyDescriptors(request)).not.toEqual(before);
    stop?.();
    expect(Object.getOwnPropertyDescriptors(request)).toEqual(before);
    request.state = RequestState.DONE;
    request.pushErrorMessage(new Error('late'));
    expect(seen).toEqual([]);
    expect(request.state).toBe(RequestState.DONE);
    expect(request.errorMessages[0]).toContain('late');
  });

  it('is invisible: keys, JSON and spread are those of an unwatched request', () => {
    const plain = new Request(options);
    const { request } = watched(new Request(options));
    expect(Object.keys(request)).toEqual(Object.keys(plain));
    expect(JSON.parse(JSON.stringify(request))).toEqual(JSON.parse(JSON.stringify(plain)));
    expect(Object.keys({ ...request })).toEqual(Object.keys({ ...plain }));
    request.state = RequestState.DONE;
    expect(request.userData.__crawlee).toMatchObject({ state: RequestState.DONE });
  });

  it('may be watched again after it stopped, as a retry is', () => {
    const request = new Request(options);
    for (let attempt = 0; attempt < 3; attempt++) {
      const { seen, stop } = watched(request);
      request.state = RequestState.BEFORE_NAV;
      stop?.();
      expect(seen).toEqual([1]);
    }
  });
});

describe('watchRequest, on what cannot be watched', () => {
  class Like {
    url = 'https://a.test/';
    retryCount = 0;
    pushed: unknown[] = [];
    #state = 0;
    get state(): number {
      return this.#state;
    }
    set state(value: number) {
      this.#state = value;
    }
    pushErrorMessage(error: unknown): void {
      this.pushed.push(error);
    }
  }
  const listener = { onState: () => expect.unreachable(), onError: () => expect.unreachable() };

  const locked = (name: string): Like => {
    const like = new Like();
    return Object.defineProperty(like, name, { configurable: false, value: () => {} });
  };

  it.each([
    ['frozen', Object.freeze(new Like())],
    ['sealed', Object.seal(new Like())],
    [
      'without a setter for its state',
      Object.assign(
        Object.create({
          get state() {
            return 0;
          },
        }),
        { pushErrorMessage() {} },
      ),
    ],
    ['with a plain state', { url: 'x', retryCount: 0, state: 0, pushErrorMessage: () => {} }],
    ['without pushErrorMessage', Object.assign(new Like(), { pushErrorMessage: undefined })],
    ['with its own pushErrorMessage locked', locked('pushErrorMessage')],
    ['with its own state locked', locked('state')],
  ])('%s: reports nothing and breaks nothing', (_what, request: unknown) => {
    const before = Object.getOwnPropertyDescriptors(request);
    expect(watchRequest(request as CrawleeRequest, listener)).toBeUndefined();
    expect(Object.getOwnPropertyDescriptors(request)).toEqual(before);
  });
});
