import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isSkipped } from '../../src/core/line.js';
import { parseProxy } from '../../src/core/parse.js';
import { createProxy, type Proxy, proxyUrl } from '../../src/core/proxy.js';
import { ProxyParseError } from '../../src/errors.js';
import { lineArbitrary, proxyArbitrary, runs } from './proxy-arbitrary.js';

/** Deep comparison does not look into a Secret, so the password is laid open. */
function open(proxy: Proxy): object {
  return { ...proxy, password: proxy.password?.reveal() ?? null };
}

it('Q-03 parse(format(p)) = p', () => {
  fc.assert(
    fc.property(proxyArbitrary, (proxy) => {
      expect(open(parseProxy(proxyUrl(proxy)))).toEqual(open(proxy));
    }),
    runs,
  );
});

it('Q-03 host:port:user:pass keeps the credentials as they are', () => {
  const raw = fc.stringMatching(/^[a-z0-9%@!$_,.;|-]{1,20}[a-z0-9]$/).filter((text) => !text.includes('@'));
  fc.assert(
    fc.property(
      fc.ipV4(),
      fc.integer({ min: 1, max: 65_535 }),
      raw,
      raw,
      (host, port, username, password) => {
        const proxy = parseProxy(`${host}:${port}:${username}:${password}`);
        expect(proxy.id).toBe(createProxy({ host, port, username, password }).id);
      },
    ),
    runs,
  );
});

it('Q-03 throws nothing but ProxyParseError, with a rule and a column inside the line', () => {
  fc.assert(
    fc.property(lineArbitrary, (line) => {
      try {
        parseProxy(line);
      } catch (error) {
        if (!(error instanceof ProxyParseError)) throw error;
        expect(error.rule).toMatch(/^G([1-9]|1[0-4])$/);
        expect(error.column).toBeGreaterThanOrEqual(1);
        expect(error.column).toBeLessThanOrEqual(line.length + 1);
      }
    }),
    runs,
  );
});

it('Q-03 accepts nothing that it would not print and read again, and that other URL parsers see elsewhere', () => {
  fc.assert(
    fc.property(lineArbitrary, (line) => {
      if (isSkipped(line)) return;
      let proxy: Proxy;
      try {
        proxy = parseProxy(line);
      } catch {
        return;
      }
      const url = proxyUrl(proxy);
      expect(parseProxy(url).id).toBe(proxy.id);
      const seen = new URL(url.replace(/^[^:]+/, 'http'));
      expect(seen.hostname.replaceAll(/[[\]]/g, '')).toBe(proxy.host);
      expect(seen.port === '' ? 80 : Number(seen.port)).toBe(proxy.port);
    }),
    runs,
  );
});

it('Q-04 no error and no proxy shows the password, whatever the line', () => {
  const canary = 'c4n4ryc4n4ry';
  fc.assert(
    fc.property(lineArbitrary, lineArbitrary, (before, after) => {
      let shown: unknown;
      try {
        const proxy = parseProxy(`${before}user:${canary}@${after}`);
        // A line may make the canary its host or user name; only a password is never shown.
        if (proxy.host.includes(canary) || proxy.username?.includes(canary)) return;
        shown = proxy;
      } catch (error) {
        shown = error;
        expect(String(error)).not.toContain(canary);
      }
      expect(JSON.stringify(shown)).not.toContain(canary);
      expect(inspect(shown, { depth: 9, showHidden: true })).not.toContain(canary);
    }),
    runs,
  );
});
