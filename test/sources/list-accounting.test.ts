import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSkipped } from '../../src/core/line.js';
import { proxyUrl } from '../../src/core/proxy.js';
import { type ProxyListFormat, parseProxyList } from '../../src/sources/formats.js';
import { importProxies } from '../../src/sources/import.js';
import { readHeader } from '../../src/sources/record-fields.js';
import { lineArbitrary, proxyArbitrary, runs } from '../core/proxy-arbitrary.js';

interface Form {
  readonly format: ProxyListFormat;
  /** What stands above the rows. */
  readonly head: string;
  readonly row: fc.Arbitrary<string>;
  /** Whether a row holds nothing at all that could be a proxy. */
  readonly says: (row: string) => boolean;
}

const oneLine = (line: string): string => line.replaceAll(/[\r\n]/g, '');
const odd = lineArbitrary.map(oneLine);
const cell = fc.oneof(
  odd,
  fc.constantFrom('', '80', '65536', '203.0.113.7', 'h.example', 'socks5', '"', '#', 'port'),
);
const field = fc.constantFrom(
  'ip',
  'host',
  'port',
  'url',
  'proxies',
  'data',
  'http',
  'socks5',
  'username',
  'x',
);
const leaf = fc.oneof(
  odd,
  fc.constantFrom('203.0.113.7', '203.0.113.8:81', ''),
  fc.integer(),
  fc.constant(null),
);
const value = fc.oneof(
  leaf,
  fc.dictionary(field, fc.oneof(leaf, fc.array(leaf, { minLength: 1, maxLength: 3 })), { maxKeys: 4 }),
  fc.array(leaf, { minLength: 1, maxLength: 3 }),
);

const says = (row: string): boolean => !isSkipped(row);
const forms: Readonly<Record<string, Form>> = {
  text: { format: 'text', head: '', row: fc.oneof(odd, proxyArbitrary.map(proxyUrl)), says },
  JSONL: {
    format: 'jsonl',
    head: '',
    row: fc.oneof(
      odd,
      value.map((one) => JSON.stringify(one)),
    ),
    says,
  },
  'CSV with a header': {
    format: 'csv',
    head: 'ip,port,protocol,country\n203.0.113.250,80,,\n',
    row: fc
      .array(cell, { minLength: 1, maxLength: 6 })
      .map((cells) => cells.join(','))
      // Joined lists repeat their header.
      .filter((row) => readHeader(row.split(',').map((one) => one.trim())) === undefined),
    says: (row) => says(row) && row.replaceAll(/[\s,\u200b\ufeff]/g, '') !== '',
  },
};

describe('nothing that was pasted is silently dropped', () => {
  it.each(Object.entries(forms))(
    'K-40 %s: each line is a proxy, a rejected line, or says nothing',
    (_name, form) => {
      const { format, head } = form;
      const skip = head.split('\n').length - 1;
      fc.assert(
        fc.property(fc.array(form.row, { maxLength: 8 }), (rows) => {
          const whole = parseProxyList(head + rows.join('\n'), { format });
          const ids = new Set(whole.proxies.map(({ id }) => id));
          const lines = new Set(whole.rejected.map(({ line }) => line));
          rows.forEach((row, index) => {
            const alone = parseProxyList(head + row.replace(/^\ufeff/, ''), { format });
            const found = alone.proxies.filter(({ host }) => host !== '203.0.113.250');
            if (form.says(row)) expect([row, found.length + alone.rejected.length]).not.toEqual([row, 0]);
            for (const { id } of found) expect([row, ids.has(id)]).toEqual([row, true]);
            if (alone.rejected.length > 0) expect([row, lines.has(skip + index + 1)]).toEqual([row, true]);
          });
        }),
        runs,
      );
    },
  );

  it.each([
    ['a first cell of a zero-width space', 'ip,port\n203.0.113.1,80\n\u200b,203.0.113.2:80\n', 1, 1],
    ['an empty first cell and a stray quote', 'cc;ip;port\n;203.0.113.1;80\n"DE;203.0.113.2;80\n', 1, 1],
    ['a quote around a line end', 'ip,port,note\n203.0.113.1,80,"\n"\n', 0, 2],
    ['comments', '# ip\nip,port\n// no\n#203.0.113.2,80\n203.0.113.1,80', 1, 0],
  ])('K-40 CSV with %s', (_name, text, proxies, rejected) => {
    const list = parseProxyList(text, { format: 'csv' });
    expect([list.proxies.length, list.rejected.length]).toEqual([proxies, rejected]);
  });

  it('K-40 JSON: of several lists in one document, each record is a proxy or a rejected line, in pieces too', async () => {
    const names = fc.constantFrom('http', 'socks5', 'vmess', 'data', 'proxies', 'items', 'elite');
    const lists = fc.dictionary(names, fc.integer({ min: 1, max: 3 }), { minKeys: 1, maxKeys: 5 });
    await fc.assert(
      fc.asyncProperty(lists, fc.boolean(), async (sizes, isPadded) => {
        let count = 0;
        const padding = isPadded ? ' '.repeat(20_000) : '';
        const lines = (size: number): string[] =>
          Array.from({ length: size }, () => `"203.0.113.${++count}:80"${padding}`);
        const members = Object.entries(sizes).map(([key, size]) => `"${key}":[${lines(size).join(',')}]`);
        const text = `{${members.join(',')}}`;
        const { proxies, rejected } = parseProxyList(text, { format: 'json' });
        const isRefused = proxies.length === 0 && rejected.length > 0;
        if (!isRefused) expect([text, proxies.length + rejected.length]).toEqual([text, count]);
        let pieces = 0;
        let refused = 0;
        for await (const batch of importProxies([text], { format: 'json' })) {
          pieces += batch.proxies.length + batch.rejected.length;
          refused += batch.rejected.length;
        }
        if (refused === 0) expect([text, pieces]).toEqual([text, count]);
      }),
      runs,
    );
  });
});
