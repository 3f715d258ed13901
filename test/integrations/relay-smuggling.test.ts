import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { converse, relayWorld } from './relay-clients.js';

interface SmugglingRequest {
  readonly name: string;
  /** `{target}` stands for the site; the request that is smuggled asks for `/smuggled`. */
  readonly raw: string;
  readonly status: number;
}

const corpus = JSON.parse(readFileSync('fixtures/smuggling/requests.json', 'utf8')) as SmugglingRequest[];

it('holds 40 requests and more', () => {
  expect(corpus.length).toBeGreaterThanOrEqual(40);
  for (const { name, raw } of corpus) expect(raw, name).toContain('{target}');
});

it.each(corpus)('refuses and closes: $name', async ({ raw, status }) => {
  const { lab, relay } = await relayWorld({ proxies: 1 });
  const heard = await converse(relay, raw.replaceAll('{target}', new URL(lab.site.httpUrl).host));
  // One answer and no more, whatever followed.
  expect(heard.match(/^HTTP\/1\.1 \d+/gm)).toEqual([`HTTP/1.1 ${status}`]);
  expect(lab.site.requests.map(({ path }) => path).filter((path) => path === '/smuggled')).toEqual([]);
});

it('sends a request inside a body on as the body that it is', async () => {
  const { lab, relay } = await relayWorld({ proxies: 1 });
  const { host } = new URL(lab.site.httpUrl);
  const inner = `GET http://${host}/smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const bodies = [
    `Content-Length: ${inner.length}\r\n\r\n${inner}`,
    `Transfer-Encoding: chunked\r\n\r\n${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`,
  ];
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    for (const body of bodies) {
      const heard = await converse(
        relay,
        `${method} http://${host}/headers HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${body}`,
      );
      expect(heard, method).toMatch(/^HTTP\/1\.1 200/);
    }
  }
  expect(lab.site.requests.map(({ path }) => path)).toEqual(Array.from({ length: 8 }, () => '/headers'));
});
