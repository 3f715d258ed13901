import { Request } from '@crawlee/core';
import { describe, expect, it } from 'vitest';
import { type ProxyWhirl, type ProxyWhirlOptions, proxywhirl } from '../../src/index.js';

const MAX_RETRIES = 3;
const REFUSED = 'Proxy responded with 403';

function whirlOf(options: Partial<ProxyWhirlOptions> = {}): ProxyWhirl {
  return proxywhirl({
    proxies: ['192.0.2.1:8000', '192.0.2.2:8000'],
    breaker: { threshold: 1_000_000, rateShare: 0 },
    ...options,
  });
}

/** As Crawlee runs one attempt that fails; false when the request is not tried again. */
async function fails(whirl: ProxyWhirl, request: Request): Promise<boolean> {
  await whirl.newProxyInfo(undefined, { request });
  request.pushErrorMessage(new Error(REFUSED));
  if (request.retryCount >= MAX_RETRIES) return false;
  request.retryCount += 1;
  return true;
}

/** How often the request was tried; `between` gives the engine that meets the next attempt. */
async function attempts(request: Request, between: (tried: number) => ProxyWhirl): Promise<number> {
  for (let tried = 1; ; tried++) {
    // A queue keeps requests as JSON between attempts.
    const queued = new Request(JSON.parse(JSON.stringify(request)));
    if (!(await fails(between(tried), queued))) return tried;
    request = queued;
    if (tried === 100) throw new Error('It is tried for ever');
  }
}

describe('retries that are given back', () => {
  it('are counted by the request: an engine that has forgotten it gives back no more of them', async () => {
    const request = () => new Request({ url: 'https://a.test/' });
    await using whirl = whirlOf({ freeRetries: 5 });
    expect(await attempts(request(), () => whirl)).toBe(MAX_RETRIES + 1 + 5);
    const engines: ProxyWhirl[] = [];
    const forgetful = (): ProxyWhirl => {
      const next = whirlOf({ freeRetries: 5 });
      engines.push(next);
      return next;
    };
    expect(await attempts(request(), forgetful)).toBe(MAX_RETRIES + 1 + 5);
    for (const engine of engines) await engine.close();
  });

  it('are there again when the same URL is crawled anew', async () => {
    await using whirl = whirlOf({ freeRetries: 5 });
    for (let run = 0; run < 2; run++) {
      const request = new Request({ url: 'https://a.test/', id: 'same' } as { url: string });
      expect(await attempts(request, () => whirl)).toBe(MAX_RETRIES + 1 + 5);
    }
  });
});
