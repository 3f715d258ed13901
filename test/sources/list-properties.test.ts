import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isSkipped } from '../../src/core/line.js';
import { type Proxy, proxyUrl } from '../../src/core/proxy.js';
import { type ProxyListFormat, parseProxyList } from '../../src/sources/formats.js';
import { lineArbitrary, proxyArbitrary, runs } from '../core/proxy-arbitrary.js';

const formats: ProxyListFormat[] = ['auto', 'text', 'json', 'jsonl', 'csv', 'html'];

function unique(proxies: readonly Proxy[]): string[] {
  return [...new Set(proxies.map(({ id }) => id))];
}

const write: Record<string, (proxies: readonly Proxy[]) => string> = {
  text: (proxies) => proxies.map(proxyUrl).join('\n'),
  'JSON texts': (proxies) => JSON.stringify(proxies.map(proxyUrl), null, 2),
  'JSON records': (proxies) => JSON.stringify({ data: proxies.map((proxy) => ({ url: proxyUrl(proxy) })) }),
  JSONL: (proxies) => proxies.map((proxy) => JSON.stringify({ url: proxyUrl(proxy) })).join('\r\n'),
  CSV: (proxies) => ['country;proxy', ...proxies.map((proxy) => `DE;"${proxyUrl(proxy)}"`)].join('\n'),
  HTML: (proxies) =>
    `<table><tr><th>Proxy${proxies.map((proxy) => `<tr><td>${proxyUrl(proxy)}</td></tr>`).join('')}</table>`,
};

it.each(Object.keys(write))('Q-03 reads back a list written as %s', (format) => {
  fc.assert(
    fc.property(fc.array(proxyArbitrary, { minLength: 1, maxLength: 8 }), (proxies) => {
      const list = parseProxyList(write[format]?.(proxies) ?? '');
      expect(list.rejected).toEqual([]);
      expect(list.proxies.map(({ id }) => id)).toEqual(unique(proxies));
    }),
    runs,
  );
});

it('Q-03 each line of a text is a proxy, a rejected line, or says nothing', () => {
  const lines = fc.array(
    lineArbitrary.map((line) => line.replaceAll(/[\r\n]/g, '')),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(lines, (given) => {
      const list = parseProxyList(given.join('\n'), { format: 'text' });
      const bad = new Set(list.rejected.map(({ line }) => line));
      expect(bad.size).toBe(list.rejected.length);
      given.forEach((line, index) => {
        if (isSkipped(line)) expect(bad.has(index + 1)).toBe(false);
        else if (!bad.has(index + 1)) {
          const alone = parseProxyList(line.replace(/^\ufeff/, ''), { format: 'text' }).proxies[0];
          expect(list.proxies.map(({ id }) => id)).toContain(alone?.id);
        }
      });
    }),
    runs,
  );
});

it('Q-03 throws for no input in any format', () => {
  const text = fc.oneof(
    fc.array(lineArbitrary, { maxLength: 6 }).map((lines) => lines.join('\n')),
    fc.json(),
    fc
      .array(
        fc.constantFrom(
          ...[
            '<table>',
            '<tr>',
            '<td>',
            '</td>',
            '</table>',
            '<th>',
            'IP',
            'Port',
            '203.0.113.1',
            '80',
            '&#0;',
            '<!--',
            '-->',
          ],
          ...[
            '{',
            '}',
            '[',
            ']',
            '"',
            ',',
            ':',
            '"ip"',
            '"port"',
            '"data"',
            '"proxies"',
            '\n',
            ';',
            '\t',
            '\\',
            'null',
            '1',
          ],
        ),
        { maxLength: 40 },
      )
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, fc.constantFrom(...formats), (input, format) => {
      for (const { line, rule, message } of parseProxyList(input, { format }).rejected) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(rule).not.toBe('');
        expect(message).not.toBe('');
      }
    }),
    runs,
  );
});

it('Q-03 throws for no bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...formats), (bytes, format) => {
      parseProxyList(bytes, { format });
    }),
    runs,
  );
});

it('Q-04 shows no password of a list', () => {
  const canary = 'c4n4ryc4n4ry';
  const record = fc.record({
    host: lineArbitrary,
    port: fc.oneof(fc.integer(), lineArbitrary),
    username: lineArbitrary,
  });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 4 }), (records) => {
      const list = parseProxyList(JSON.stringify(records.map((one) => ({ ...one, password: canary }))));
      expect(JSON.stringify(list)).not.toContain(canary);
      expect(inspect(list, { depth: 9 })).not.toContain(canary);
    }),
    runs,
  );
});
