import { request } from 'node:http';
import type { Lease, Verdict } from 'proxywhirl';
import type { Lab } from 'proxywhirl/lab';

/**
 * One GET through the proxy of a lease, which it settles. Enough for the lab, whose pages are http:// and whose proxies
 * ask for no credentials; a crawler leaves this to its HTTP client.
 */
export function visit(lease: Lease, url: string): Promise<Verdict> {
  const { host, port } = lease.proxy;
  const startedAt = performance.now();
  return new Promise((resolve) => {
    // RFC 9112, 3.2.2: a proxy is asked for the whole URL.
    const sent = request({ host, port, path: url, agent: false, headers: { host: new URL(url).host } });
    sent.on('error', (error) => resolve(lease.fail({ verdict: 'proxy', error })));
    sent.on('response', (answer) => {
      const [latencyMs, status] = [performance.now() - startedAt, answer.statusCode ?? 0];
      if ([401, 403, 429].includes(status)) lease.fail({ verdict: 'banned', status });
      else lease.succeed({ latencyMs, status });
      answer.resume().on('close', () => resolve(lease.verdict ?? 'neutral'));
    });
    sent.end();
  });
}

/** Gives back the name of a proxy in the lab. */
export function namesOf({ proxies }: Lab): (proxy: { readonly url: string }) => string {
  const names = new Map(proxies.map(({ url, name }) => [url, name]));
  return ({ url }) => names.get(url) ?? url;
}
