import type { CrawleeRequest } from './crawlee-watch.js';

/** Errors after which Crawlee never retries: there is no retry to give back. */
const FINAL_ERRORS = /^(?:NonRetryable|Critical|MissingRoute|BrowserLaunch)/;

/**
 * Gives the retry back that Crawlee is about to count, through the request's public counters: the number of retries
 * allowed is the crawler's own and cannot be seen from here. While Crawlee's errorHandler runs, `retryCount` is one
 * lower. False when Crawlee will not retry anyway.
 */
export function giveBackRetry(request: CrawleeRequest, error: unknown): boolean {
  const name = (error as Error | undefined)?.constructor?.name ?? '';
  if (request.noRetry === true || FINAL_ERRORS.test(name)) return false;
  request.retryCount -= 1;
  if (name === 'SessionError') request.sessionRotationCount = (request.sessionRotationCount ?? 0) - 1;
  return true;
}

/**
 * How many retries it got back before this failure: it keeps the count of its errors itself, where a history may be
 * forgotten, and with it that a request was tried a thousand times already.
 */
export function givenBack({ errorMessages, retryCount }: CrawleeRequest): number {
  return Math.max(0, (errorMessages?.length ?? 0) - 1 - retryCount);
}
